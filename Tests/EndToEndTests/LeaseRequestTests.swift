import JSON
import TestSupport
import Testing

@Suite("Asking for a lease")
struct LeaseRequestTests {
    private func waiters(_ agent: RunningAgent) async throws -> Int {
        try await agent.lease().result("lock.inspect", ["name": "n"])["waiters"]?.array?.count ?? -1
    }

    @Test("again by the same name gives the lease to the connection that asked last")
    func adopted() async throws {
        try await withAgent { agent in
            let params: Document = ["name": "n", "request_id": "r"]
            let (heir, observer) = (try agent.lease(), try agent.lease(limit: .seconds(25)))
            do {
                let client = try agent.lease()
                _ = try await client.result("lock.acquire", ["name": "last"])
                let held = try await client.result("lock.acquire", params)
                let again = try await heir.result("lock.acquire", params)
                #expect(again["acquired"] == true)
                #expect(again["lease"] == held["lease"] && again["fence"] == held["fence"])
            }
            try await waitUntil("the first connection is gone") {
                try await observer.result("lock.inspect", ["name": "last"])["locked"] == false
            }
            #expect(try await observer.result("lock.acquire", ["name": "n"])["acquired"] == false)
            // The heir is told of its loss.
            _ = try await observer.result("lock.break", ["name": "n"])
            #expect(try await heir.push("lock.lost")["reason"] == "broken")
        }
    }

    @Test("again by the same name after the agent's restart gives the lease to the new connection")
    func restart() async throws {
        try await withValkeyServer { server in
            let store = ["--valkey", "unix://\(server.socketPath)"]
            let params: Document = ["name": "n", "request_id": "r"]
            let held = try await withDaemon(arguments: store) { daemon in
                let agent = RunningAgent(daemon: daemon, server: server)
                try await agent.becomeConnected()
                let client = try agent.lease()
                let held = try await client.result("lock.acquire", params)
                try await daemon.terminate()
                return held
            }
            try await withDaemon(arguments: store) { daemon in
                let agent = RunningAgent(daemon: daemon, server: server)
                try await agent.becomeConnected()
                let other = try agent.lease(limit: .seconds(25))
                do {
                    let client = try agent.lease()
                    let again = try await client.result("lock.acquire", params)
                    #expect(again["lease"] == held["lease"])
                    #expect(try await agent.leases("held") == 1)
                    withExtendedLifetime(client) {}
                }
                #expect(try await other.result("lock.acquire", ["name": "n", "wait_ms": 25_000])["acquired"] == true)
            }
        }
    }

    @Test("again by the same name after its end says so, answers a refusal as before, and refuses other parameters")
    func outcomes() async throws {
        try await withAgent { agent in
            let (client, other) = (try agent.lease(), try agent.lease())
            let params: Document = ["name": "n", "request_id": "r"]
            let held = try await client.result("lock.acquire", params)
            let second: Document = ["name": "n", "request_id": "s", "label": "x"]
            let refused = try await other.result("lock.acquire", second)
            #expect(refused["acquired"] == false && refused["holder"]?["host"] != nil)
            #expect(try await other.result("lock.acquire", second) == refused)
            let durable: Document = ["name": "n", "request_id": "r", "replicas_min": 1]
            #expect(try await client.error("lock.acquire", durable)["kind"] == "conflict")
            _ = try await client.result("lock.release", ["lease": held["lease"] ?? .null])
            #expect(try await client.error("lock.acquire", params)["kind"] == "lease_lost")
        }
    }

    @Test("again by the same name while that waits takes its place, and both calls end", arguments: [true, false])
    func twice(sameConnection: Bool) async throws {
        try await withAgent { agent in
            let (holder, client) = (try agent.lease(), try agent.lease())
            let other = sameConnection ? client : try agent.lease()
            let held = try await holder.result("lock.acquire", ["name": "n"])
            let params: Document = ["name": "n", "request_id": "r", "wait_ms": 60_000]
            let first = try await client.begin("lock.acquire", params)
            try await waitUntil("the first waits") { try await waiters(agent) == 1 }
            let second = try await other.begin("lock.acquire", params)
            #expect(try await client.error(of: first)["kind"] == "conflict")
            #expect(try await waiters(agent) == 1)
            _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
            #expect(try await other.result(of: second)["acquired"] == true)
        }
    }

    @Test("again by the same name on another agent takes its place, and both calls end")
    func twiceOnTwoAgents() async throws {
        try await withTwoAgents { first, second in
            let (holder, client, other) = (try first.lease(), try first.lease(), try second.lease())
            let held = try await holder.result("lock.acquire", ["name": "n"])
            let params: Document = ["name": "n", "request_id": "r", "wait_ms": 60_000]
            let before = try await client.begin("lock.acquire", params)
            try await waitUntil("the first waits") { try await waiters(first) == 1 }
            let after = try await other.begin("lock.acquire", params)
            try await waitUntil("the second waits") { try await second.leases("waiting") == 1 }
            _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
            #expect(try await other.result(of: after)["acquired"] == true)
            #expect(try await client.error(of: before)["kind"] == "conflict")
            #expect(try await first.leases("held") == 0)
        }
    }

    @Test("can be cancelled from its first moment on", arguments: [nil, "r"])
    func cancelled(request: String?) async throws {
        try await withAgent { agent in
            let (holder, client) = (try agent.lease(), try agent.connect())
            let held = try await holder.result("lock.acquire", ["name": "n"])
            let id = request.map { #","request_id":"\#($0)""# } ?? ""
            let call = #"{"jsonrpc":"2.0","id":1,"method":"lock.acquire","params":{"name":"n","wait_ms":60000\#(id)}}"#
            let cancel = #"{"jsonrpc":"2.0","id":2,"method":"$/cancelRequest","params":{"id":1}}"#
            // The first of an agent listens first; of a later one Valkey is asked at once.
            for _ in 0..<2 {
                try await client.send(call, cancel)
                var replies: [Document] = []
                for _ in 0..<2 { replies.append(try Document.parse(try await client.receive())) }
                #expect(replies.contains { $0["id"] == 1 && $0["error"]?["data"]?["kind"] == "cancelled" })
                #expect(replies.contains { $0["id"] == 2 && $0["result"] == ["cancelled": true] })
            }
            try await client.send("[\(call),\(cancel)]")
            let batch = try #require(try Document.parse(try await client.receive()).array)
            #expect(batch.contains { $0["id"] == 1 && $0["error"]?["data"]?["kind"] == "cancelled" })
            _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
            try await waitUntil("nobody holds it or waits") {
                try agent.server.command("HLEN", "lock:{n}") == .integer(2)
            }
        }
    }

    @Test("that is cancelled, or whose wait ends, while Valkey hangs leaves nothing behind")
    func hanging() async throws {
        try await withAgent { agent in
            let (client, clock, other) = (try agent.lease(), try agent.lease(), try agent.lease(limit: .seconds(25)))
            // From now on the agent listens.
            _ = try await clock.result("lock.acquire", ["name": "clock", "ttl_ms": 20_000])
            try await waitUntil("the agent listens") {
                try agent.server.command("PUBSUB", "CHANNELS").elements?.isEmpty == false
            }
            try agent.server.pause()
            let cancelled = try await client.begin("lock.acquire", ["name": "n", "ttl_ms": 60_000])
            #expect(try await client.result("$/cancelRequest", ["id": .integer(cancelled)]) == ["cancelled": true])
            #expect(try await client.error(of: cancelled)["kind"] == "cancelled")
            let plain: Document = ["name": "m", "ttl_ms": 60_000, "wait_ms": 50]
            let named: Document = ["name": "m", "ttl_ms": 60_000, "wait_ms": 50, "request_id": "r"]
            // Answered while Valkey is paused still.
            for params in [plain, named] {
                #expect(try await client.result("lock.acquire", params)["acquired"] == false)
            }
            try agent.server.resume()
            try await agent.becomeConnected()
            for name in ["n", "m"] {
                let params: Document = ["name": .string(name), "wait_ms": 25_000]
                #expect(try await other.result("lock.acquire", params)["acquired"] == true)
            }
        }
    }
}
