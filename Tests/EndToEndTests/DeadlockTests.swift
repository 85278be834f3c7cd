import JSON
import TestSupport
import Testing

@Suite("Deadlocks")
struct DeadlockTests {
    @Test("of two and of five parties over two agents end at once, with the cycle", arguments: [2, 5])
    func cycle(parties: Int) async throws {
        try await withTwoAgents { first, second in
            var clients: [LeaseClient] = []
            for index in 0..<parties {
                let client = try (index % 2 == 0 ? first : second).lease(limit: .seconds(25))
                let held = try await client.result(
                    "lock.acquire",
                    ["name": "lock \(index)", "label": "party \(index)"]
                )
                #expect(held["acquired"] == true)
                clients.append(client)
            }
            var calls: [Int64] = []
            for index in 0..<parties {
                let next = (index + 1) % parties
                let params: Document = ["name": "lock \(next)", "label": "party \(index)", "wait_ms": 60_000]
                calls.append(try await clients[index].begin("lock.acquire", params))
                guard index < parties - 1 else { continue }
                try await waitUntil("party \(index) waits") {
                    try first.graphParties() == index + 1
                }
            }
            let error = try await clients[parties - 1].error(of: calls[parties - 1])
            #expect(error["kind"] == "deadlock")
            #expect(error["outcome"] == "not_applied")
            let cycle = try #require(error["cycle"]?.array)
            #expect(cycle.count == parties)
            #expect(cycle.first?["name"] == "lock 0")
            #expect(cycle.first?["label"] == .string("party \(parties - 1)"))
            for step in cycle { #expect(step["host"]?.string?.isEmpty == false) }
            // Whoever was told lets go, and the others have what they wait for, one after the other.
            clients.removeLast()
            calls.removeLast()
            while let client = clients.popLast(), let call = calls.popLast() {
                #expect(try await client.result(of: call)["acquired"] == true)
            }
            try await waitUntil("nobody is left in the graph") {
                try first.server.command("EXISTS", "lock-graph") == .integer(0)
            }
        }
    }

    @Test("of one party that waits for itself end at once")
    func itself() async throws {
        try await withAgent { agent in
            let client = try agent.lease()
            _ = try await client.result("lock.acquire", ["name": "n"])
            let error = try await client.error("lock.acquire", ["name": "n", "wait_ms": 60_000])
            #expect(error["kind"] == "deadlock")
            #expect(error["cycle"]?.array?.count == 1)
        }
    }

    @Test("are found between parties that have a name, whatever connections they use")
    func owners() async throws {
        try await withTwoAgents { first, second in
            let (a, b) = (try first.lease(), try second.lease())
            _ = try await a.result("lock.acquire", ["name": "1", "owner": "x"])
            _ = try await b.result("lock.acquire", ["name": "2", "owner": "y"])
            let waiter = try second.lease()
            let call = try await waiter.begin("lock.acquire", ["name": "2", "owner": "x", "wait_ms": 60_000])
            try await waitUntil("x waits") { try first.graphParties() == 1 }
            let error = try await first.lease().error("lock.acquire", ["name": "1", "owner": "y", "wait_ms": 60_000])
            #expect(error["kind"] == "deadlock")
            #expect(try waiter.replyIfThere(to: call) == nil)
        }
    }

    @Test("are not taken for such while a permit of a semaphore may become free")
    func semaphore() async throws {
        try await withAgent { agent in
            let (a, b, c) = (try agent.lease(), try agent.lease(), try agent.lease())
            _ = try await a.result("lock.acquire", ["name": "1"])
            _ = try await b.result("semaphore.acquire", ["name": "s", "limit": 2])
            let permit = try await c.result("semaphore.acquire", ["name": "s", "limit": 2])
            let waitingB = try await b.begin("lock.acquire", ["name": "1", "wait_ms": 60_000])
            try await waitUntil("b waits") { try agent.graphParties() == 1 }
            let waitingA = try await a.begin("semaphore.acquire", ["name": "s", "limit": 2, "wait_ms": 60_000])
            try await waitUntil("a waits") { try agent.graphParties() == 2 }
            // c does not wait for anything, so this is none; with all permits in the cycle it is one.
            let second = try await c.begin("lock.acquire", ["name": "1", "wait_ms": 60_000])
            let error = try await c.error(of: second)
            #expect(error["kind"] == "deadlock")
            #expect(try a.replyIfThere(to: waitingA) == nil)
            _ = try await c.result("semaphore.release", ["lease": permit["lease"] ?? .null])
            #expect(try await a.result(of: waitingA)["acquired"] == true)
            #expect(try b.replyIfThere(to: waitingB) == nil)
        }
    }
}
