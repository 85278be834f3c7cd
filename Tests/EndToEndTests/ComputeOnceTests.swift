import JSON
import Linux
import TestSupport
import Testing

@Suite("A missing entry is computed once")
struct ComputeOnceTests {
    private static let get = #"{"key":"k","lease_ms":30000,"wait_ms":20000}"#

    /// Runs `body` with two agents on one server.
    private func withTwo(_ body: (RunningAgent, RunningAgent) async throws -> Void) async throws {
        try await withAgent { first in
            try await withDaemon(arguments: ["--valkey", "unix://\(first.server.socketPath)"]) { daemon in
                let second = RunningAgent(daemon: daemon, server: first.server)
                try await second.becomeConnected()
                try await body(first, second)
            }
        }
    }

    /// Sends a call whose reply comes later.
    private func begin(_ client: AgentClient, _ params: String = get) async throws {
        try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(params)}"#)
    }

    private func result(_ client: AgentClient) async throws -> Document {
        try #require(try Document.parse(try await client.receive())["result"])
    }

    private func waiting(_ agents: RunningAgent...) async throws -> Int64 {
        var sum: Int64 = 0
        for agent in agents {
            sum += try await agent.connect().result(of: "cache.stats")["leases"]?["waiting"]?.integer ?? 0
        }
        return sum
    }

    @Test("and no copy of it is kept where the namespace has none in memory")
    func withoutCopies() async throws {
        try await withAgent(configuration: #"{"namespaces":{"plain":{"tier":"valkey"}}}"#) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"k","namespace":"plain","value":1}"#)
            for _ in 0..<3 {
                let get = #"{"key":"k","namespace":"plain","lease_ms":1000}"#
                #expect(try await client.result(of: "cache.get", get)["source"] == "valkey")
            }
            _ = try agent.server.command("SET", "cache@plain:k", "2")
            #expect(try await client.result(of: "cache.get", #"{"key":"k","namespace":"plain"}"#)["value"] == 2)
        }
    }

    @Test("and those who wait for it and leave are forgotten at once")
    func leaving() async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            try await begin(computer)
            _ = try #require(try await result(computer)["lease"])
            var clients = try (0..<5).map { _ in try agent.connect() }
            for client in clients { try await begin(client) }
            try await waitUntil("they wait") { try await waiting(agent) == 5 }
            // The descriptors are closed with what holds them.
            clients.removeAll()
            try await waitUntil("nobody waits") { try await waiting(agent) == 0 }
            #expect(try await computer.result(of: "agent.stats")["calls"]?["running"] == 0)
        }
    }

    @Test("by the first who asks; the others get its value, on both hosts")
    func value() async throws {
        try await withTwo { first, second in
            let clients = try (0..<40).map { try ($0 % 2 == 0 ? first : second).connect() }
            for client in clients { try await begin(client) }
            let (computer, lease) = try await clients.onlyComputer { try await waiting(first, second) == 39 }
            let stored = try await computer.result(of: "cache.set", #"{"key":"k","value":42,"lease":"\#(lease)"}"#)
            #expect(stored == ["stored": true])
            for client in clients where client !== computer {
                let result = try await result(client)
                #expect(result["hit"] == true && result["value"] == 42)
            }
        }
    }

    @Test("by the next who waits, at once, when the connection of the first ends", arguments: [true, false])
    func disconnection(isSameHost: Bool) async throws {
        try await withTwo { first, second in
            var computer: AgentClient? = try first.connect()
            let next = try (isSameHost ? first : second).connect()
            try await begin(try #require(computer))
            #expect(try await result(try #require(computer))["lease"] != nil)
            try await begin(next)
            try await waitUntil("the next waits") { try await waiting(first, second) == 1 }
            computer = nil
            #expect(try await result(next)["lease"] != nil)
        }
    }

    @Test("by the next who waits when the first gives up, unless nobody is to try for a while")
    func failure() async throws {
        try await withTwo { first, second in
            let computer = try first.connect()
            let next = try second.connect()
            let lease = try await computer.result(of: "cache.get", Self.get)["lease"]?.string ?? ""
            try await begin(next)
            try await waitUntil("the next waits") { try await waiting(second) == 1 }
            let failed = try await computer.result(of: "cache.fail", #"{"key":"k","lease":"\#(lease)"}"#)
            #expect(failed == ["released": true])
            let other = try await result(next)["lease"]?.string ?? ""
            #expect(!other.isEmpty && other != lease)
            let params = #"{"key":"k","lease":"\#(other)","retry_after_ms":60000}"#
            #expect(try await next.result(of: "cache.fail", params) == ["released": true])
            #expect(try await computer.result(of: "cache.get", Self.get) == ["hit": false])
        }
    }

    @Test("and a lease is void once the entry was written, deleted or invalidated, also while it was not there")
    func void() async throws {
        try await withTwo { first, second in
            let computer = try first.connect()
            let other = try second.connect()
            for (method, params) in [
                ("cache.set", #"["k",7]"#), ("cache.delete", #"["k"]"#), ("cache.invalidate", #"{"pattern":"k*"}"#),
                ("cache.increment", #"["k"]"#), ("cache.set", #"{"key":"k","value":8,"condition":"absent"}"#),
            ] {
                _ = try await other.result(of: "cache.delete", #"["k"]"#)
                let lease = try await computer.result(of: "cache.get", #"{"key":"k","lease_ms":30000}"#)["lease"]
                let token = try #require(lease?.string, "\(method)")
                _ = try await other.result(of: method, params)
                let error = try await computer.error(
                    of: "cache.set",
                    #"{"key":"k","value":1,"lease":"\#(token)"}"#
                )
                #expect(error["data"]?["kind"] == "lease_void", "\(method)")
            }
        }
    }

    @Test("and until then it is not there for anybody else")
    func placeholder() async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            let other = try agent.connect()
            let lease = try #require(try await computer.result(of: "cache.get", Self.get)["lease"]?.string)
            #expect(try await other.result(of: "cache.get", #"["k"]"#) == ["hit": false])
            #expect(try await other.result(of: "cache.get", #"{"key":"k","with_ttl":true}"#) == ["hit": false])
            #expect(try await other.result(of: "cache.get_many", #"[["k"]]"#) == ["entries": [["hit": false]]])
            #expect(try await other.result(of: "cache.exists", #"["k"]"#) == ["exists": false])
            #expect(try await other.result(of: "cache.touch", #"["k",60000]"#) == ["found": false])
            #expect(try await other.result(of: "cache.touch", #"["k",null]"#) == ["found": false])
            let present = #"{"key":"k","value":1,"condition":"present"}"#
            #expect(try await other.result(of: "cache.set", present) == ["stored": false])
            // Whoever does not wait has a plain miss while another computes.
            let impatient = try await other.resultText(of: "cache.get", #"{"key":"k","lease_ms":1000}"#)
            #expect(impatient == #"{"hit":false}"#)
            let set = #"{"key":"k","value":1,"lease":"\#(lease)"}"#
            #expect(try await computer.result(of: "cache.set", set) == ["stored": true])
        }
    }

    @Test("and who waited long enough has a plain miss; a lease that is over is the next one's")
    func time() async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            let other = try agent.connect()
            let short = #"{"key":"k","lease_ms":50}"#
            let long = #"{"key":"l","lease_ms":60000}"#
            #expect(try await computer.result(of: "cache.get", short)["lease"] != nil)
            #expect(try await computer.result(of: "cache.get", long)["lease"] != nil)
            let asked = Instant.now
            let patient = #"{"key":"l","lease_ms":1,"wait_ms":30}"#
            #expect(try await other.result(of: "cache.get", patient) == ["hit": false])
            #expect(Instant.now.milliseconds(since: asked) >= 30)
            #expect(try await other.result(of: "cache.get", Self.get)["lease"] != nil)
        }
    }

    @Test("and a deadline that ends before the wait is an error")
    func deadline() async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            let other = try agent.connect()
            #expect(try await computer.result(of: "cache.get", Self.get)["lease"] != nil)
            let params = #"{"key":"k","lease_ms":1000,"wait_ms":60000,"_meta":{"deadline_ms":40}}"#
            let error = try await other.error(of: "cache.get", params)
            #expect(error["data"]?["kind"] == "deadline_exceeded")
        }
    }

    @Test("on each host also while Valkey is away")
    func degraded() async throws {
        try await withAgent { agent in
            agent.server.kill()
            let computer = try agent.connect()
            let next = try agent.connect()
            try await waitUntil("the agent knows it") {
                try await computer.result(of: "cache.get", #"["other"]"#)["degraded"] == true
            }
            let result = try await computer.result(of: "cache.get", Self.get)
            #expect(result["degraded"] == true)
            let lease = try #require(result["lease"]?.string)
            try await begin(next)
            try await waitUntil("the next waits") { try await waiting(agent) == 1 }
            let error = try await computer.error(of: "cache.set", #"{"key":"k","value":1,"lease":"\#(lease)"}"#)
            #expect(error["data"]?["kind"] == "unavailable")
            #expect(try await self.result(next)["lease"] != nil)
        }
    }

    @Test("and bytes that look like a lease are read as they were written")
    func marks() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for base64 in ["AUw=", "AVI=", "AQ==", "AUxhYmM="] {
                _ = try await client.result(of: "cache.set", #"{"key":"k","base64":"\#(base64)"}"#)
                let result = try await client.result(of: "cache.get", #"["k"]"#)
                let raw = result["text"]?.string.map { Array($0.utf8) }
                #expect(raw?.first == 1 || result["base64"]?.string == base64)
            }
        }
    }

    @Test("and a notification, whose answer nobody gets, takes no lease", arguments: ["near+valkey", "near"])
    func notification(tier: String) async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"\#(tier)"}}"#) { agent in
            let client = try agent.connect()
            try await client.send(#"{"jsonrpc":"2.0","method":"cache.get","params":\#(Self.get)}"#)
            // Over the same connection, and so behind it.
            #expect(try await client.result(of: "cache.get", Self.get)["lease"] != nil)
        }
    }
}
