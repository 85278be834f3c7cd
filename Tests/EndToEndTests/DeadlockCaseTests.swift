import JSON
import TestSupport
import Testing

@Suite("Deadlocks, in particular")
struct DeadlockCaseTests {
    @Test("are found where a lease was handed over, and belong to whom it was handed")
    func handedOver() async throws {
        try await withTwoAgents { first, second in
            let (old, new, other) = (try first.lease(), try second.lease(), try first.lease())
            try await old.hold("unrelated")
            let lease = try await old.hold("A")
            _ = try await new.result("lock.renew", ["lease": lease])
            let held = try await other.hold("B")
            let waiting = try await other.await("A")
            try await waitUntil("it stands in the graph") { try first.graphParties() == 1 }
            // Who handed it over holds it no longer.
            let harmless = try await old.await("B")
            try await first.queue(becomes: 1, of: "B")
            let error = try await new.error(of: try await new.await("B"))
            #expect(error["kind"] == "deadlock")
            #expect(error["cycle"]?.array?.count == 2)
            try await new.letGo(lease)
            #expect(try await other.result(of: waiting)["acquired"] == true)
            try await other.letGo(held)
            #expect(try await old.result(of: harmless)["acquired"] == true)
        }
    }

    @Test("are found where what others wait for is handed to a party that waits")
    func handedToWaiter() async throws {
        try await withTwoAgents { first, second in
            let (old, new, other) = (try first.lease(), try second.lease(), try first.lease())
            let lease = try await old.hold("A")
            try await other.hold("B")
            let waiting = try await other.await("A")
            try await waitUntil("it stands in the graph") { try first.graphParties() == 1 }
            let doomed = try await new.await("B")
            try await first.queue(becomes: 1, of: "B")
            _ = try await new.result("lock.renew", ["lease": lease])
            let error = try await new.error(of: doomed)
            #expect(error["kind"] == "deadlock")
            #expect(error["cycle"]?.array?.compactMap { $0["name"]?.string } == ["B", "A"])
            #expect(try other.replyIfThere(to: waiting) == nil)
        }
    }

    @Test("of a party with a name are found, whoever renews its lease")
    func handedOverByName() async throws {
        try await withTwoAgents { first, second in
            let (old, new, other) = (try first.lease(), try second.lease(), try first.lease())
            let lease = try await old.hold("A", [("owner", "x")])
            _ = try await new.result("lock.renew", ["lease": lease])
            try await other.hold("B")
            _ = try await other.await("A")
            try await waitUntil("it stands in the graph") { try first.graphParties() == 1 }
            // The party is who the name says, not the connection.
            let harmless = try await new.await("B")
            try await first.queue(becomes: 1, of: "B")
            let third = try second.lease()
            #expect(try await third.error(of: try await third.await("B", [("owner", "x")]))["kind"] == "deadlock")
            #expect(try new.replyIfThere(to: harmless) == nil)
        }
    }

    @Test("are found through one who holds nothing and stands before another")
    func queue() async throws {
        try await withTwoAgents { first, second in
            let (a, b, x) = (try first.lease(), try second.lease(), try first.lease())
            let shared: [(String, Document)] = [("mode", "shared")]
            let lease = try await a.hold("p", shared)
            try await b.hold("q")
            let alone = try await x.await("p", [("label", "x")])
            try await first.queue(becomes: 1, of: "p")
            let behind = try await b.await("p", shared + [("label", "b")])
            try await first.queue(becomes: 2, of: "p")
            // Who holds nothing stands not in it.
            try await waitUntil("b stands in the graph") { try first.graphParties() == 1 }
            let error = try await a.error(of: try await a.await("q", [("label", "a")]))
            #expect(error["kind"] == "deadlock")
            #expect(error["cycle"]?.array?.compactMap { $0["label"]?.string } == ["a", "b", "x"])
            try await a.letGo(lease)
            #expect(try await x.result(of: alone)["acquired"] == true)
            #expect(try b.replyIfThere(to: behind) == nil)
        }
    }

    @Test("are found before anybody holds anything, where two wait for the same in another order")
    func order() async throws {
        try await withTwoAgents { first, second in
            let (a, b, holder) = (try first.lease(), try second.lease(), try first.lease())
            let leases = [try await holder.hold("1"), try await holder.hold("2")]
            let early = try await a.await("1")
            try await first.queue(becomes: 1, of: "1")
            _ = try await b.await("2")
            try await first.queue(becomes: 1, of: "2")
            let late = try await a.await("2")
            try await waitUntil("both waits stand in the graph") {
                try first.graphFields().count { $0.hasPrefix("m:") } == 2
            }
            #expect(try await b.error(of: try await b.await("1"))["cycle"]?.array?.count == 2)
            for lease in leases { try await holder.letGo(lease) }
            #expect(try await a.result(of: early)["acquired"] == true)
            #expect(try a.replyIfThere(to: late) == nil)
        }
    }

    @Test("are none where those before one share as well")
    func sharing() async throws {
        try await withAgent { agent in
            let (a, b) = (try agent.lease(), try agent.lease())
            let shared: [(String, Document)] = [("mode", "shared")]
            let lease = try await a.hold("p", shared)
            try await a.hold("p", shared)
            try await b.hold("p", shared)
            // Alone, it would wait for what it holds itself.
            #expect(try await a.error(of: try await a.await("p"))["cycle"]?.array?.count == 1)
            try await a.letGo(lease)
        }
    }

    @Test("are none where a party waits twice for what another holds", arguments: [false, true])
    func twice(isNamed: Bool) async throws {
        try await withTwoAgents { first, second in
            let (holder, mixed, other) = (try second.lease(), try first.lease(), try second.lease())
            let more: [(String, Document)] = isNamed ? [("owner", "s")] : []
            let lease = try await holder.hold("n")
            let early = try await mixed.await("n", more)
            try await first.queue(becomes: 1, of: "n")
            let between = try await other.await("n")
            try await first.queue(becomes: 2, of: "n")
            let late = try await mixed.await("n", more)
            try await first.queue(becomes: 3, of: "n")
            try await holder.letGo(lease)
            try await mixed.letGo(try await mixed.result(of: early)["lease"] ?? .null)
            try await other.letGo(try await other.result(of: between)["lease"] ?? .null)
            try await mixed.letGo(try await mixed.result(of: late)["lease"] ?? .null)
            #expect(try await first.leases("deadlocks") == 0)
        }
    }

    @Test("do not count what a killed agent waited for")
    func killedAgent() async throws {
        try await withTwoAgents { first, second in
            let (holder, dead) = (try second.lease(), try first.lease())
            let (lock, other) = (try await holder.hold("1"), try second.lease())
            _ = try await dead.await("1", [("owner", "w")])
            try await second.queue(becomes: 1, of: "1")
            first.daemon.kill()
            // Its place in the queue lasts still. The same party asks again, and holds something else.
            let again = try second.lease()
            let call = try await again.await("1", [("owner", "w")])
            try await second.queue(becomes: 2, of: "1")
            _ = try await other.hold("2", [("owner", "w")])
            try await holder.letGo(lock)
            #expect(try await again.result(of: call)["acquired"] == true)
            #expect(try await second.leases("deadlocks") == 0)
        }
    }

    @Test("are none where the agent of one of the waits was killed")
    func killedWait() async throws {
        try await withTwoAgents { first, second in
            let (holder, dead) = (try second.lease(), try first.lease())
            try await holder.hold("1")
            _ = try await dead.await("1", [("owner", "w")])
            try await second.queue(becomes: 1, of: "1")
            let alive = try second.lease()
            let lease = try await alive.hold("2", [("owner", "w")])
            first.daemon.kill()
            try await waitUntil("nobody listens for it") {
                let channels = try second.server.command("PUBSUB", "CHANNELS", "__squire:agent:*")
                guard case .array(let found) = channels else { return false }
                return found.count == 1
            }
            let call = try await holder.await("2")
            try await second.queue(becomes: 1, of: "2")
            try await alive.letGo(lease)
            #expect(try await holder.result(of: call)["acquired"] == true)
        }
    }

    @Test("of semaphores are judged by the permits that are free now")
    func permits() async throws {
        try await withAgent { agent in
            let limit: Document = ["name": "s", "limit": 3]
            let (a, b, c, x) = (try agent.lease(), try agent.lease(), try agent.lease(), try agent.lease())
            var leases: [Document] = []
            for client in [a, b, c] {
                leases.append(try await client.result("semaphore.acquire", limit)["lease"] ?? .null)
            }
            let (l, m) = (try await x.hold("L"), try await x.hold("M"))
            let wish: Document = ["name": "s", "limit": 3, "permits": 2, "wait_ms": 60_000]
            let two = try await x.begin("semaphore.acquire", wish)
            try await waitUntil("two permits are waited for") { try agent.graphParties() == 1 }
            // One permit is free now: of a and c, one is enough.
            _ = try await b.result("semaphore.release", ["lease": leases[1]])
            let (waitB, waitA) = (try await b.await("L"), try await a.await("M"))
            try await agent.queue(becomes: 1, of: "L")
            try await agent.queue(becomes: 1, of: "M")
            _ = try await c.result("semaphore.release", ["lease": leases[2]])
            #expect(try await x.result(of: two)["acquired"] == true)
            try await x.letGo(l)
            try await x.letGo(m)
            #expect(try await b.result(of: waitB)["acquired"] == true)
            #expect(try await a.result(of: waitA)["acquired"] == true)
        }
    }

    @Test("end one wait and no more, however many begin at once")
    func oneVictim() async throws {
        try await withTwoAgents { first, second in
            for round in 0..<25 {
                let clients = try (0..<4).map { try ($0 % 2 == 0 ? first : second).lease() }
                for (index, client) in clients.enumerated() { try await client.hold("\(round) \(index)") }
                var calls: [Int64] = []
                for (index, client) in clients.enumerated() {
                    calls.append(try await client.await("\(round) \((index + 1) % clients.count)"))
                }
                var victims: [Int] = []
                try await waitUntil("one of them ends") {
                    for (index, client) in clients.enumerated() where !victims.contains(index) {
                        if try client.replyIfThere(to: calls[index])?["error"] != nil { victims.append(index) }
                    }
                    return !victims.isEmpty
                }
                // The one before it waits for what it holds; whoever ends second would do so by now.
                let victim = try #require(victims.first)
                #expect(victims.count == 1)
                for (index, client) in clients.enumerated() where index != victim {
                    #expect(try await client.result("lock.inspect", ["name": "\(round) \(index)"])["locked"] == true)
                    #expect(try client.replyIfThere(to: calls[index]) == nil)
                }
            }
            #expect(try await first.leases("deadlocks") + (try await second.leases("deadlocks")) == 25)
        }
    }

    @Test("are no matter of those who want to lead")
    func elections() async throws {
        try await withTwoAgents { first, second in
            let (a, b) = (try first.lease(), try second.lease())
            #expect(try await a.result("leader.campaign", ["election": "1"])["leader"] == true)
            #expect(try await b.result("leader.campaign", ["election": "2"])["leader"] == true)
            #expect(try await a.result("leader.campaign", ["election": "2"])["leader"] == false)
            #expect(try await b.result("leader.campaign", ["election": "1"])["leader"] == false)
            // Whatever they found, they found before this.
            for agent in [first, second] {
                let client = try agent.lease()
                try await client.hold(agent.daemon.socketPath)
                let error = try await client.error(of: try await client.await(agent.daemon.socketPath))
                #expect(error["kind"] == "deadlock")
                #expect(try await agent.leases("deadlocks") == 1)
            }
        }
    }

    @Test("are found although Valkey lost who waits where")
    func lostGraph() async throws {
        try await withTwoAgents { first, second in
            let (a, b) = (try first.lease(), try second.lease())
            try await a.hold("1")
            try await b.hold("2")
            let early = try await a.await("2")
            try await waitUntil("it stands in the graph") { try first.graphParties() == 1 }
            #expect(try first.server.command("DEL", "lock-graph") == .integer(1))
            let late = try await b.await("1")
            try await waitUntil("the other has entered itself again, and found the cycle", within: .seconds(25)) {
                let replies = [try a.replyIfThere(to: early), try b.replyIfThere(to: late)]
                return replies.contains { $0?["error"]?["data"]?["kind"] == "deadlock" }
            }
        }
    }

    @Test("leave nothing behind of agents that were killed")
    func sweep() async throws {
        try await withTwoAgents { first, second in
            let (holder, dead, living) = (try second.lease(), try first.lease(), try second.lease())
            try await holder.hold("1")
            try await holder.hold("2")
            for lock in ["1", "2"] { _ = try await dead.await(lock, [("owner", "dead")]) }
            _ = try await living.await("1", [("owner", "living")])
            try await waitUntil("all are entered") {
                let fields = try second.graphFields()
                return fields.count { $0.hasPrefix("q:") } == 2 && fields.count { $0.hasPrefix("m:") } == 2
            }
            first.daemon.kill()
            try await waitUntil("only the living are left", within: .seconds(40)) {
                try second.graphFields().map { $0.prefix(2) }.sorted() == ["a", "q:"]
            }
        }
    }
}
