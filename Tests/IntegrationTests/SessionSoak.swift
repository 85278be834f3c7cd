import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite(.enabled(if: Soak.isEnabled))
struct SessionSoak {
    @Test("64 clients change their sessions through two agents while the key changes again and again")
    func rotation() async throws {
        let end = Instant.now.advanced(by: Soak.duration(.seconds(60)))
        try await withSessionAgents(keys: [[1, 2], [1, 2]]) { agents, _, directory in
            var sessions: [Session] = []
            for _ in 0..<16 { sessions.append(try await agents[0].create(["subject": "ada"])) }
            let all = sessions
            let counts = try await withThrowingTaskGroup(of: (session: Int, changes: Int64).self) { group in
                for client in 0..<64 {
                    group.addTask { try await change(all, client, agents[client % 2], until: end) }
                }
                try await turnKeys(agents, directory, until: end)
                return try await group.reduce(into: [Int: Int64]()) { $0[$1.session, default: 0] += $1.changes }
            }
            for (index, session) in all.enumerated() {
                let read = try await agents[1].get(session.token)
                #expect(read["version"]?.integer == 1 + (counts[index] ?? 0))
            }
        }
    }

    /// Changes one session as often as there is time for.
    private func change(
        _ sessions: [Session],
        _ client: Int,
        _ agent: SessionAgent,
        until end: Instant
    ) async throws -> (session: Int, changes: Int64) {
        let index = client % sessions.count
        var changes: Int64 = 0
        while Instant.now < end {
            let set: Document = .object(DocumentObject("c\(client)", .integer(changes)))
            let params: Document = ["token": .string(sessions[index].token), "set": set]
            _ = try await agent.result("session.update", params)
            changes += 1
        }
        return (index, changes)
    }

    /// Lets the two keys change places, each time first on every agent, and seals everything anew.
    private func turnKeys(_ agents: [SessionAgent], _ directory: String, until end: Instant) async throws {
        var primary: UInt8 = 1
        while Instant.now < end {
            let other: UInt8 = 3 - primary
            for (number, agent) in agents.enumerated() {
                let before = try await agent.result("session.keys")["keys"]?.array?.first?["id"]
                try KeyFile.write(other, to: "\(directory)/key-\(number)-0")
                try KeyFile.write(primary, to: "\(directory)/key-\(number)-1")
                try agent.daemon.process.signal(SIGHUP)
                try await waitUntil("the key is taken up") {
                    try await agent.result("session.keys")["keys"]?.array?.first?["id"] != before
                }
            }
            #expect(try await agents[0].result("session.rekey")["left"] == 0)
            primary = other
        }
    }
}
