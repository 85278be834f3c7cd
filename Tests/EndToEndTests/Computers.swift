import JSON
import TestSupport
import Testing

extension [AgentClient] {
    /// The only one of clients that have asked with `lease_ms` who is to compute, and its lease, once the others wait.
    ///
    /// - Parameter othersWait: Whether all others wait.
    /// - Returns: The client and its lease.
    /// - Throws: `FixtureError` where that takes too long, or an expectation where another reply has come.
    func onlyComputer(_ othersWait: () async throws -> Bool) async throws -> (client: AgentClient, lease: String) {
        var computers: [(client: AgentClient, lease: String)] = []
        try await waitUntil("one computes, and the others wait") {
            for client in self {
                guard let reply = try client.receivedMessage() else { continue }
                let lease = try Document.parse(reply)["result"]?["lease"]?.string
                computers.append((client, try #require(lease)))
            }
            return try await othersWait() && !computers.isEmpty
        }
        #expect(computers.count == 1)
        return try #require(computers.first)
    }
}
