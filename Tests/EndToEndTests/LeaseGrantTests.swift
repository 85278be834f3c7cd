import JSON
import TestSupport
import Testing

@Suite("A lease that is granted")
struct LeaseGrantTests {
    /// The record of who holds a place with a lease.
    private func record(_ agent: RunningAgent, _ key: String, _ held: Document) throws -> [String] {
        let id = try #require(held["lease"]?.string).prefix(32)
        guard case .bulk(let bytes) = try agent.server.command("HGET", key, "h:\(id)") else {
            throw FixtureError("there is no record")
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: " ").map(String.init)
    }

    @Test("too late to be relied on is not had, or is renewed first where the caller waits")
    func late() async throws {
        try await withAgent { agent in
            let (client, clock) = (try agent.lease(), try agent.lease())
            // Its loss tells that more than half of its life has passed.
            _ = try await clock.result("lock.acquire", ["name": "clock", "ttl_ms": 1500])
            try agent.server.pause()
            let once = try await client.begin("lock.acquire", ["name": "n", "ttl_ms": 300])
            let patient: Document = ["name": "m", "ttl_ms": 300, "wait_ms": 20_000]
            let waiting = try await client.begin("lock.acquire", patient)
            _ = try await clock.push("lock.lost")
            try agent.server.resume()
            #expect(try await client.result(of: once)["acquired"] == false)
            let held = try await client.result(of: waiting)
            #expect(held["acquired"] == true)
            let life = try #require(held["ttl_ms"]?.integer)
            #expect(0 < life && life <= 285)
            try await waitUntil("nobody holds what was granted too late") {
                try await client.result("lock.inspect", ["name": "n"])["locked"] == false
            }
        }
    }

    @Test("and waits for replicas lives on meanwhile")
    func replicas() async throws {
        try await withReplicatedAgent { agent, replica in
            let (client, other) = (try agent.lease(), try agent.lease())
            try replica.pause()
            let params: Document = [
                "name": "n", "ttl_ms": 1500, "replicas_min": 1, "replicas_wait_ms": 20_000,
                "_meta": ["deadline_ms": 30_000],
            ]
            let call = try await client.begin("lock.acquire", params)
            try await waitUntil("it is granted") {
                try await other.result("lock.inspect", ["name": "n"])["locked"] == true
            }
            // Longer than the life of the lease.
            #expect(try await other.result("lock.acquire", ["name": "n", "wait_ms": 2500])["acquired"] == false)
            try replica.resume()
            let held = try await client.result(of: call)
            #expect(held["acquired"] == true)
            #expect(held["ttl_ms"]?.integer ?? 0 > 0)
            #expect(try client.takePushes().isEmpty)
        }
    }

    @Test("belongs to whoever renewed it last, on whatever agent, and to nobody else")
    func moved() async throws {
        try await withTwoAgents { first, second in
            let observer = try first.lease()
            let heir = try second.lease()
            do {
                let holder = try first.lease()
                let held = try await holder.result("lock.acquire", ["name": "n", "ttl_ms": 6000])
                _ = try await holder.result("lock.acquire", ["name": "last", "ttl_ms": 60_000])
                _ = try await heir.result("lock.renew", ["lease": held["lease"] ?? .null, "ttl_ms": 60_000])
                let agent = try record(first, "lock:{n}", held)[7]
                // Its next renewal tells the first agent.
                try await waitUntil("the first agent keeps only the other") { try await first.leases("held") == 1 }
                #expect(try record(first, "lock:{n}", held)[7] == agent)
                // A second one moves right before its connection closes.
                let quick = try await holder.result("lock.acquire", ["name": "m"])
                _ = try await heir.result("lock.renew", ["lease": quick["lease"] ?? .null])
                #expect(try holder.takePushes().isEmpty)
            }
            try await waitUntil("the first connection is gone") {
                try await observer.result("lock.inspect", ["name": "last"])["locked"] == false
            }
            #expect(try await observer.result("lock.acquire", ["name": "n"])["acquired"] == false)
            #expect(try await observer.result("lock.acquire", ["name": "m"])["acquired"] == false)
            #expect(try heir.takePushes().isEmpty)
        }
    }

    @Test("is told to be gone to its holder also where another connection found out")
    func goneForAnother() async throws {
        try await withAgent { agent in
            let (holder, other) = (try agent.lease(), try agent.lease())
            let held = try await holder.result("lock.acquire", ["name": "n"])
            try agent.server.command("FLUSHALL")
            #expect(try await other.error("lock.renew", ["lease": held["lease"] ?? .null])["kind"] == "lease_lost")
            #expect(try await holder.push("lock.lost")["reason"] == "gone")
        }
    }

    /// How often Valkey refused a command because replicas are missing.
    private func refusals(_ agent: RunningAgent) throws -> Int {
        guard case .bulk(let bytes) = try agent.server.command("INFO", "errorstats") else { return 0 }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        return lines.first { $0.hasPrefix("errorstat_NOREPLICAS:") }.flatMap { Int($0.split(separator: "=")[1]) } ?? 0
    }

    @Test("is released after the end of its connection, however often Valkey refuses that")
    func refusedRelease() async throws {
        try await withAgent { agent in
            let other = try agent.lease(limit: .seconds(25))
            do {
                let holder = try agent.lease()
                _ = try await holder.result("lock.acquire", ["name": "n", "ttl_ms": 60_000])
                try agent.server.command("CONFIG", "SET", "min-replicas-to-write", "1")
            }
            // More often than the link repeats a command by itself.
            try await waitUntil("the release was refused again and again") { try refusals(agent) >= 15 }
            try agent.server.command("CONFIG", "SET", "min-replicas-to-write", "0")
            #expect(try await other.result("lock.acquire", ["name": "n", "wait_ms": 25_000])["acquired"] == true)
        }
    }

    @Test("and has run out cannot be released any more")
    func expired() async throws {
        try await withAgent { agent in
            let client = try agent.lease()
            let held = try await client.result("lock.acquire", ["name": "n", "ttl_ms": 2000, "bind": "none"])
            let end = try #require(Int64(try record(agent, "lock:{n}", held)[0]))
            try await waitUntil("its life is over") {
                let time = try agent.server.command("TIME").elements ?? []
                guard time.count == 2, case .bulk(let text) = time[0] else { return false }
                return (Int64(String(decoding: text, as: UTF8.self)) ?? 0) * 1000 > end
            }
            let lease = held["lease"] ?? .null
            #expect(try await client.result("lock.release", ["lease": lease]) == ["released": false])
        }
    }

    @Test("with a record that nobody can read, or under a name that is too long, is answered all the same")
    func unreadable() async throws {
        try await withAgent { agent in
            let (client, other) = (try agent.lease(), try agent.lease())
            let held = try await client.result("lock.acquire", ["name": "n"])
            let lease = try #require(held["lease"]?.string)
            var words = try record(agent, "lock:{n}", held)
            words[9...] = ["nonsense"]
            try agent.server.command("HSET", "lock:{n}", "h:\(lease.prefix(32))", words.joined(separator: " "))
            #expect(try await other.error("lock.renew", ["lease": .string(lease)])["kind"] == "internal_error")
            // 2049 bytes in Base64.
            let long: Document = ["lease": .string(lease.prefix(33) + String(repeating: "YWFh", count: 683))]
            #expect(try await client.error("lock.renew", long)["kind"] == "too_large")
            #expect(try await client.error("lock.release", long)["kind"] == "too_large")
            #expect(try await client.error("semaphore.release", long)["kind"] == "too_large")
        }
    }
}
