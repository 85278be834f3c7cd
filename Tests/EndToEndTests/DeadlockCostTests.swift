import JSON
import TestSupport
import Testing

@Suite("Looking for deadlocks")
struct DeadlockCostTests {
    /// Who waits.
    enum Waiters: String, CaseIterable {
        /// Connections, each of which holds a lock of its own.
        case holders
        /// Parties with a name each, over one connection.
        case named
        /// One party with a name, over one connection.
        case same
    }

    @Test("costs Valkey the same for each who waits for one lock, however many wait", arguments: Waiters.allCases)
    func linear(waiters: Waiters) async throws {
        let few = try await commands(of: 50, waiters)
        let many = try await commands(of: 200, waiters)
        // Nobody's records are read, but once where a lease may have ended.
        #expect(few.scans <= 2 && many.scans <= 2)
        let (each, more) = (Double(few.all) / 50, Double(many.all) / 200)
        #expect(more < 1.25 * each, "\(each) commands for each of 50, \(more) for each of 200")
    }

    /// How many commands Valkey executes, in scripts as well, while so many begin to wait; and how many read a hash.
    private func commands(of count: Int, _ waiters: Waiters) async throws -> (all: Int64, scans: Int64) {
        try await withAgent { agent in
            let holder = try agent.lease()
            try await holder.hold("n")
            let isShared = waiters != .holders
            let clients = try (0..<(isShared ? 1 : count)).map { _ in try agent.lease() }
            if waiters == .holders {
                for (index, client) in clients.enumerated() { try await client.hold("own \(index)") }
            }
            _ = try agent.server.command("CONFIG", "RESETSTAT")
            for index in 0..<count {
                let owner: [(String, Document)] =
                    switch waiters {
                    case .named: [("owner", .string("owner \(index)"))]
                    case .same: [("owner", "same")]
                    case .holders: []
                    }
                _ = try await clients[index % clients.count].await("n", owner)
            }
            // The last looks after all others did.
            try await holder.hold("barrier")
            #expect(try await holder.error(of: try await holder.await("barrier"))["kind"] == "deadlock")
            let names = "hget hmget hset hdel hgetall hexists exists zadd zrange zrem evalsha".split(separator: " ")
            let statistics = try agent.server.command("INFO", "commandstats").text ?? ""
            func calls(_ name: some StringProtocol) -> Int64 {
                let lines = statistics.split(whereSeparator: \.isNewline)
                let line = lines.first { $0.hasPrefix("cmdstat_\(name):calls=") }
                return line.flatMap { Int64($0.drop { $0 != "=" }.dropFirst().prefix { $0 != "," }) } ?? 0
            }
            return (names.reduce(0) { $0 + calls($1) }, calls("hgetall"))
        }
    }
}
