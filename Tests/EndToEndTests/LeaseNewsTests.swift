import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("News of an entry that somebody computes")
struct LeaseNewsTests {
    private func lease(_ client: AgentClient, _ more: String = "") async throws -> String {
        let result = try await client.result(of: "cache.get", #"{"key":"k","lease_ms":30000\#(more)}"#)
        return try #require(result["lease"]?.string, "\(result)")
    }

    @Test("reach whoever asks to compute it, whoever wrote or removed it", arguments: ["near+valkey", "valkey"])
    func writes(tier: String) async throws {
        try await withTwoAgents(configuration: #"{"cache":{"tier":"\#(tier)"}}"#) { first, second in
            let computer = try first.connect()
            let other = try first.connect()
            let far = try second.connect()
            let get = #"{"key":"k","lease_ms":30000}"#
            // Written beside the lease: by the one who holds it, another of the same agent, another agent, any client.
            for (number, writer) in [computer, other, far].enumerated() {
                _ = try await lease(computer)
                _ = try await writer.result(of: "cache.set", #"{"key":"k","value":\#(number)}"#)
                #expect(try await writer.result(of: "cache.get", get)["value"] == .integer(Int64(number)))
                try await waitUntil("everybody reads it, asking for a lease or not") {
                    try await other.result(of: "cache.get", get)["value"] == .integer(Int64(number))
                }
                _ = try await far.result(of: "cache.delete", #"["k"]"#)
                try await waitUntil("it is missing everywhere") {
                    try await other.result(of: "cache.get", #"["k"]"#)["hit"] == false
                }
                try first.server.command("DEL", "cache:k")
            }
            // Removed with the lease: somebody else gets one at once, not when the time of the first is over.
            _ = try await lease(computer)
            try first.server.command("DEL", "cache:k")
            try await waitUntil("another gets a lease") {
                try await other.result(of: "cache.get", get)["lease"] != nil
            }
        }
    }

    @Test("come over a connection on which a hundred calls wait for them")
    func crowdedConnection() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            // The connection has seen a large value, so that each reply may be as large.
            let large = String(repeating: "x", count: 600_000)
            _ = try await client.result(of: "cache.set", #"{"key":"large","value":"\#(large)"}"#)
            _ = try await client.result(of: "cache.get", #"["large"]"#)
            let token = try await lease(client)
            let get = #"{"key":"k","lease_ms":1000,"wait_ms":20000}"#
            for id in 0..<100 {
                try await client.send(#"{"jsonrpc":"2.0","id":\#(id),"method":"cache.get","params":\#(get)}"#)
            }
            let set = #"{"key":"k","value":"v","lease":"\#(token)"}"#
            try await client.send(#"{"jsonrpc":"2.0","id":100,"method":"cache.set","params":\#(set)}"#)
            let replies = try await client.receive(101).map { try Document.parse($0) }
            #expect(replies.filter { $0["result"]?["value"] == "v" }.count == 100)
            #expect(replies.first { $0["id"] == 100 }?["result"]?["stored"] == true)
        }
    }

    @Test("that do not come: each call waits as long as it said itself")
    func patience() async throws {
        try await withTwoAgents { first, second in
            let holder = try second.connect()
            _ = try await lease(holder)
            let params = [
                #"{"key":"k","lease_ms":30000,"wait_ms":60000,"_meta":{"deadline_ms":700}}"#,
                #"{"key":"k","lease_ms":30000,"wait_ms":60000}"#,
                #"{"key":"k","lease_ms":30000,"wait_ms":300}"#,
            ]
            let clients = try params.map { _ in try first.connect() }
            for (client, params) in zip(clients, params) {
                try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(params)}"#)
            }
            #expect(try Document.parse(try await clients[2].receive())["result"] == ["hit": false])
            let late = try Document.parse(try await clients[0].receive())
            #expect(late["error"]?["data"]?["kind"] == "deadline_exceeded")
            // Who waits on has the lease when it is given up.
            try first.server.command("DEL", "cache:k")
            #expect(try Document.parse(try await clients[1].receive())["result"]?["lease"] != nil)
        }
    }

    @Test("do not come any more when the agent ends, which those who wait are told")
    func ending() async throws {
        try await withAgent { agent in
            let (computer, waiter) = (try agent.connect(), try agent.connect())
            _ = try await lease(computer)
            let get = #"{"key":"k","lease_ms":1000,"wait_ms":20000}"#
            try await waiter.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(get)}"#)
            try await waitUntil("it waits") {
                try await computer.result(of: "cache.stats")["leases"]?["waiting"] == 1
            }
            try agent.daemon.process.signal(SIGTERM)
            var message = try Document.parse(try await waiter.receive())
            if message["method"] != nil { message = try Document.parse(try await waiter.receive()) }
            #expect(message["error"]?["data"]?["kind"] == "shutting_down")
            #expect(message["error"]?["data"]?["retryable"] == true)
        }
    }

    @Test("that is stale and computed elsewhere by now end the lease that it was missing for")
    func stale() async throws {
        try await withTwoAgents { first, second in
            let (computer, other, far) = (try first.connect(), try first.connect(), try second.connect())
            _ = try await lease(computer)
            _ = try await far.result(of: "cache.set", #"{"key":"k","value":1,"ttl_ms":1,"stale_ms":600000}"#)
            try await waitUntil("its life is over, and another computes it anew") {
                try await far.result(of: "cache.get", #"{"key":"k","lease_ms":600000}"#)["lease"] != nil
            }
            // Nobody waits for what is there.
            for _ in 0..<3 {
                let wish = #"{"key":"k","lease_ms":1000,"wait_ms":2000}"#
                let result = try await other.result(of: "cache.get", wish)
                #expect(result["hit"] == true && result["stale"] == true, "\(result)")
            }
        }
    }
}
