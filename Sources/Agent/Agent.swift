import Bytes
import Configuration
import Contract
import EventLoop
import Glibc
import JSON
import JSONRPC
import Leaders
import Leases
import Linux
import Locks
import Observability
import Sessions
import Store
import Valkey

/// The agent: everything that is built once, wired together, started and ended in one place.
@EventLoop
final class Agent {
    private var configuration: Configuration
    private let log: Log
    private let stores: Stores
    private let calls: CallTable
    private let features: Features
    private let dispatcher: Dispatcher
    private let server: Server
    private let telemetry: TelemetryServer
    private let sockets: [ListeningSocket]
    private var service: ServiceManager?
    private var signals: SignalWatcher?
    private var isStopping = false
    private var exitStatus: Int32 = 0

    /// Builds an agent that listens, but serves nobody before ``start()``.
    ///
    /// - Parameters:
    ///   - configuration: What holds.
    ///   - keys: The keys of sessions.
    ///   - log: Where records go.
    /// - Throws: ``ListeningSocket/Fault`` where the socket cannot be served.
    init(_ configuration: Configuration, keys: SessionKeys, log: Log) throws(ListeningSocket.Fault) {
        self.configuration = configuration
        self.log = log
        sockets = try ListeningSocket.all(configuration, environment: .current)
        stores = Stores(configuration, log: log)
        calls = CallTable(
            limits: configuration.limits.connection,
            methods: Method.allCases.count,
            clock: EventLoop.reactor.clock
        )
        calls.observer = CallLog(log: log)
        calls.slowNanoseconds = configuration.log.slowNanoseconds
        features = Features(configuration, stores, calls: calls, keys: keys, log: log)
        keys.report(to: log, configuration)
        dispatcher = Dispatcher(
            calls: calls,
            features: features,
            deadlines: Dispatcher.Deadlines(configuration.limits)
        )
        server = Server(
            sockets,
            connectionsMax: configuration.limits.connectionsMax,
            calls: calls,
            dispatcher: dispatcher,
            log: log
        )
        features.agent.server = server
        telemetry = TelemetryServer(features.agent)
        service = ServiceManager(.current, log: log) { [stores] in stores.summary }
    }

    /// Watches for signals, starts the stores, then serves.
    func start() async {
        do throws(SystemError) {
            signals = try SignalWatcher([SIGTERM, SIGINT, SIGHUP]) { self.received($0) }
        } catch {
            return fail("signals cannot be received", error.reason)
        }
        do throws(EmbeddedServerError) {
            try await stores.start()
        } catch {
            return fail("the embedded Valkey cannot be started", error.message)
        }
        guard !isStopping else { return }
        features.start()
        stores.stateSafety.start()
        do throws(SystemError) {
            try server.start()
        } catch {
            return fail("clients cannot be accepted", error.reason)
        }
        if let address = configuration.telemetry.listen {
            do throws(TelemetryServer.Fault) {
                try telemetry.start(address, socketMode: configuration.socket.mode)
            } catch {
                return fail("metrics cannot be served", error.description)
            }
        }
        EventLoop.reactor.timers.schedule(after: .seconds(1)) {
            ProcessMemory.releaseStartupCode()
            self.releaseSpareMemory()
        }
        service?.ready()
        let paths = sockets.map { $0.path ?? $0.name }.joined(separator: ",")
        log.notice("squired serves", ["socket": paths, "version": "\(OpenRPC.version)"])
    }

    /// Gives memory back that was needed for a moment; every ten seconds.
    private func releaseSpareMemory() {
        ProcessMemory.releaseSpare()
        EventLoop.reactor.timers.schedule(after: .seconds(10)) { self.releaseSpareMemory() }
    }

    /// Status for the process to exit with, once the loop has ended.
    var status: Int32 { exitStatus }

    private func fail(_ message: StaticString, _ reason: String) {
        log.error(message, ["reason": reason])
        exitStatus = ExitStatus.unavailable
        stop()
    }

    private func received(_ signal: Int32) {
        switch signal {
        case SIGHUP: reload()
        case SIGINT where isStopping:
            // Somebody at a terminal asks twice: enough of waiting for others.
            finish()
        default: stop()
        }
    }

    /// Takes up what may change while the agent runs; a faulty configuration changes nothing.
    private func reload() {
        guard !isStopping else { return }
        service?.reloading()
        defer { service?.ready() }
        let next: Configuration
        do throws(ConfigurationError) {
            next = try configuration.reloaded()
        } catch {
            return log.error("the configuration is faulty; the old one stays", ["faults": error.description])
        }
        let keys: SessionKeys
        do throws(KeyFault) {
            keys = try SessionKeys(next)
        } catch {
            return log.error("the session keys are faulty; the old configuration stays", ["faults": error.description])
        }
        features.adopt(next, keys)
        stores.stateSafety.acceptsEviction = next.valkey.acceptsEviction
        log.level = next.log.level
        log.format = next.log.format
        calls.slowNanoseconds = next.log.slowNanoseconds
        dispatcher.deadlines = Dispatcher.Deadlines(next.limits)
        let changed = next.changes(since: configuration)
        // What proves who a server is belongs to the server: with another URL it waits for the restart too.
        let isSameServer = changed.allSatisfy { !$0.hasSuffix("_url") }
        let waiting = changed.filter { !Agent.isReloadable($0) && !(isSameServer && Agent.isAccess($0)) }
        configuration.log = next.log
        let (nearBytes, localBytes) = (configuration.cache.nearBytes, configuration.cache.localBytes)
        configuration.cache = next.cache
        configuration.cache.nearBytes = nearBytes
        configuration.cache.localBytes = localBytes
        configuration.sessions = next.sessions
        configuration.channels = next.channels
        configuration.topics = next.topics
        configuration.valkey.acceptsEviction = next.valkey.acceptsEviction
        configuration.limits.deadline = next.limits.deadline
        configuration.limits.sweepDeadline = next.limits.sweepDeadline
        if isSameServer {
            configuration.adoptAccess(of: next)
            stores.adoptCredentials(configuration)
        }
        features.agent.configuration = configuration
        log.notice(
            "configuration reloaded",
            [
                "changed": changed.joined(separator: ","),
                "needs_restart": waiting.joined(separator: ","),
            ]
        )
    }

    private static func isReloadable(_ option: String) -> Bool {
        let memory = ["cache.near_bytes", "cache.local_bytes"]
        return option.hasPrefix("log.") || option.hasPrefix("cache.") && !memory.contains(option)
            || option.hasPrefix("sessions.") || option.hasPrefix("namespaces.")
            || option.hasPrefix("channels.") || option.hasPrefix("topics.")
            || ["limits.deadline_ms", "limits.sweep_deadline_ms", "valkey.accept_eviction"].contains(option)
    }

    /// Whether an option says as whom the agent speaks to Valkey, or how it knows that it is Valkey.
    private static func isAccess(_ option: String) -> Bool {
        option.hasPrefix("valkey.tls.") || ["valkey.user", "valkey.password_file"].contains(option)
    }

    /// Ends in order, within the grace or by force: nobody new, running calls to their end, then the stores.
    private func stop() {
        guard !isStopping else { return }
        isStopping = true
        log.notice("squired stops", ["running_calls": String(calls.running)])
        server.stopAccepting()
        dispatcher.isDraining = true
        let grace = configuration.shutdown.grace
        service?.stopping(within: grace + Agent.storesGrace + .seconds(5))
        features.agent.tellClosing(grace: grace)
        features.close()
        Task { @EventLoop in
            let deadline = Instant.now.advanced(by: grace)
            await self.drain(until: deadline)
            self.features.handOver()
            self.server.closeAll()
            // What is left of the grace, and a moment at least: a cache store saves its snapshot in it.
            let left = Duration.nanoseconds(deadline.nanoseconds(since: .now))
            await self.stores.stop(grace: max(left, Agent.storesGrace))
            self.finish()
        }
    }

    /// What stores have at least to end in order.
    private static let storesGrace = Duration.seconds(1)

    /// Waits until running calls have ended and clients have taken their replies; then takes no more from anybody, and
    /// waits for the replies to what had come.
    private func drain(until deadline: Instant) async {
        await pause(until: deadline) {
            self.calls.running == 0 && !self.server.hasOutput && !self.features.isReleasing
        }
        server.finishReceiving()
        await pause(until: deadline) { self.calls.running == 0 && !self.server.hasOutput }
    }

    private func pause(until deadline: Instant, _ condition: @EventLoop () -> Bool) async {
        while !condition(), Instant.now < deadline {
            await EventLoop.reactor.timers.sleep(for: .milliseconds(5))
        }
    }

    private func finish() {
        telemetry.close()
        for socket in sockets { socket.removeFile() }
        EventLoop.stop()
    }
}

extension Configuration.Log {
    /// From which duration on a call is slow, in nanoseconds.
    fileprivate var slowNanoseconds: Int64 { slow == .zero ? .max : slow.wholeNanoseconds }
}

extension Dispatcher.Deadlines {
    /// The deadlines that a configuration sets.
    init(_ limits: Configuration.Limits) {
        standardMilliseconds = limits.deadline.wholeMilliseconds
        sweepMilliseconds = limits.sweepDeadline.wholeMilliseconds
    }
}
