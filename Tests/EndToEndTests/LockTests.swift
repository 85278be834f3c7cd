import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("Locks")
struct LockTests {
    @Test("are held by one, with a fence that rises for ever")
    func exclusive() async throws {
        try await withTwoAgents { first, second in
            let (holder, other) = (try first.lease(), try second.lease())
            var fence: Int64 = 0
            for round in 0..<5 {
                let held = try await holder.result("lock.acquire", ["name": "n", "label": "the first"])
                #expect(held["acquired"] == true, "\(round)")
                let next = try #require(held["fence"]?.integer)
                #expect(next > fence)
                fence = next
                let refused = try await other.result("lock.acquire", ["name": "n"])
                #expect(refused["acquired"] == false)
                #expect(refused["holder"]?["label"] == "the first")
                #expect(refused["lease"] == nil)
                let lease = try #require(held["lease"])
                #expect(try await holder.result("lock.release", ["lease": lease]) == ["released": true])
                // The reply may be lost, so the answer is the same again.
                #expect(try await holder.result("lock.release", ["lease": lease]) == ["released": true])
            }
            // Nothing is left of the lock but its fence, which does not expire.
            #expect(try first.server.command("HLEN", "lock:{n}") == .integer(2))
            #expect(try first.server.command("PTTL", "lock:{n}") == .integer(-1))
        }
    }

    @Test("are had in the order of asking, over all hosts, and by nobody else meanwhile")
    func order() async throws {
        try await withTwoAgents { first, second in
            let holder = try first.lease()
            let held = try await holder.result("lock.acquire", ["name": "n"])
            var waiting: [(LeaseClient, Int64)] = []
            for index in 0..<10 {
                let client = try (index % 2 == 0 ? first : second).lease()
                waiting.append((client, try await client.begin("lock.acquire", ["name": "n", "wait_ms": 60_000])))
                try await waitUntil("\(index) waits") { try await queue(first) == index + 1 }
            }
            _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
            var fence = held["fence"]?.integer ?? 0
            for (index, (client, call)) in waiting.enumerated() {
                let result = try await client.result(of: call)
                #expect(result["acquired"] == true)
                #expect(result["fence"]?.integer ?? 0 > fence, "\(index)")
                fence = result["fence"]?.integer ?? 0
                for (later, laterCall) in waiting[(index + 1)...] {
                    #expect(try later.replyIfThere(to: laterCall) == nil)
                }
                _ = try await client.result("lock.release", ["lease": result["lease"] ?? .null])
            }
        }
    }

    private func queue(_ agent: RunningAgent) async throws -> Int {
        let state = try await agent.lease().result("lock.inspect", ["name": "n"])
        return state["waiters"]?.array?.count ?? -1
    }

    @Test("are not had after the wait is over, and the place in the queue is given up")
    func waitEnds() async throws {
        try await withAgent { agent in
            let (holder, other) = (try agent.lease(), try agent.lease())
            let held = try await holder.result("lock.acquire", ["name": "n"])
            let refused = try await other.result("lock.acquire", ["name": "n", "wait_ms": 30])
            #expect(refused["acquired"] == false)
            try await waitUntil("nobody waits") { try await queue(agent) == 0 }
            let patient: Document = ["name": "n", "wait_ms": 60_000, "_meta": ["deadline_ms": 2000]]
            let waiting = try await other.begin("lock.acquire", patient)
            try await waitUntil("it waits") { try await queue(agent) == 1 }
            let late = try await other.error(of: waiting)
            #expect(late["kind"] == "deadline_exceeded")
            #expect(late["outcome"] == "not_applied")
            _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
            #expect(try await other.result("lock.acquire", ["name": "n"])["acquired"] == true)
        }
    }

    @Test("are shared by readers, and a writer who waits is not overtaken by them")
    func shared() async throws {
        try await withTwoAgents { first, second in
            let readers = [try first.lease(), try second.lease()]
            var leases: [Document] = []
            for reader in readers {
                let held = try await reader.result("lock.acquire", ["name": "n", "mode": "shared"])
                #expect(held["acquired"] == true)
                leases.append(held["lease"] ?? .null)
            }
            let writer = try second.lease()
            let writing = try await writer.begin("lock.acquire", ["name": "n", "wait_ms": 60_000])
            try await waitUntil("the writer waits") { try await queue(first) == 1 }
            let late = try first.lease()
            #expect(try await late.result("lock.acquire", ["name": "n", "mode": "shared"])["acquired"] == false)
            let reading = try await late.begin("lock.acquire", ["name": "n", "mode": "shared", "wait_ms": 60_000])
            try await waitUntil("the reader waits behind") { try await queue(first) == 2 }
            for (reader, lease) in zip(readers, leases) {
                #expect(try writer.replyIfThere(to: writing) == nil)
                _ = try await reader.result("lock.release", ["lease": lease])
            }
            let written = try await writer.result(of: writing)
            #expect(try late.replyIfThere(to: reading) == nil)
            _ = try await writer.result("lock.release", ["lease": written["lease"] ?? .null])
            #expect(try await late.result(of: reading)["acquired"] == true)
        }
    }

    @Test("of a request with a name are had once, however often it is asked for")
    func request() async throws {
        try await withTwoAgents { first, second in
            let params: Document = ["name": "n", "request_id": "r"]
            let client = try first.lease()
            let held = try await client.result("lock.acquire", params)
            for asking in [client, try second.lease()] {
                let again = try await asking.result("lock.acquire", params)
                #expect(again["acquired"] == true)
                #expect(again["lease"] == held["lease"] && again["fence"] == held["fence"])
            }
            let other: Document = ["name": "n", "request_id": "r", "ttl_ms": 5000]
            #expect(try await client.error("lock.acquire", other)["kind"] == "conflict")
        }
    }

    @Test("are listed with who holds them and who waits, and never with their leases")
    func list() async throws {
        try await withAgent { agent in
            let (holder, other) = (try agent.lease(), try agent.lease())
            let held = try await holder.result("lock.acquire", ["name": "a{b}", "label": "x"])
            _ = try await holder.result("lock.acquire", ["name": "free"])
            _ = try await other.begin("lock.acquire", ["name": "a{b}", "wait_ms": 60_000, "label": "y"])
            try await waitUntil("the other waits") { try await agent.leases("waiting") == 1 }
            let page = try await other.result("lock.list", ["pattern": "a*"])
            #expect(page["locks"]?.array?.count == 1)
            let lock = try #require(page["locks"]?.array?.first)
            #expect(lock["name"] == "a{b}")
            #expect(lock["holders"]?.array?.first?["label"] == "x")
            #expect(lock["waiters"]?.array?.first?["label"] == "y")
            let id = try #require(held["lease"]?.string?.prefix(32))
            #expect(!page.text(style: .compact).contains(id))
            let drawn = try await agent.daemon.rpc("lock.list", "pattern=a*", "--graph")
            #expect(drawn.standardOutput.contains("├─ held by x on "))
            #expect(drawn.standardOutput.contains("└─ 1. y on "))
        }
    }

    @Test("that are broken are told to their holder, and had by others only when it has let go")
    func broken() async throws {
        try await withTwoAgents { first, second in
            let (holder, operatorClient) = (try first.lease(), try second.lease())
            let held = try await holder.result("lock.acquire", ["name": "n"])
            let waiter = try second.lease()
            let waiting = try await waiter.begin("lock.acquire", ["name": "n", "wait_ms": 60_000])
            try await waitUntil("the other waits") { try await queue(first) == 1 }
            #expect(try await operatorClient.result("lock.break", ["name": "n"]) == ["broken": true])
            let lost = try await holder.push("lock.lost")
            #expect(lost["lease"] == held["lease"])
            #expect(lost["fence"] == held["fence"])
            #expect(lost["reason"] == "broken")
            #expect(try await operatorClient.result("lock.break", ["name": "n"]) == ["broken": false])
            let lease = held["lease"] ?? .null
            #expect(try await holder.error("lock.renew", ["lease": lease])["kind"] == "lease_lost")
            #expect(try waiter.replyIfThere(to: waiting) == nil)
            #expect(try await holder.result("lock.release", ["lease": lease]) == ["released": true])
            #expect(try await waiter.result(of: waiting)["acquired"] == true)
        }
    }

    @Test("refuse a store that may evict them, unless that is accepted")
    func unsafeStore() async throws {
        try await withValkeyServer(arguments: ["--maxmemory-policy", "allkeys-lru"]) { server in
            let store = ["--valkey", "unix://\(server.socketPath)"]
            for accepts in [false, true] {
                let environment = accepts ? ["SQUIRE_VALKEY_ACCEPT_EVICTION": "true"] : [:]
                try await withDaemon(arguments: store, environment: environment) { daemon in
                    let agent = RunningAgent(daemon: daemon, server: server)
                    try await agent.becomeConnected()
                    let client = try agent.lease()
                    let calls: [(String, Document)] = [
                        ("lock.acquire", ["name": "n"]), ("semaphore.acquire", ["name": "n", "limit": 2]),
                        ("leader.campaign", ["election": "n"]),
                    ]
                    for (method, params) in calls {
                        if accepts {
                            _ = try await client.result(method, params)
                        } else {
                            #expect(try await client.error(method, params)["kind"] == "unsafe_store")
                        }
                    }
                    let warnings = try await client.result("agent.health")["warnings"]?.array?.compactMap(\.string)
                    let what =
                        accepts
                        ? "locks and topics may be evicted" : "locks, semaphores, elections and topics are refused"
                    let isTold = warnings?.contains {
                        $0.contains(what) && $0.contains("maxmemory-policy is allkeys-lru")
                    }
                    #expect(isTold == true, "\(warnings ?? [])")
                    #expect(warnings?.contains { $0.contains("append-only file") } == true)
                }
            }
        }
    }
}
