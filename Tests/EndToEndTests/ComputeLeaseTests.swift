import JSON
import Linux
import TestSupport
import Testing

@Suite("The lease of whoever computes an entry")
struct ComputeLeaseTests {
    private static let lanes = #"{"valkey":{"connections":4}}"#
    private static let large = 4_000_000

    private func leases(_ agent: RunningAgent, _ member: String) async throws -> Int64? {
        try await agent.connect().result(of: "cache.stats")["leases"]?[member]?.integer
    }

    private func call(_ id: String, _ method: String, _ params: String) -> String {
        #"{"jsonrpc":"2.0","id":"\#(id)","method":"\#(method)","params":\#(params)}"#
    }

    /// Writes what the replies of a lane are held up with.
    private func writeLarge(_ agent: RunningAgent) async throws {
        let value = String(repeating: "x", count: Self.large)
        let client = try agent.connect()
        for key in 0..<3 {
            _ = try await client.result(of: "cache.set", #"{"key":"large\#(key)","value":"\#(value)"}"#)
        }
    }

    private var largeReads: [String] {
        (0..<3).map { call("large\($0)", "cache.get", #"{"key":"large\#($0)","fresh":true}"#) }
    }

    /// The reply to a call, those to others passed over.
    private func reply(to id: String, _ client: AgentClient) async throws -> Document {
        while true {
            let text = try await client.receive()
            if text.hasPrefix(#"{"jsonrpc":"2.0","id":"\#(id)""#) { return try Document.parse(text) }
        }
    }

    /// Has the first of two clients hold the lease of `k` when its time passes, with its write on the way behind large
    /// replies, and the other wait for it; then the server goes on.
    private func outlive(_ agent: RunningAgent, _ first: AgentClient, _ next: AgentClient) async throws {
        let held = try await first.result(of: "cache.get", #"{"key":"k","lease_ms":2500}"#)
        let lease = try #require(held["lease"]?.string)
        try await next.send(call("next", "cache.get", #"{"key":"k","lease_ms":600000,"wait_ms":30000}"#))
        try await waitUntil("the next waits") { try await leases(agent, "waiting") == 1 }
        try agent.server.pause()
        let set = call("set", "cache.set", #"{"key":"k","value":1,"lease":"\#(lease)"}"#)
        try await first.send(largeReads + [set])
        // Answered behind them, which are on their way then.
        _ = try await first.result(of: "agent.ping")
        try await waitUntil("its time has passed") { try await leases(agent, "running") == 0 }
        try agent.server.resume()
    }

    @Test("ends when its time has passed, also while Valkey is asked and answers nothing")
    func forgotten() async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"valkey"}}"#) { agent in
            let (computer, client) = (try agent.connect(), try agent.connect())
            let held = #"{"key":"k","lease_ms":1000}"#
            #expect(try await computer.result(of: "cache.get", held)["lease"] != nil)
            try agent.server.pause()
            try await client.send(call("next", "cache.get", #"{"key":"k","lease_ms":1000,"wait_ms":100}"#))
            _ = try await reply(to: "next", client)
            try await waitUntil("nobody has it", within: .seconds(15)) { try await leases(agent, "running") == 0 }
        }
    }

    @Test("is the next one's, whenever the write of the one before is refused")
    func lateWrite() async throws {
        try await withAgent(configuration: Self.lanes) { agent in
            try await writeLarge(agent)
            let first = try agent.connect()
            var next: AgentClient? = try agent.connect()
            for client in [first, next] { _ = try await client?.result(of: "agent.ping") }
            let third = try agent.connect()
            try await outlive(agent, first, try #require(next))
            #expect(try await reply(to: "next", try #require(next))["result"]?["lease"] != nil)
            #expect(try await reply(to: "set", first)["error"]?["data"]?["kind"] == "lease_void")
            #expect(try await leases(agent, "running") == 1)
            try await third.send(call("third", "cache.get", #"{"key":"k","lease_ms":1000,"wait_ms":60000}"#))
            try await waitUntil("the third waits") { try await leases(agent, "waiting") == 1 }
            next = nil
            #expect(try await reply(to: "third", third)["result"]?["lease"] != nil)
        }
    }

    @Test("is the next one's, whenever the write of the one before ends with its connection to Valkey")
    func brokenWrite() async throws {
        try await withTemporaryDirectory { directory in
            try File.write(Self.lanes, to: "\(directory)/squire.json")
            try await withValkeyServer { server in
                try await withFaultProxy(to: .unix(server.socketPath)) { proxy in
                    let arguments = ["--config", "\(directory)/squire.json", "--valkey", proxy.address.url]
                    try await withDaemon(arguments: arguments) { daemon in
                        let agent = RunningAgent(daemon: daemon, server: server)
                        try await agent.becomeConnected()
                        try await writeLarge(agent)
                        let (first, next) = (try agent.connect(), try agent.connect())
                        for client in [first, next] { _ = try await client.result(of: "agent.ping") }
                        proxy.reset(afterBytes: 2 * Self.large, of: .replies)
                        _ = try await first.result(of: "cache.get", #"["none"]"#)
                        try await outlive(agent, first, next)
                        let lease = try await reply(to: "next", next)["result"]?["lease"]?.string
                        #expect(try await reply(to: "set", first)["error"]?["data"]?["kind"] == "ambiguous")
                        let set = #"{"key":"k","value":2,"lease":"\#(try #require(lease))"}"#
                        #expect(try await next.result(of: "cache.set", set) == ["stored": true])
                    }
                }
            }
        }
    }

    @Test("is passed on when its holder has gone while callers are turned away, as soon as they are not")
    func goneWhileAway() async throws {
        try await withAgent { agent in
            var computer: AgentClient? = try agent.connect()
            let client = try agent.connect()
            #expect(try await computer?.result(of: "cache.get", #"{"key":"k","lease_ms":3600000}"#)["lease"] != nil)
            _ = try await client.result(of: "agent.breaker", #"{"store":"cache","action":"open"}"#)
            computer = nil
            try await waitUntil("it has gone") { try await leases(agent, "running") == 0 }
            _ = try await client.result(of: "agent.breaker", #"{"store":"cache","action":"auto"}"#)
            try await agent.becomeConnected()
            let wish = #"{"key":"k","lease_ms":1000,"wait_ms":15000}"#
            #expect(try await client.result(of: "cache.get", wish)["lease"] != nil)
        }
    }

    @Test("is passed on where the computer goes while Valkey takes no writes")
    func goneWhileRefused() async throws {
        try await withAgent { agent in
            var computer: AgentClient? = try agent.connect()
            let client = try agent.connect()
            #expect(try await computer?.result(of: "cache.get", #"{"key":"k","lease_ms":3600000}"#)["lease"] != nil)
            try agent.server.command("CONFIG", "RESETSTAT")
            try agent.server.command("CONFIG", "SET", "min-replicas-to-write", "1")
            computer = nil
            // More often than a command is sent again by itself.
            try await waitUntil("the end of the lease was refused") {
                let statistics = try agent.server.command("INFO", "errorstats").text ?? ""
                let refused = statistics.firstMatch(of: /errorstat_NOREPLICAS:count=(\d+)/)
                return refused.flatMap { Int($0.1) } ?? 0 > 8
            }
            try agent.server.command("CONFIG", "SET", "min-replicas-to-write", "0")
            let wish = #"{"key":"k","lease_ms":1000,"wait_ms":15000}"#
            #expect(try await client.result(of: "cache.get", wish)["lease"] != nil)
        }
    }

    @Test(
        "is asked for again by those who came behind a removal of what was there when it was asked for",
        arguments: ["near+valkey", "valkey"],
        [true, false]
    )
    func removed(tier: String, isFresh: Bool) async throws {
        let configuration = #"{"valkey":{"connections":4},"cache":{"tier":"\#(tier)"}}"#
        try await withAgent(configuration: configuration) { agent in
            try await writeLarge(agent)
            let (computer, waiter, client) = (try agent.connect(), try agent.connect(), try agent.connect())
            for each in [computer, waiter, client] { _ = try await each.result(of: "agent.ping") }
            let held = #"{"key":"k","lease_ms":2500}"#
            #expect(try await computer.result(of: "cache.get", held)["lease"] != nil)
            try await waiter.send(call("next", "cache.get", #"{"key":"k","lease_ms":1000,"wait_ms":30000}"#))
            try await waitUntil("the next waits") { try await leases(agent, "waiting") == 1 }
            try agent.server.pause()
            // In the order of their coming: the write, the question behind large replies, the removal.
            try await computer.send(call("set", "cache.set", #"{"key":"k","value":1}"#))
            _ = try await computer.result(of: "agent.ping")
            try await waiter.send(largeReads)
            _ = try await waiter.result(of: "agent.ping")
            try await waitUntil("Valkey is asked") { try await leases(agent, "running") == 0 }
            try await client.send(call("delete", "cache.delete", #"["k"]"#))
            _ = try await client.result(of: "agent.ping")
            try agent.server.resume()
            #expect(try await reply(to: "delete", client)["result"] == ["deleted": 1])
            let wish = #"{"key":"k","lease_ms":1000,"fresh":\#(isFresh)}"#
            let result = try await client.result(of: "cache.get", wish)
            #expect(result["hit"] == false, "\(result)")
        }
    }
}
