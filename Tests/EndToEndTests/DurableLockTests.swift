import JSON
import TestSupport
import Testing

@Suite("Locks of which replicas must know")
struct DurableLockTests {
    @Test("are held when they do, and released when they do not in time")
    func replicas() async throws {
        try await withReplicatedAgent { agent, replica in
            let client = try agent.lease()
            let params: Document = ["name": "n", "replicas_min": 1, "replicas_wait_ms": 10_000]
            let held = try await client.result("lock.acquire", params)
            #expect(held["acquired"] == true)
            #expect(try replica.command("HEXISTS", "lock:{n}", "p") == .integer(1))
            // Who waits has it when replicas know of its turn.
            let other = try agent.lease()
            let waiting: Document = [
                "name": "n", "replicas_min": 1, "replicas_wait_ms": 10_000, "wait_ms": 20_000,
            ]
            let call = try await other.begin("lock.acquire", waiting)
            try await waitUntil("the other waits") { try await agent.leases("waiting") == 1 }
            _ = try await client.result("lock.release", ["lease": held["lease"] ?? .null])
            let next = try await other.result(of: call)
            #expect(next["acquired"] == true)
            _ = try await other.result("lock.release", ["lease": next["lease"] ?? .null])

            replica.kill()
            let short: Document = ["name": "n", "replicas_min": 1, "replicas_wait_ms": 50]
            let error = try await client.error("lock.acquire", short)
            #expect(error["kind"] == "conflict")
            #expect(error["replicas"] == 0)
            #expect(error["outcome"] == "not_applied")
            try await waitUntil("it was released") {
                try await client.result("lock.inspect", ["name": "n"])["locked"] == false
            }
        }
    }
}
