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

    @Test("is cut beyond the limit, and nobody else notices")
    func cut() async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            _ = try await other.result(of: "cache.set", #"["big",\#(Self.value)]"#)
            let before = try agent.residentBytes
            let stuck = try agent.connect()
            // The agent may close the connection while this is still being sent.
            try? await stuck.send(bytes: Self.gets(5000))
            try await waitUntil("the client that does not read is gone") {
                #expect(try await other.result(of: "agent.ping") == ["pong": true])
                return try await other.result(of: "agent.stats")["connections"]?["open"] == 1
            }
            // The limit of 32 MiB, twice for the moment in which the buffer grows, and what Valkey sent meanwhile.
            #expect(try agent.residentBytesPeak - before < 120 << 20)
            try await waitUntil("the calls have ended and their memory is given back") {
                guard try await other.result(of: "agent.stats")["calls"]?["running"] == 0 else { return false }
                return try agent.residentBytes - before < 16 << 20
            }
            _ = try await stuck.receiveToEnd()
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
            for id in 0..<count {
                let reply = try await slow.receive().replacing(#""near""#, with: #""valkey""#)
                #expect(reply == #"{"jsonrpc":"2.0","id":\#(id)"# + end)
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
            for id in 0..<count {
                #expect(try await client.receive().hasPrefix(#"{"jsonrpc":"2.0","id":\#(id),"result":{"hit":true,"#))
            }
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
