import JSON
import Linux
import TestSupport
import Testing

@Suite("A client that does not read")
struct SlowReaderTests {
    private static let value = "\"" + String(repeating: "v", count: 65_534) + "\""

    private static func gets(_ count: Int) -> [UInt8] {
        (0..<count).flatMap {
            Array((#"{"jsonrpc":"2.0","id":\#($0),"method":"cache.get","params":["big"]}"# + "\n").utf8)
        }
    }

    @Test("is owed little, however much it asks for, and nobody else notices")
    func bounded() async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            _ = try await other.result(of: "cache.set", #"["big",\#(Self.value)]"#)
            let before = try agent.residentBytes
            let stuck = try agent.connect()
            // What the socket's buffer takes; the agent stops reading long before it has served that much.
            try await stuck.send(bytes: Array(Self.gets(5000).prefix(100_000)))
            try await waitUntil("the agent has stopped reading") {
                #expect(try await other.result(of: "agent.ping") == ["pong": true])
                return try await other.result(of: "agent.stats")["calls"]?["running"] == 0
            }
            // A megabyte is owed when reading stops; what ran by then comes on top.
            #expect(try agent.residentBytesPeak - before < 48 << 20)
            #expect(try await other.result(of: "agent.stats")["connections"]?["open"] == 2)
        }
    }

    @Test("fast enough is told everything all the same, however little it was told before")
    func burst() async throws {
        try await withAgent { agent in
            _ = try agent.server.command("SET", "cache:big", "\"" + String(repeating: "v", count: 600_000) + "\"")
            let client = try agent.connect()
            _ = try await client.result(of: "cache.get", #"["big"]"#)
            for _ in 0..<150 { _ = try await client.result(of: "cache.get", #"["none"]"#) }
            let count = 70
            let lines = (0..<count).map {
                #"{"jsonrpc":"2.0","id":\#($0),"method":"cache.get","params":{"key":"big","fresh":true}}"# + "\n"
            }
            try await client.send(bytes: Array(lines.joined().utf8))
            for _ in 0..<count { #expect(try await client.receive().utf8.count > 600_000) }
        }
    }

    @Test("is kept and not read from while little is owed to it")
    func heldBack() async throws {
        let limits = #"{"limits": {"output_bytes_high": 65536, "running_max": 16}}"#
        try await withAgent(configuration: limits) { agent in
            let other = try agent.connect()
            _ = try await other.result(of: "cache.set", #"["big",\#(Self.value)]"#)
            let slow = try agent.connect()
            let count = 2000
            let requests = Self.gets(count)
            // More than the buffers between hold: the rest leaves as the replies are taken.
            try await slow.send(bytes: Array(requests.prefix(60_000)))
            try await waitUntil("the agent has stopped reading") {
                #expect(try await other.result(of: "agent.ping") == ["pong": true])
                return try await other.result(of: "agent.stats")["calls"]?["running"] == 0
            }
            #expect(try agent.residentBytesPeak < 64 << 20)
            try await slow.send(bytes: Array(requests.dropFirst(60_000)))
            let end = #","result":{"hit":true,"value":\#(Self.value),"source":"valkey"}}"#
            var expected = Set((0..<count).map { #"{"jsonrpc":"2.0","id":\#($0)"# + end })
            for _ in 0..<count {
                let reply = try await slow.receive().replacing(#""near""#, with: #""valkey""#)
                #expect(expected.remove(reply) != nil)
            }
            #expect(try agent.residentBytesPeak < 64 << 20)
        }
    }

    @Test("until it has sent everything gets all its replies, within the limit")
    func late() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"["big",\#(Self.value)]"#)
            let count = 300
            try await client.send(bytes: Self.gets(count))
            var ids = Set<Int64>()
            for _ in 0..<count {
                let reply = try Document.parse(try await client.receive())
                #expect(reply["result"]?["hit"] == true)
                if let id = reply["id"]?.integer { ids.insert(id) }
            }
            #expect(ids == Set(0..<Int64(count)))
        }
    }

    @Test("is told where a reply is too large, and goes on")
    func tooLarge() async throws {
        let limits = #"{"limits": {"message_bytes_max": 100000, "reply_bytes_max": 100000}}"#
        try await withAgent(configuration: limits) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"["big",\#(Self.value)]"#)
            let error = try await client.error(of: "cache.get_many", #"[["big","big"]]"#)
            #expect(error["code"] == 1005)
            #expect(error["data"]?["limit_bytes"] == 100_000)
            #expect(try await client.result(of: "cache.get", #"["big"]"#)["hit"] == true)
            // Each element of a batch has its answer, though not all of them fit into one reply.
            let get = #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":["big"]}"#
            try await client.send("[\(get),\(get),\(get)]")
            let replies = try Document.parse(try await client.receive()).array
            #expect(replies?.count == 3)
            #expect(replies?.count { $0["result"] != nil } == 1)
            #expect(replies?.count { $0["error"]?["code"] == 1005 } == 2)
        }
    }
}
