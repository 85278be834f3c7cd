import Configuration
import EventLoop
import JSONRPC
import Linux
import Observability
import Store
import Valkey

/// The two stores: what may be forgotten and what must not be, each with its link, and with a server of the agent's own
/// where none is configured.
@EventLoop
final class Stores {
    /// Link to the store that may evict.
    let cacheLink: Link
    /// Link to the store that must not.
    let stateLink: Link
    /// Whether it does not.
    let stateSafety: StoreSafety
    private let embedded: [EmbeddedServer]
    private let stateDirectory: String?

    init(_ configuration: Configuration, log: Log) {
        stateDirectory = configuration.stateDirectory
        if let endpoints = configuration.valkey.endpoints {
            embedded = []
            cacheLink = Link(name: "cache", configuration: configuration.link(to: endpoints.cache), log: log)
            stateLink = Link(name: "state", configuration: configuration.link(to: endpoints.state), log: log)
            stateSafety = Stores.safety(stateLink, configuration, log)
            return
        }
        let servers = Stores.embeddedServers(configuration)
        let cache = EmbeddedServer(servers.cache, log: log)
        let state = EmbeddedServer(servers.state, log: log)
        embedded = [cache, state]
        cacheLink = Link(name: "cache", configuration: configuration.link(to: cache.endpoint), log: log)
        stateLink = Link(name: "state", configuration: configuration.link(to: state.endpoint), log: log)
        stateSafety = Stores.safety(stateLink, configuration, log)
    }

    private static func safety(_ link: Link, _ configuration: Configuration, _ log: Log) -> StoreSafety {
        StoreSafety(link: link, acceptsEviction: configuration.valkey.acceptsEviction, log: log)
    }

    /// Starts the embedded servers side by side, then the links.
    ///
    /// - Throws: ``EmbeddedServerError`` where a server cannot be started here at all.
    func start() async throws(EmbeddedServerError) {
        if !embedded.isEmpty { try makeStateDirectory() }
        let starting = embedded.map { server in
            Task { @EventLoop () -> Result<Void, EmbeddedServerError> in
                do throws(EmbeddedServerError) {
                    return .success(try await server.start())
                } catch {
                    return .failure(error)
                }
            }
        }
        for task in starting { try await task.value.get() }
        cacheLink.start()
        stateLink.start()
    }

    /// Ends the links, then the embedded servers side by side.
    func stop(grace: Duration) async {
        cacheLink.close()
        stateLink.close()
        let stopping = embedded.map { server in
            Task { @EventLoop in await server.stop(grace: grace) }
        }
        for task in stopping { await task.value }
    }

    /// Has new connections to configured servers use what files of passwords and certificates hold now.
    func adoptCredentials(_ configuration: Configuration) {
        guard let endpoints = configuration.valkey.endpoints else { return }
        cacheLink.adoptCredentials(configuration.link(to: endpoints.cache))
        stateLink.adoptCredentials(configuration.link(to: endpoints.state))
    }

    /// How the agent serves, in one line for people.
    var summary: String {
        let away = [cacheLink, stateLink].filter { !$0.isConnected }.map(\.name)
        guard !away.isEmpty else { return warnings.first.map { "serving, degraded: \($0)" } ?? "serving" }
        return "serving, degraded: the \(away.joined(separator: " and ")) store cannot be reached"
    }

    /// What the operator should know of the stores, one sentence each.
    var warnings: [String] {
        let refusals = [cacheLink, stateLink].compactMap { link in
            link.status.writeRefusal.map { "the \(link.name) store refuses writes: \($0)\(RPCError.advice($0))" }
        }
        return refusals
            + embedded.compactMap { server in
                server.status.fault.map { "the embedded \(server.configuration.storeName) server does not run: \($0)" }
            }
    }

    private func makeStateDirectory() throws(EmbeddedServerError) {
        guard let stateDirectory else { preconditionFailure("a configuration without Valkey has a state directory") }
        do throws(SystemError) {
            try Directory.make(stateDirectory, mode: 0o700)
        } catch {
            throw EmbeddedServerError(.directoryUnusable, "the state directory cannot be made: \(error)")
        }
    }

    private static func embeddedServers(
        _ configuration: Configuration
    ) -> (cache: EmbeddedServer.Configuration, state: EmbeddedServer.Configuration) {
        let directory = configuration.stateDirectory ?? ""
        // Their sockets stand beside the agent's, where there is room for few bytes of path only.
        var stem = configuration.socket.path
        if stem.hasSuffix(".sock") { stem.removeLast(5) }
        let options = configuration.embedded
        var cache = EmbeddedServer.Configuration(
            role: .cache(maximumMemory: options.cacheMaxMemory, policy: options.cacheMaxMemoryPolicy),
            directory: "\(directory)/cache",
            socketPath: "\(stem)-cache.sock"
        )
        var state = EmbeddedServer.Configuration(
            role: .state(synchronization: .init(rawValue: options.stateAppendFsync) ?? .everySecond),
            directory: "\(directory)/state",
            socketPath: "\(stem)-state.sock"
        )
        cache.executable = options.executable
        state.executable = options.executable
        return (cache, state)
    }
}
