import JSON
import TestSupport
import Testing

@Suite("Semaphores")
struct SemaphoreTests {
    @Test("give out as many permits as there are, over all hosts")
    func permits() async throws {
        try await withTwoAgents { first, second in
            let (a, b) = (try first.lease(), try second.lease())
            let params: Document = ["name": "s", "limit": 3, "permits": 2]
            let held = try await a.result("semaphore.acquire", params)
            #expect(held["acquired"] == true)
            #expect(try await b.result("semaphore.acquire", params)["acquired"] == false)
            #expect(try await b.result("semaphore.acquire", ["name": "s", "limit": 3])["acquired"] == true)
            let state = try await b.result("semaphore.inspect", ["name": "s"])
            #expect(state["limit"] == 3 && state["used"] == 3)
            #expect(state["holders"]?.array?.map { $0["permits"]?.integer } == [2, 1])
            #expect(try await b.error("semaphore.acquire", ["name": "s", "limit": 4])["kind"] == "conflict")
            #expect(try await a.result("semaphore.release", ["lease": held["lease"] ?? .null]) == ["released": true])
            #expect(try await a.result("semaphore.inspect", ["name": "s"])["used"] == 1)
        }
    }

    @Test("let many permits not be overtaken by few")
    func order() async throws {
        try await withTwoAgents { first, second in
            let (a, many, few) = (try first.lease(), try second.lease(), try first.lease())
            let held = try await a.result("semaphore.acquire", ["name": "s", "limit": 3, "permits": 2])
            let manyCall = try await many.begin(
                "semaphore.acquire",
                ["name": "s", "limit": 3, "permits": 3, "wait_ms": 60_000]
            )
            try await waitUntil("many wait") {
                try first.server.command("ZCARD", "semaphore-queue:{s}") == .integer(1)
            }
            let fewCall = try await few.begin("semaphore.acquire", ["name": "s", "limit": 3, "wait_ms": 60_000])
            try await waitUntil("few wait behind") {
                try first.server.command("ZCARD", "semaphore-queue:{s}") == .integer(2)
            }
            _ = try await a.result("semaphore.release", ["lease": held["lease"] ?? .null])
            let result = try await many.result(of: manyCall)
            #expect(try few.replyIfThere(to: fewCall) == nil)
            _ = try await many.result("semaphore.release", ["lease": result["lease"] ?? .null])
            #expect(try await few.result(of: fewCall)["acquired"] == true)
        }
    }
}
