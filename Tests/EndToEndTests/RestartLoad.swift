import Linux
import TestSupport
import Testing

/// Clients that count up, each its own counter, one call after the other, and connect again whenever the agent ends.
final class RestartLoad: Sendable {
    private let path: String
    private let clients: Int
    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var acknowledged: [Int]
    nonisolated(unsafe) private var isStopping = false

    /// A load on the agents that listen at `path`.
    init(_ path: String, clients: Int) {
        self.path = path
        self.clients = clients
        unsafe acknowledged = Array(repeating: 0, count: clients)
    }

    /// Has the clients end.
    func stop() {
        lock.withLock { unsafe isStopping = true }
    }

    /// Waits until so many calls of all clients were acknowledged.
    func awaitAcknowledged(_ count: Int) async throws {
        try await waitUntil("\(count) calls are acknowledged", within: .seconds(60)) {
            lock.withLock { unsafe acknowledged.reduce(0, +) } >= count
        }
    }

    /// Runs the clients until ``stop()``.
    ///
    /// - Returns: How many calls of each were acknowledged.
    /// - Throws: `SystemError` where a connection is refused; ``FixtureError`` for a reply that makes no sense.
    func run() async throws -> [Int] {
        try await withThrowingTaskGroup { group in
            for client in 0..<clients {
                group.addTask { try await self.serve(client) }
            }
            try await group.waitForAll()
        }
        return lock.withLock { unsafe acknowledged }
    }

    private func serve(_ client: Int) async throws {
        while !lock.withLock({ unsafe isStopping }) {
            // The socket is there throughout: a connection that is refused is what must not happen.
            let connection = try AgentClient(path)
            try await count(client, on: connection)
        }
    }

    private func count(_ client: Int, on connection: AgentClient) async throws {
        var last = lock.withLock { unsafe acknowledged[client] }
        while !lock.withLock({ unsafe isStopping }) {
            let reply: String
            do {
                reply = try await connection.reply(
                    to: "cache.increment",
                    #"{"key":"restart-\#(client)","ttl_ms":null}"#
                )
            } catch is SystemError {
                return
            }
            if reply.contains(#""kind":"shutting_down""#) || reply.contains(#""kind":"unavailable""#) { return }
            last += 1
            guard reply.contains(#""result":{"value":\#(last)}"#) else { throw FixtureError("not \(last): \(reply)") }
            lock.withLock { unsafe acknowledged[client] = last }
            try await Task.sleep(for: .milliseconds(3))
        }
    }
}

/// Restarts an agent, whose socket a service manager holds, under the load of clients that count up.
///
/// No connection may be refused, and what is stored must be what was acknowledged.
func restartUnderLoad(_ restarts: Int) async throws {
    try await withTemporaryDirectory { directory in
        try await withValkeyServer { server in
            let agent = try ActivatedAgent(directory, arguments: ["--valkey", "unix://\(server.socketPath)"])
            defer { agent.kill() }
            try await agent.start()
            let load = RestartLoad(agent.socketPath, clients: 4)
            async let counted = load.run()
            for restart in 0..<restarts {
                try await load.awaitAcknowledged(restart * 200 + 100)
                try await agent.stop()
                try await agent.start()
            }
            try await load.awaitAcknowledged(restarts * 200 + 100)
            load.stop()
            let acknowledged = try await counted
            for (client, count) in acknowledged.enumerated() {
                let stored = try server.command("GET", "cache:restart-\(client)").text
                // Whatever was not acknowledged was refused or never sent, so both numbers are the same.
                #expect(stored == "\(count)", "client \(client)")
            }
            try await agent.stop()
        }
    }
}
