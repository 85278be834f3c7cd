import JSON
import TestSupport
import Testing

@Suite("Reads that take two steps")
struct SecondStepTests {
    private func read(_ id: Int, _ key: String, _ members: String = #","fresh":true"#) -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"cache.get","params":{"key":"\#(key)"\#(members)}}"#
    }

    @Test("are answered all the same where not all that has come may be kept", arguments: ["", #","with_ttl":true"#])
    func turns(member: String) async throws {
        try await withAgent(configuration: #"{"limits":{"output_bytes_high":4096}}"#) { agent in
            let client = try agent.connect()
            let value = String(repeating: "v", count: 3000)
            for key in 0..<10 {
                let entry = #""key":"k\#(key)","value":"\#(key)\#(value)","tags":["t"],"stale_ms":1000"#
                _ = try await client.result(of: "cache.set", "{\(entry)}")
            }
            // What is expected of a reply fades, so that many are let in together.
            for _ in 0..<100 { _ = try await client.result(of: "cache.get", #"["none"]"#) }
            let lines = (0..<200).map { id in
                id % 20 == 19 ? read(id, "none") : read(id, "k\(id % 10)", #","fresh":true\#(member)"#)
            }
            try await client.send(lines)
            var seen: Set<Int64> = []
            for _ in lines {
                let reply = try Document.parse(try await client.receive())
                let id = try #require(reply["id"]?.integer)
                seen.insert(id)
                if id % 20 == 19 {
                    #expect(reply["result"] == ["hit": false])
                } else {
                    #expect(reply["result"]?["value"]?.string == "\(id % 10)\(value)", "\(id)")
                    #expect((reply["result"]?["ttl_ms"] != nil) == !member.isEmpty)
                }
            }
            #expect(seen.count == lines.count)
        }
    }

    @Test("take no more memory than a connection may be owed, however much is asked at once")
    func memory() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let value = String(repeating: "v", count: 1_000_000)
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":"\#(value)","tags":["t"]}"#)
            for _ in 0..<150 { _ = try await client.result(of: "cache.get", #"["none"]"#) }
            let before = try agent.residentBytes
            // Nothing but a number comes of these, and all the values have to come from Valkey.
            let lines = (0..<200).map { read($0, "k") } + [#"{"jsonrpc":"2.0","id":200,"method":"agent.ping"}"#]
            try await client.send(lines)
            var most = before
            for number in 0...200 {
                _ = try await client.receive()
                if number % 20 == 0 { most = max(most, try agent.residentBytes) }
            }
            #expect(most - before < 80 << 20, "\(most - before) bytes")
        }
    }

    /// Sends transactions that look at four large keys each, all at once.
    ///
    /// - Returns: How many replies there were of each kind, and by how much the agent's memory grew.
    private func transact(_ count: Int, _ agent: RunningAgent) async throws -> (kinds: [String: Int], growth: Int) {
        let client = try agent.connect()
        for _ in 0..<100 { _ = try await client.result(of: "cache.get", #"["none"]"#) }
        let checks = (0..<4).map { #"{"key":"k\#($0)","exists":true}"# }.joined(separator: ",")
        let lines = (0..<count).map { id in
            let params = #"{"checks":[\#(checks)],"writes":[{"op":"set","key":"w\#(id)","value":1}]}"#
            return #"{"jsonrpc":"2.0","id":\#(id),"method":"cache.transact","params":\#(params)}"#
        }
        let before = try agent.residentBytesPeak
        try await client.send(lines)
        var kinds: [String: Int] = [:]
        for _ in lines {
            let reply = try Document.parse(try await client.receive())
            let data = reply["error"]?["data"]
            let isHonest = data == nil || data?["outcome"] == "not_applied"
            #expect(isHonest, "\(reply.text(style: .compact))")
            kinds[data?["kind"]?.string ?? (reply["result"]?["applied"] == true ? "applied" : "not"), default: 0] += 1
        }
        return (kinds, try agent.residentBytesPeak - before)
    }

    @Test("of transactions keep nothing of what they look at until Valkey has written")
    func transactions() async throws {
        try await withAgent { agent in
            for key in 0..<4 { try agent.server.command("SETRANGE", "cache:k\(key)", "2000000", "x") }
            _ = try await transact(1, agent)
            let (kinds, growth) = try await transact(40, agent)
            #expect(kinds == ["applied": 40])
            #expect(growth < 64 << 20, "\(growth) bytes")
        }
    }

    @Test("of transactions that look at entries with tags keep as much as a connection may be owed, and refuse more")
    func taggedTransactions() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let value = String(repeating: "v", count: 2_000_000)
            for key in 0..<4 {
                _ = try await client.result(of: "cache.set", #"{"key":"k\#(key)","value":"\#(value)","tags":["t"]}"#)
            }
            _ = try await transact(1, agent)
            let (kinds, growth) = try await transact(40, agent)
            #expect(Set(kinds.keys).isSubset(of: ["applied", "overloaded"]) && (kinds["applied"] ?? 0) > 0, "\(kinds)")
            #expect(growth < 96 << 20, "\(growth) bytes")
        }
    }

    @Test("and come to all who wait for entries that are written at once take no more memory either")
    func waiting() async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"valkey"}}"#) { agent in
            let (client, other) = (try agent.connect(), try agent.connect())
            let (value, count) = (String(repeating: "v", count: 1_000_000), 40)
            for key in 0..<count {
                let entry = #"{"key":"k\#(key)","value":"\#(value)","tags":["t"]}"#
                _ = try await other.result(of: "cache.set", entry)
            }
            func rename(_ from: String, _ to: String) throws {
                let script = "for i = 0, \(count - 1) do redis.call('RENAME', '\(from)' .. i, '\(to)' .. i) end"
                try agent.server.command("EVAL", script, "0")
            }
            try rename("cache:k", "aside")
            for key in 0..<count {
                let lease = #"{"key":"k\#(key)","lease_ms":600000}"#
                #expect(try await other.result(of: "cache.get", lease)["lease"] != nil)
            }
            try await client.send((0..<count).map { read($0, "k\($0)", #","lease_ms":600000,"wait_ms":60000"#) })
            try await waitUntil("all wait") {
                try await other.result(of: "cache.stats")["leases"]?["waiting"]?.integer == Int64(count)
            }
            let before = try agent.residentBytesPeak
            try rename("aside", "cache:k")
            for _ in 0..<count {
                let reply = try Document.parse(try await client.receive())
                let isWhole = reply["result"]?["value"]?.string == value
                #expect(isWhole, "\(reply["error"] ?? .null)")
            }
            let grown = try agent.residentBytesPeak - before
            #expect(grown < 20 << 20, "\(grown) bytes")
        }
    }

    @Test("are given up with a connection that is owed much and goes")
    func gone() async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            let value = String(repeating: "v", count: 1_000_000)
            _ = try await other.result(of: "cache.set", #"{"key":"k","value":"\#(value)","tags":["t"]}"#)
            // It is owed the first two, and the batch, of which no part is answered before the whole, waits behind them.
            var client: AgentClient? = try agent.connect()
            let batch = "[" + (0..<80).map { read($0, "k") }.joined(separator: ",") + "]"
            try await client?.send([read(100, "k"), read(101, "k"), batch])
            try await waitUntil("it is owed as much as it may be") {
                try await other.result(of: "agent.stats")["calls"]?["running"] == 80
            }
            client = nil
            try await waitUntil("nothing is left of it") {
                let stats = try await other.result(of: "agent.stats")
                return stats["calls"]?["running"] == 0 && stats["connections"]?["open"] == 1
            }
        }
    }

    @Test("of what is being written with tags are not answered from memory")
    func tagged() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for value in 1...20 {
                _ = try await client.result(of: "cache.set", #"{"key":"k","value":0}"#)
                try await client.becomeNear(#"{"key":"k"}"#)
                let lines = [
                    #"{"jsonrpc":"2.0","id":1,"method":"cache.set","params":{"key":"k","value":\#(value),"tags":["t"]}}"#,
                    read(2, "k", ""),
                ]
                try await client.send(lines)
                for _ in lines {
                    let reply = try Document.parse(try await client.receive())
                    if reply["id"] == 2 { #expect(reply["result"]?["source"] == "valkey") }
                }
                #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"]?.integer == Int64(value))
            }
        }
    }
}
