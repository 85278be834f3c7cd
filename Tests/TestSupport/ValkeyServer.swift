import Glibc
import Linux

/// A private Valkey or Redis of one test, reached by a Unix socket in a directory of its own.
public final class ValkeyServer: Sendable {
    /// Which of the two it is.
    public let kind: ServerKind
    /// Where it listens.
    public let socketPath: String
    /// Its port on the loopback interface, nil where none was asked for.
    public let port: UInt16?
    /// Its working directory, where its data lies.
    public let directory: String

    private let command: ChildProcess.Command
    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var process: LaunchedProcess?

    fileprivate init(
        kind: ServerKind,
        directory: String,
        port: UInt16?,
        configuration: String?,
        arguments: [String]
    ) throws {
        guard let program = kind.program else {
            throw FixtureError("\(kind.rawValue) is not installed: scripts/dependencies test")
        }
        self.kind = kind
        self.directory = directory
        self.port = port
        socketPath = "\(directory)/valkey.sock"
        var command = ChildProcess.Command(executable: program)
        if let configuration { command.arguments.append(configuration) }
        command.arguments += ["--port", "\(port ?? 0)", "--bind", "127.0.0.1", "--dir", directory]
        command.arguments += ["--unixsocket", socketPath]
        if configuration == nil { command.arguments += ["--save", "", "--appendonly", "no"] }
        command.arguments += arguments
        command.workingDirectory = directory
        self.command = command
    }

    /// What it wrote to its log so far.
    public var log: String { (try? File.text(logPath)) ?? "" }

    /// A new connection to it.
    public func connect() throws -> RESPClient { try RESPClient(unixPath: socketPath) }

    /// Runs one command on a connection of its own.
    ///
    /// - Throws: As `RESPClient.command`.
    @discardableResult
    public func command(_ words: String...) throws -> RESPReply {
        try connect().command(words.map { Array($0.utf8) })
    }

    /// How many connections are subscribed to a channel.
    ///
    /// - Throws: As ``command(_:)``.
    public func subscribers(_ channel: String) throws -> Int64? {
        try command("PUBSUB", "NUMSUB", channel).elements?.last?.integer
    }

    /// Ends it as a crash would (SIGKILL).
    public func kill() {
        current?.kill()
    }

    /// Ends it as a service manager would (SIGTERM) and waits until it has ended.
    ///
    /// - Throws: ``FixtureError`` where it does not end, or not with status 0.
    public func shutDown() async throws {
        guard let process = current else { return }
        try process.signal(SIGTERM)
        let status = try await process.end()
        guard status == .exited(0) else { throw FixtureError("\(kind.rawValue) ended with \(status)", log: logPath) }
    }

    /// Stops its process, so that it keeps its connections and answers nothing (SIGSTOP).
    public func pause() throws {
        try current?.signal(SIGSTOP)
    }

    /// Lets it run on after ``pause()`` (SIGCONT).
    public func resume() throws {
        try current?.signal(SIGCONT)
    }

    /// Starts it, on the data that is there, and waits until it answers.
    ///
    /// - Throws: ``FixtureError`` with the end of its log where it does not.
    public func start() async throws {
        let process = try await launch()
        let deadline = Instant.now.advanced(by: .seconds(15))
        while !answers {
            if let status = try process.exitStatus {
                throw FixtureError("\(kind.rawValue) ended at its start with \(status)", log: logPath)
            }
            guard Instant.now < deadline else { throw FixtureError("\(kind.rawValue) answers nothing", log: logPath) }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Starts it without waiting until it answers.
    ///
    /// - Throws: ``FixtureError`` where it runs already, `SystemError` where it cannot be started.
    @discardableResult
    public func launch() async throws -> LaunchedProcess {
        if try current?.exitStatus == nil, current != nil { throw FixtureError("\(kind.rawValue) runs already") }
        try AppendOnlyFile.dropTornTransaction(in: directory)
        let process = try await LaunchedProcess.start(command, log: logPath)
        lock.withLock { unsafe self.process = process }
        return process
    }

    /// Crashes it and starts it again on the same data.
    public func restart() async throws {
        kill()
        try await start()
    }

    private var logPath: String { "\(directory)/log" }

    private var current: LaunchedProcess? { lock.withLock { unsafe process } }

    /// Whether it answers; it refuses while it still reads its data.
    private var answers: Bool { (try? command("PING")) == .simple("PONG") }
}

/// Runs `body` with a server of its own, which ends with it.
///
/// It keeps nothing on disk unless told so: `arguments: ["--appendonly", "yes", "--appendfsync", "always"]`.
///
/// - Parameters:
///   - kind: Which server.
///   - tcp: Whether it also listens on a free port of the loopback interface.
///   - configuration: Path of a configuration file; what says where it listens and keeps its data is overridden.
///   - arguments: Further settings as the command line takes them, `--name value`.
///   - body: Receives the running server.
/// - Returns: What `body` returned.
/// - Throws: What `body` throws, or ``FixtureError`` with the end of the server's log.
public func withValkeyServer<Result>(
    _ kind: ServerKind = .preferred,
    tcp: Bool = false,
    configuration: String? = nil,
    arguments: [String] = [],
    _ body: (ValkeyServer) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        let server = try await startedServer(kind, tcp, directory, configuration, arguments)
        defer { server.kill() }
        return try await body(server)
    }
}

private func startedServer(
    _ kind: ServerKind,
    _ tcp: Bool,
    _ directory: String,
    _ configuration: String?,
    _ arguments: [String]
) async throws -> ValkeyServer {
    var attempt = 1
    while true {
        let server = try ValkeyServer(
            kind: kind,
            directory: directory,
            port: tcp ? try LoopbackPort.free() : nil,
            configuration: configuration,
            arguments: arguments
        )
        do {
            try await server.start()
            return server
        } catch let error as FixtureError where tcp && attempt < 5 && server.log.contains("Address already in use") {
            // Somebody else took the port between the question and the start.
            attempt += 1
            _ = error
        } catch {
            server.kill()
            throw error
        }
    }
}
