import JSON
import Linux
import TestSupport
import Testing

/// A connection to the agent that keeps replies and notifications apart, however they come.
final class LeaseClient {
    private let client: AgentClient
    private var lastID: Int64 = 0
    private var replies: [Int64: Document] = [:]
    private(set) var pushes: [Document] = []

    init(_ path: String, limit: Duration = .seconds(30)) throws {
        client = try AgentClient(path, limit: limit)
    }

    /// Sends a call, whose reply comes later.
    func begin(_ method: String, _ params: Document) async throws -> Int64 {
        lastID += 1
        let call: Document = ["jsonrpc": "2.0", "id": .integer(lastID), "method": .string(method), "params": params]
        try await client.send(call.text(style: .compact))
        return lastID
    }

    /// The reply to a call.
    func reply(to id: Int64) async throws -> Document {
        while true {
            if let reply = replies.removeValue(forKey: id) { return reply }
            take(try Document.parse(try await client.receive()))
        }
    }

    /// The reply to a call where it has come already.
    func replyIfThere(to id: Int64) throws -> Document? {
        while let message = try client.receivedMessage() { take(try Document.parse(message)) }
        return replies.removeValue(forKey: id)
    }

    /// The notifications that have come already and were not taken.
    func takePushes() throws -> [Document] {
        while let message = try client.receivedMessage() { take(try Document.parse(message)) }
        defer { pushes.removeAll() }
        return pushes
    }

    private func take(_ message: Document) {
        if let id = message["id"]?.integer { replies[id] = message } else { pushes.append(message) }
    }

    /// The result of a call that succeeds.
    func result(_ method: String, _ params: Document = [:]) async throws -> Document {
        try await result(of: try await begin(method, params))
    }

    /// The result of a call that was begun, and succeeds.
    func result(of id: Int64) async throws -> Document {
        let reply = try await reply(to: id)
        return try #require(reply["result"], "\(reply.text(style: .compact))")
    }

    /// The data of the error with which a call ends.
    func error(_ method: String, _ params: Document) async throws -> Document {
        try await error(of: try await begin(method, params))
    }

    /// The data of the error with which a call ends that was begun.
    func error(of id: Int64) async throws -> Document {
        let reply = try await reply(to: id)
        return try #require(reply["error"]?["data"], "\(reply.text(style: .compact))")
    }

    /// The next notification of a method, those before it dropped.
    func push(_ method: String) async throws -> Document {
        while true {
            if let index = pushes.firstIndex(where: { $0["method"]?.string == method }) {
                let push = pushes[index]
                pushes.removeSubrange(...index)
                return push["params"] ?? .null
            }
            take(try Document.parse(try await client.receive()))
        }
    }

    /// Says that nothing more will be sent.
    func finishSending() { client.finishSending() }
}

extension RunningAgent {
    /// A new connection.
    func lease(limit: Duration = .seconds(30)) throws -> LeaseClient {
        try LeaseClient(daemon.socketPath, limit: limit)
    }

    /// A counter of the area `leases`.
    func leases(_ name: String) async throws -> Int64 {
        try await connect().result(of: "agent.stats")["leases"]?[name]?.integer ?? -1
    }
}

/// Runs `body` with two agents on one server.
func withTwoAgents(
    server arguments: [String] = [],
    _ body: (RunningAgent, RunningAgent) async throws -> Void
) async throws {
    try await withValkeyServer(arguments: arguments) { server in
        let store = ["--valkey", "unix://\(server.socketPath)"]
        try await withDaemon(arguments: store) { first in
            try await withDaemon(arguments: store) { second in
                let agents = [first, second].map { RunningAgent(daemon: $0, server: server) }
                for agent in agents { try await agent.becomeConnected() }
                try await body(agents[0], agents[1])
            }
        }
    }
}

/// Runs `body` with an agent whose only store has a replica that follows.
///
/// - Parameter body: Receives the agent and the replica.
/// - Throws: As `withDaemon` and `withValkeyServer`.
func withReplicatedAgent(_ body: (RunningAgent, ValkeyServer) async throws -> Void) async throws {
    try await withValkeyServer(tcp: true) { primary in
        let port = try #require(primary.port)
        try await withValkeyServer(arguments: ["--replicaof", "127.0.0.1", "\(port)"]) { replica in
            try await withDaemon(arguments: ["--valkey", "unix://\(primary.socketPath)"]) { daemon in
                let agent = RunningAgent(daemon: daemon, server: primary)
                try await agent.becomeConnected()
                try await waitUntil("the replica follows", within: .seconds(30)) {
                    try primary.command("WAIT", "1", "100") == .integer(1)
                }
                try await body(agent, replica)
            }
        }
    }
}
