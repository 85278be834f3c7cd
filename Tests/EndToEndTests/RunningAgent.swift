import JSON
import Linux
import TestSupport

/// The built agent with a Valkey of its own beside it, which the test may look into.
struct RunningAgent {
    /// The agent.
    let daemon: Daemon
    /// Its only store.
    let server: ValkeyServer

    /// A new connection to the agent.
    func connect(_ framing: AgentClient.Framing = .lines) throws -> AgentClient {
        try AgentClient(daemon.socketPath, framing)
    }

    /// Bytes of the agent's memory that are present.
    var residentBytes: Int {
        get throws { try memory("VmRSS:") }
    }

    /// The most that ``residentBytes`` ever was.
    var residentBytesPeak: Int {
        get throws { try memory("VmHWM:") }
    }

    private func memory(_ field: String) throws -> Int {
        let lines = try File.text("/proc/\(daemon.process.processID)/status").split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix(field) }),
            let kibibytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({
                Int($0)
            })
        else { throw FixtureError("the kernel does not tell \(field)") }
        return kibibytes << 10
    }
}

/// Runs `body` with an agent whose only store is a private server.
///
/// - Parameters:
///   - kind: Which server.
///   - configuration: Text of the agent's configuration file.
///   - arguments: Further arguments of the agent.
///   - body: Receives the running agent.
/// - Returns: What `body` returned.
/// - Throws: As `withDaemon` and `withValkeyServer`.
func withAgent<Result>(
    _ kind: ServerKind = .preferred,
    configuration: String = "{}",
    arguments: [String] = [],
    _ body: (RunningAgent) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        let file = "\(directory)/squire.json"
        try File.write(configuration, to: file)
        return try await withValkeyServer(kind) { server in
            let all = ["--config", file, "--valkey", "unix://\(server.socketPath)"] + arguments
            return try await withDaemon(arguments: all) { daemon in
                let agent = RunningAgent(daemon: daemon, server: server)
                try await agent.becomeConnected()
                return try await body(agent)
            }
        }
    }
}

extension RunningAgent {
    /// Waits until the agent's links are up.
    func becomeConnected() async throws {
        let client = try connect()
        try await waitUntil("the agent is connected to its store") {
            try await client.result(of: "agent.health")["degraded"] == false
        }
    }
}
