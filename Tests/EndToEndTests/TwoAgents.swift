import TestSupport

/// Runs `body` with two agents on one server.
///
/// - Parameters:
///   - kind: Which server.
///   - configuration: Text of the configuration file of both.
///   - body: Receives both when they are connected.
/// - Throws: As `withAgent`.
func withTwoAgents(
    _ kind: ServerKind = .preferred,
    configuration: String = "{}",
    _ body: (RunningAgent, RunningAgent) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let file = "\(directory)/squire.json"
        try File.write(configuration, to: file)
        try await withAgent(kind, configuration: configuration) { first in
            let arguments = ["--config", file, "--valkey", "unix://\(first.server.socketPath)"]
            try await withDaemon(arguments: arguments) { daemon in
                let second = RunningAgent(daemon: daemon, server: first.server)
                try await second.becomeConnected()
                try await body(first, second)
            }
        }
    }
}
