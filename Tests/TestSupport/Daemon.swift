import Bytes
import Glibc
import Linux

/// A running `squired` of one test.
public final class Daemon: Sendable {
    /// Where it listens.
    public let socketPath: String
    /// Where it keeps its data.
    public let stateDirectory: String
    /// Its process.
    public let process: LaunchedProcess

    private let logPath: String

    fileprivate init(socketPath: String, stateDirectory: String, process: LaunchedProcess, logPath: String) {
        self.socketPath = socketPath
        self.stateDirectory = stateDirectory
        self.process = process
        self.logPath = logPath
    }

    /// What it wrote to its standard output and error so far.
    public var log: String { (try? File.text(logPath)) ?? "" }

    /// Ends it as a crash would (SIGKILL).
    public func kill() {
        process.kill()
    }

    /// Ends it as a service manager would (SIGTERM) and waits until it has ended.
    ///
    /// - Throws: ``FixtureError`` with the end of its log where it does not end, or not with status 0.
    public func terminate() async throws {
        try process.signal(SIGTERM)
        // Longer than the grace that it gives to what runs.
        let status = try await process.end(within: .seconds(30))
        guard status == .exited(0) else { throw FixtureError("squired ended with \(status)", log: logPath) }
    }

    /// Runs the built `rpc` against it.
    ///
    /// - Throws: As ``runRPC(_:input:environment:limit:)``.
    public func rpc(_ arguments: String..., input: [UInt8]? = nil) async throws -> CommandResult {
        try await runRPC(["--socket", socketPath] + arguments, input: input)
    }

    /// Sends one line on a connection of its own and waits for one line of reply.
    ///
    /// - Parameters:
    ///   - request: A JSON-RPC request without the newline.
    ///   - limit: How long the reply may take.
    /// - Returns: The reply without the newline.
    /// - Throws: ``FixtureError`` where none comes in time, `SystemError` where the connection breaks.
    public func exchange(_ request: String, limit: Duration = .seconds(10)) async throws -> String {
        let connection = try Socket.connect(unixPath: socketPath)
        let deadline = Instant.now.advanced(by: limit)
        let line = Array((request + "\n").utf8)
        var sent = 0
        while sent < line.count {
            switch line.withByteView({ connection.write($0.dropFirst(sent)) }) {
            case .bytes(let count): sent += count
            case .end: throw SystemError(code: EPIPE, operation: "write to squired")
            case .failed(let error): throw error
            case .wouldBlock:
                guard Instant.now < deadline else { throw FixtureError("squired reads nothing", log: logPath) }
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        var received: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while received.last != UInt8(ascii: "\n") {
            let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
                guard let base = memory.baseAddress else { return Transfer.end }
                return unsafe connection.read(into: base, count: memory.count)
            }
            switch transfer {
            case .bytes(let count): received += chunk.prefix(count)
            case .end: throw SystemError(code: ECONNRESET, operation: "read from squired")
            case .failed(let error): throw error
            case .wouldBlock:
                guard Instant.now < deadline else { throw FixtureError("squired answers nothing", log: logPath) }
                try await Task.sleep(for: .milliseconds(1))
            }
        }
        return String(decoding: received.dropLast(), as: UTF8.self)
    }

    /// Waits until it answers a ping.
    fileprivate func becomeReady() async throws {
        let deadline = Instant.now.advanced(by: .seconds(20))
        let ping = #"{"jsonrpc":"2.0","id":1,"method":"agent.ping"}"#
        while (try? await exchange(ping))?.contains(#""result""#) != true {
            if let status = try process.exitStatus {
                throw FixtureError("squired ended at its start with \(status)", log: logPath)
            }
            guard Instant.now < deadline else { throw FixtureError("squired does not become ready", log: logPath) }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}

/// What lets root and the agent's user operate an agent.
private let operatorPolicy =
    #"{"rules": [{"name": "all", "users": ["root", "@agent"], "operator": true, "methods": ["*"]},"#
    + #" {"name": "members", "groups": ["@socket"], "methods": ["*"]}]}"#

/// Runs `body` with the built `squired`, in directories of its own.
///
/// It is ended by SIGTERM afterwards and has to exit with 0, unless `body` ended it.
///
/// - Parameters:
///   - arguments: Further arguments; the socket and the state directory are given. Without a URL it starts its own
///     Valkey.
///   - isOperated: Whether root and the agent's user may call the methods of operators; else the standard policy holds.
///   - environment: Variables beside `PATH`; nothing else is taken over from the tests' environment.
///   - body: Receives the daemon when it answers.
/// - Returns: What `body` returned.
/// - Throws: What `body` throws, after the end of the log went to standard error; or ``FixtureError``.
public func withDaemon<Result>(
    arguments: [String] = [],
    isOperated: Bool = true,
    environment: [String: String] = [:],
    _ body: (Daemon) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        let stateDirectory = "\(directory)/state"
        let runtimeDirectory = "\(directory)/run"
        for path in [stateDirectory, runtimeDirectory] {
            guard unsafe mkdir(path, 0o700) == 0 else { throw SystemError.current("mkdir \(path)") }
        }
        let socketPath = "\(runtimeDirectory)/squire.sock"
        var command = ChildProcess.Command(executable: try Product.path("squired"))
        command.arguments = ["--socket", socketPath, "--state-dir", stateDirectory] + arguments
        var ours = ServerKind.agentEnvironment.merging(["XDG_RUNTIME_DIR": runtimeDirectory]) { $1 }
        if isOperated {
            let policy = "\(directory)/policy.json"
            try File.write(operatorPolicy, to: policy)
            ours["SQUIRE_POLICY_FILE"] = policy
        }
        command.environment = variables(environment.merging(ours) { own, _ in own })
        command.workingDirectory = directory
        let logPath = "\(directory)/log"
        let daemon = Daemon(
            socketPath: socketPath,
            stateDirectory: stateDirectory,
            process: try await LaunchedProcess.start(command, log: logPath),
            logPath: logPath
        )
        defer { daemon.kill() }
        try await daemon.becomeReady()
        let result: Result
        do {
            result = try await body(daemon)
        } catch {
            File.writeToStandardError("the end of squired's log:\n\(File.tail(of: logPath))\n")
            throw error
        }
        if try daemon.process.exitStatus == nil { try await daemon.terminate() }
        return result
    }
}
