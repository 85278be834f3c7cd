import EventLoop
import Glibc
import Linux
import Observability
import TestSupport
import Valkey

/// A directory of one test, with what an embedded server in it needs.
struct EmbeddedServerFixture {
    /// The server's socket.
    let socketPath: String
    /// The server's data.
    let dataDirectory: String
    /// What the product logged goes here.
    let log: Log
    private let logPath: String

    init(directory: String, logNumber: Int32) {
        socketPath = "\(directory)/valkey.sock"
        dataDirectory = "\(directory)/data"
        logPath = "\(directory)/log"
        log = Log(descriptor: logNumber)
    }

    /// What the product logged so far.
    var logText: String { (try? File.text(logPath)) ?? "" }

    /// The configuration of a server of this test.
    func configuration(
        _ role: EmbeddedServer.Configuration.Role,
        _ kind: ServerKind = .preferred
    ) -> EmbeddedServer.Configuration {
        var configuration = EmbeddedServer.Configuration(
            role: role,
            directory: dataDirectory,
            socketPath: socketPath
        )
        configuration.executable = kind.program
        return configuration
    }

    /// Runs `body` with a started server, and stops it.
    func withServer(
        _ configuration: EmbeddedServer.Configuration,
        _ body: (EmbeddedServer) async throws -> Void
    ) async throws {
        let server = await EmbeddedServer(configuration, log: log)
        try await server.start()
        do {
            try await body(server)
            await server.stop()
        } catch {
            await server.stop(grace: .zero)
            File.writeToStandardError(logText)
            throw error
        }
    }

    /// The reply to one command, on a connection of its own, to a server that may still be reading its data.
    @discardableResult
    func command(_ words: String...) async throws -> RESPReply {
        let request = words.map { Array($0.utf8) }
        var reply = RESPReply.null
        try await waitUntil("the server answers") {
            guard let client = try? RESPClient(unixPath: socketPath) else { return false }
            guard let received = try? client.command(request) else { return false }
            if case .error(let text) = received, text.hasPrefix("LOADING") { return false }
            reply = received
            return true
        }
        return reply
    }

    /// The value of a setting that is in force.
    func setting(_ name: String) async throws -> String? {
        try await command("CONFIG", "GET", name).elements?.last?.text
    }
}

/// Runs `body` in a directory of its own, with the event loop on its thread.
func withEmbeddedServerFixture(_ body: (EmbeddedServerFixture) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        LoopThread.start()
        let file = try FileDescriptor.open("\(directory)/log", flags: O_WRONLY | O_CREAT | O_APPEND)
        try await body(EmbeddedServerFixture(directory: directory, logNumber: file.number))
    }
}

/// Whether the process has ended; a zombie counts, whose parent only has not collected it yet.
func hasEnded(_ processID: Int32) -> Bool {
    guard let status = try? File.text("/proc/\(processID)/stat") else { return true }
    return status.split(separator: ")").last?.split(separator: " ").first == "Z"
}
