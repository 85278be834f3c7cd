import JSON
import Linux
import TestSupport
import Testing

/// The long form of ``ResponseComputeTests``: many wait, and how soon one takes over.
@Suite(.enabled(if: Soak.isEnabled))
struct ResponseStampedeSoak {
    private static let identity = #""model":"m","scope":"s","prompt":"p""#

    /// Waits for the one among `clients` that is given the lease.
    private func computer(among clients: [AgentClient]) async throws -> (index: Int, lease: String) {
        var found: (Int, String)?
        try await waitUntil("one is to ask the model", within: .seconds(60)) {
            for (index, client) in clients.enumerated() {
                guard let message = try client.receivedMessage() else { continue }
                found = (index, try #require(try Document.parse(message)["result"]?["lease"]?.string))
            }
            return found != nil
        }
        return try #require(found)
    }

    @Test("of 500 clients of two agents one computes; when it has gone exactly one other does; all get its response")
    func stampede() async throws {
        try await withAgent { first in
            try await withDaemon(arguments: ["--valkey", "unix://\(first.server.socketPath)"]) { daemon in
                let second = RunningAgent(daemon: daemon, server: first.server)
                try await second.becomeConnected()
                func waiting() async throws -> Int64 {
                    var sum: Int64 = 0
                    for agent in [first, second] {
                        let stats = try await agent.connect().result(of: "agent.stats")
                        sum += stats["responses"]?["waiting"]?.integer ?? 0
                    }
                    return sum
                }
                var clients = try (0..<500).map { try ($0 % 2 == 0 ? first : second).connect() }
                let params = #"{\#(Self.identity),"lease_ms":600000,"wait_ms":600000}"#
                for client in clients {
                    try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"response.get","params":\#(params)}"#)
                }
                var (index, lease) = try await computer(among: clients)
                var times: [Int64] = []
                for round in 0..<20 {
                    try await waitUntil("the others wait", within: .seconds(60)) {
                        try await waiting() == Int64(499 - round)
                    }
                    clients.remove(at: index)
                    let gone = Instant.now
                    (index, lease) = try await computer(among: clients)
                    times.append(Instant.now.milliseconds(since: gone))
                }
                File.writeToStandardError("ResponseStampedeSoak: taken over after \(times.sorted()) ms\n")
                #expect(try await waiting() == 479)
                let put = #"{\#(Self.identity),"response":"r","lease":"\#(lease)"}"#
                #expect(try await clients[index].result(of: "response.put", put)["stored"] == true)
                clients.remove(at: index)
                for client in clients {
                    #expect(try Document.parse(try await client.receive())["result"]?["response"] == "r")
                }
            }
        }
    }
}
