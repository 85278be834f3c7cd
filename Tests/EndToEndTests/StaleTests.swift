import JSON
import Linux
import TestSupport
import Testing

@Suite("An entry whose life is over")
struct StaleTests {
    private static let get = #"{"key":"k","lease_ms":30000}"#

    /// Writes an entry whose life is over as soon as this returns, while it may be served for long.
    private func writeStale(_ client: AgentClient, _ value: Int = 1, more: String = "") async throws {
        let params = #"{"key":"k","value":\#(value),"ttl_ms":1,"stale_ms":600000\#(more)}"#
        #expect(try await client.result(of: "cache.set", params) == ["stored": true])
        try await waitUntil("its life is over") {
            try await client.result(of: "cache.get", #"{"key":"k","fresh":true}"#)["stale"] == true
        }
    }

    @Test(
        "is computed anew by one caller, while all others get what was there, on both hosts",
        arguments: ServerKind.installed
    )
    func refresh(kind: ServerKind) async throws {
        try await withTwoAgents(kind) { first, second in
            let clients = try (0..<40).map { try ($0 % 2 == 0 ? first : second).connect() }
            try await writeStale(clients[0])
            for client in clients {
                try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(Self.get)}"#)
            }
            var leases: [String] = []
            var others = 0
            for client in clients {
                let result = try #require(try Document.parse(try await client.receive())["result"])
                #expect(result["value"] == 1 && result["stale"] == true)
                if let lease = result["lease"]?.string {
                    #expect(result["hit"] == false)
                    leases.append(lease)
                } else {
                    #expect(result["hit"] == true)
                    others += 1
                }
            }
            #expect(leases.count == 1 && others == 39)
            let set = #"{"key":"k","value":2,"lease":"\#(try #require(leases.first))","ttl_ms":600000}"#
            #expect(try await clients[5].result(of: "cache.set", set) == ["stored": true])
            for client in [clients[5], clients[6]] {
                try await waitUntil("the new value is read") {
                    try await client.result(of: "cache.get", Self.get)["value"] == 2
                }
                #expect(try await client.result(of: "cache.get", Self.get)["stale"] == nil)
            }
        }
    }

    @Test("is served stale, and computed by nobody, while Valkey refuses writes", arguments: ServerKind.installed)
    func refused(kind: ServerKind) async throws {
        try await withTwoAgents(kind) { first, second in
            let client = try first.connect()
            try await writeStale(client)
            try first.server.command("CONFIG", "SET", "maxmemory", "1")
            for agent in [first, second] {
                let result = try await agent.connect().result(of: "cache.get", Self.get)
                #expect(result["hit"] == true && result["value"] == 1 && result["stale"] == true)
                #expect(result["lease"] == nil)
            }
            // What is not there at all cannot be leased, and that is said.
            let missing = #"{"key":"missing","lease_ms":30000}"#
            #expect(try await client.error(of: "cache.get", missing)["data"]?["kind"] == "valkey_error")
            try first.server.command("CONFIG", "SET", "maxmemory", "0")
            #expect(try await client.result(of: "cache.get", Self.get)["lease"] != nil)
        }
    }

    @Test(
        "is served stale from memory, from Valkey, in batches, and with no life left",
        arguments: ["near+valkey", "valkey"]
    )
    func reads(tier: String) async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"\#(tier)"}}"#) { agent in
            let client = try agent.connect()
            try await writeStale(client)
            let source = tier == "valkey" ? "valkey" : "near"
            try await waitUntil("it is read from where it is kept") {
                try await client.result(of: "cache.get", #"["k"]"#)["source"]?.string == source
            }
            let stale: Document = ["hit": true, "value": 1, "source": .string(source), "stale": true]
            #expect(try await client.result(of: "cache.get", #"["k"]"#) == stale)
            let withLife = try await client.result(of: "cache.get", #"{"key":"k","with_ttl":true}"#)
            #expect(withLife["stale"] == true && withLife["ttl_ms"] == 0)
            _ = try await client.result(of: "cache.set", #"["plain",7]"#)
            let many = try await client.result(of: "cache.get_many", #"[["none","k","plain"]]"#)["entries"]?.array
            #expect(many?[0] == ["hit": false] && many?[1] == stale && many?[2]["value"] == 7)
            #expect(many?[2]["stale"] == nil)
            #expect(try await client.result(of: "cache.exists", #"["k"]"#) == ["exists": true])
            let stats = try await client.result(of: "cache.stats")
            #expect(stats["stale_hits"]?.integer ?? 0 >= 4)
        }
    }

    @Test("is not stale before, has no trace of the period in what is told of its life, and ends with the period")
    func lives() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let write = #"{"key":"k","value":1,"ttl_ms":60000,"stale_ms":40000}"#
            _ = try await client.result(of: "cache.set", write)
            for _ in 0..<3 {
                let result = try await client.result(of: "cache.get", #"{"key":"k","with_ttl":true}"#)
                #expect(result["stale"] == nil)
                #expect((1...60_000).contains(result["ttl_ms"]?.integer ?? 0))
            }
            let left = try agent.server.command("PTTL", "cache:k").integer ?? 0
            #expect(left > 60_000 && left <= 100_000)
            // A new life has the same period behind it.
            #expect(try await client.result(of: "cache.touch", #"["k",30000]"#) == ["found": true])
            let touched = try agent.server.command("PTTL", "cache:k").integer ?? 0
            #expect(touched > 60_000 && touched <= 70_000)
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":1,"ttl_ms":1,"stale_ms":30}"#)
            try await waitUntil("it has ended") {
                try await client.result(of: "cache.get", #"["k"]"#) == ["hit": false]
            }
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":1,"ttl_ms":null,"stale_ms":30}"#)
            #expect(try agent.server.command("PTTL", "cache:k") == .integer(-1))
        }
    }

    @Test(
        "is the next one's to compute when the connection of the first ends, on either host",
        arguments: [true, false]
    )
    func disconnection(isSameHost: Bool) async throws {
        try await withTwoAgents { first, second in
            var computer: AgentClient? = try first.connect()
            let next = try (isSameHost ? first : second).connect()
            try await writeStale(try #require(computer))
            #expect(try await computer?.result(of: "cache.get", Self.get)["lease"] != nil)
            let before = try await next.result(of: "cache.get", Self.get)
            #expect(before["hit"] == true && before["stale"] == true && before["lease"] == nil)
            computer = nil
            try await waitUntil("the next one computes") {
                try await next.result(of: "cache.get", Self.get)["lease"] != nil
            }
        }
    }

    @Test("is the next one's to compute when the first gives up, unless nobody is to try for a while")
    func failure() async throws {
        try await withTwoAgents { first, second in
            let (computer, next) = (try first.connect(), try second.connect())
            try await writeStale(computer)
            let lease = try #require(try await computer.result(of: "cache.get", Self.get)["lease"]?.string)
            #expect(try await next.result(of: "cache.fail", #"{"key":"k","lease":"other"}"#) == ["released": false])
            let failed = try await computer.result(of: "cache.fail", #"{"key":"k","lease":"\#(lease)"}"#)
            #expect(failed == ["released": true])
            let other = try #require(try await next.result(of: "cache.get", Self.get)["lease"]?.string)
            let params = #"{"key":"k","lease":"\#(other)","retry_after_ms":60000}"#
            #expect(try await next.result(of: "cache.fail", params) == ["released": true])
            for client in [computer, next] {
                let result = try await client.result(of: "cache.get", Self.get)
                #expect(result["hit"] == true && result["stale"] == true && result["lease"] == nil)
            }
        }
    }

    @Test("and its lease is void once it was written, deleted or invalidated, or its own time is over")
    func void() async throws {
        try await withTwoAgents { first, second in
            let (computer, other) = (try first.connect(), try second.connect())
            for (method, params) in [
                ("cache.set", #"["k",7]"#), ("cache.delete", #"["k"]"#), ("cache.invalidate", #"{"pattern":"k*"}"#),
                ("cache.invalidate", #"{"tags":["t"]}"#),
            ] {
                try await writeStale(computer, more: #","tags":["t"]"#)
                let lease = try #require(
                    try await computer.result(of: "cache.get", Self.get)["lease"]?.string,
                    "\(method)"
                )
                _ = try await other.result(of: method, params)
                let set = #"{"key":"k","value":1,"lease":"\#(lease)"}"#
                let error = try await computer.error(of: "cache.set", set)
                #expect(error["data"]?["kind"] == "lease_void", "\(method) \(params)")
            }
            try await writeStale(computer)
            let brief = try await computer.result(of: "cache.get", #"{"key":"k","lease_ms":1}"#)["lease"]?.string
            try await waitUntil("its time is over") {
                try await other.result(of: "cache.get", Self.get)["lease"] != nil
            }
            let set = #"{"key":"k","value":1,"lease":"\#(try #require(brief))"}"#
            #expect(try await computer.error(of: "cache.set", set)["data"]?["kind"] == "lease_void")
        }
    }

    @Test(
        "and its lease is void once a number was added to it, in Valkey and in the agent's memory",
        arguments: ["near+valkey", "valkey", "near"],
        [true, false]
    )
    func increment(tier: String, isTransaction: Bool) async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"\#(tier)"}}"#) { agent in
            let (computer, other) = (try agent.connect(), try agent.connect())
            try await writeStale(computer, 5, more: #","tags":["t"]"#)
            let lease = try #require(try await computer.result(of: "cache.get", Self.get)["lease"]?.string)
            if isTransaction {
                let writes = #"{"writes":[{"op":"increment","key":"k","by":10}]}"#
                #expect(try await other.result(of: "cache.transact", writes)["values"] == [15])
            } else {
                #expect(try await other.result(of: "cache.increment", #"{"key":"k","by":10}"#) == ["value": 15])
            }
            let set = #"{"key":"k","value":6,"lease":"\#(lease)"}"#
            #expect(try await computer.error(of: "cache.set", set)["data"]?["kind"] == "lease_void")
            let read = try await other.result(of: "cache.get", #"{"key":"k","fresh":true}"#)
            #expect(read["value"] == 15 && read["stale"] == true)
            #expect(try await other.result(of: "cache.get", Self.get)["lease"] != nil)
        }
    }
}
