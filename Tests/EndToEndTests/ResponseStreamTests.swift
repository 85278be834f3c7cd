import JSON
import Linux
import TestSupport
import Testing

@Suite("A recorded stream")
struct ResponseStreamTests {
    private static let identity = #""model":"m","scope":"s","prompt":"p""#

    /// A put of chunks with these gaps.
    private static func put(_ chunks: [(delay: Int, chunk: String)]) -> String {
        let list = chunks.map { #"{"delay_ms":\#($0.delay),"chunk":\#($0.chunk)}"# }.joined(separator: ",")
        return #"{\#(identity),"usage":{"total_tokens":9},"chunks":[\#(list)]}"#
    }

    private func get(_ stream: String, id: String = "1", more: String = "") -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"response.get","params":{\#(Self.identity),"stream":"\#(stream)"\#(more)}}"#
    }

    @Test("is replayed chunk for chunk, byte for byte, before the reply", arguments: AgentClient.Framing.allCases)
    func replay(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            let chunks = (0..<500).map { #"{"delta" : {"content":"\u00e9 \#($0)"},"n":\#($0).00}"# }
            let stored = try await client.result(of: "response.put", Self.put(chunks.map { (1, $0) }))
            let fingerprint = try #require(stored["fingerprint"]?.string)
            try await client.send(get("at_once", id: #""my id""#))
            for (index, chunk) in chunks.enumerated() {
                let expected =
                    #"{"jsonrpc":"2.0","method":"response.chunk","params":{"request":"my id","index":\#(index),"chunk":\#(chunk)}}"#
                #expect(try await client.receive() == expected)
            }
            let result = #"{"hit":true,"chunk_count":500,"usage":{"total_tokens":9},"fingerprint":"\#(fingerprint)"}"#
            #expect(try await client.receive() == #"{"jsonrpc":"2.0","id":"my id","result":\#(result)}"#)
        }
    }

    @Test("comes in the reply where no stream is asked for")
    func whole() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "response.put", Self.put([(5, #""a""#), (7, "null")]))
            let result = try await client.result(of: "response.get", "{\(Self.identity)}")
            #expect(result["chunks"]?.array?.count == 2)
            #expect(result["chunks"]?[pointer: "/1/delay_ms"] == 7)
            // What was stored whole comes whole, whatever is asked for.
            _ = try await client.result(of: "response.put", #"{\#(Self.identity),"response":"r"}"#)
            let params = #"{\#(Self.identity),"stream":"paced"}"#
            #expect(try await client.result(of: "response.get", params)["response"] == "r")
        }
    }

    @Test("is none where somebody wrote gaps that nobody may store, and the agent lives on")
    func foreignGaps() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "response.put", Self.put([(5, #""a""#), (7, "null")]))
            let keys = try agent.server.command("KEYS", "response:*").elements ?? []
            let name = try #require(keys.first?.text)
            guard case .bulk(let stored) = try agent.server.command("GET", name) else {
                Issue.record("no response")
                return
            }
            let text = String(decoding: stored, as: UTF8.self)
            let foreign = text.replacing(#""delay_ms":5"#, with: #""delay_ms":9000000000000000000"#)
                .replacing(#""delay_ms":7"#, with: #""delay_ms":9000000000000000000"#)
            #expect(foreign.utf8.count == text.utf8.count + 36)
            try agent.server.command("SET", name, foreign)
            for stream in ["paced", "at_once"] {
                let params = #"{\#(Self.identity),"stream":"\#(stream)"}"#
                #expect(try await client.result(of: "response.get", params)["hit"] == false)
            }
        }
    }

    @Test("is paced as it was recorded, while the connection serves other calls")
    func paced() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "response.put", Self.put([(0, "0"), (150, "1"), (0, "2"), (150, "3")]))
            let start = Instant.now
            try await client.send(get("paced"), #"{"jsonrpc":"2.0","id":2,"method":"agent.ping"}"#)
            var indices: [Int64] = []
            var hasPong = false
            while true {
                let message = try Document.parse(try await client.receive())
                if message["id"] == 2 {
                    hasPong = true
                    #expect(indices.count < 4)
                } else if message["id"] == 1 {
                    break
                } else {
                    let index = try #require(message["params"]?["index"]?.integer)
                    // Never earlier than it was recorded; how much later is the machine's business.
                    #expect(Instant.now.milliseconds(since: start) >= [0, 150, 150, 300][Int(index)])
                    indices.append(index)
                }
            }
            #expect(indices == [0, 1, 2, 3] && hasPong)
        }
    }

    @Test("has no deadline of its own but the gaps, unless the call names one")
    func deadline() async throws {
        let limits = #"{"limits": {"deadline_ms": 1000}}"#
        try await withAgent(configuration: limits) { agent in
            let client = try agent.connect()
            let patient = #","_meta":{"deadline_ms":10000}"#
            _ = try await client.result(
                of: "response.put",
                Self.put([(0, "0"), (1300, "1")]).dropLast() + patient + "}"
            )
            try await client.send(get("paced"))
            _ = try await client.receive(2)
            #expect(try Document.parse(try await client.receive())["result"]?["chunk_count"] == 2)
            try await client.send(get("paced", more: #","_meta":{"deadline_ms":1000}"#))
            _ = try await client.receive()
            let error = try Document.parse(try await client.receive())["error"]
            #expect(error?["data"]?["kind"] == "deadline_exceeded")
        }
    }

    @Test("waits for a client that does not read, in bounded memory, and nobody else notices")
    func backpressure() async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            let text = "\"" + String(repeating: "c", count: 40_000) + "\""
            let count = 150
            _ = try await other.result(of: "response.put", Self.put((0..<count).map { _ in (0, text) }))
            let clients = try (0..<8).map { _ in try agent.connect() }
            for client in clients { try await client.send(get("at_once")) }
            try await waitUntil("eight streams of six megabytes are under way") {
                let responses = try await other.result(of: "agent.stats")["responses"]
                return (responses?["replay_bytes"]?.integer ?? 0) > 8 * count * text.count
            }
            let sent = try await other.result(of: "agent.stats")["responses"]?["chunks"]?.integer ?? 0
            #expect(sent < 8 * count)
            #expect(try await other.result(of: "agent.ping") == ["pong": true])
            for client in clients.dropFirst() {
                for index in 0..<count {
                    let message = try await client.receive()
                    #expect(
                        message.hasPrefix(
                            #"{"jsonrpc":"2.0","method":"response.chunk","params":{"request":1,"index":\#(index),"#
                        )
                    )
                    #expect(message.utf8.count > text.count)
                }
                #expect(
                    try Document.parse(try await client.receive())["result"]?["chunk_count"]?.integer == Int64(count)
                )
            }
        }
    }

    @Test("is let go with the connection that it was sent to")
    func disconnection() async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            _ = try await other.result(of: "response.put", Self.put([(0, "0"), (3_600_000, "1")]))
            var client: AgentClient? = try agent.connect()
            try await client?.send(get("paced"))
            _ = try await client?.receive()
            client = nil
            try await waitUntil("nothing is left of it") {
                let stats = try await other.result(of: "agent.stats")
                return stats["responses"]?["replay_bytes"] == 0 && stats["calls"]?["running"] == 0
            }
        }
    }

    @Test("is stored whole or not at all")
    func incomplete() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let cut = Self.put([(5, #"{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#)])
            let refused = try await client.result(of: "response.put", cut)
            #expect(refused["stored"] == false && refused["reason"] == "incomplete")
            // A recorder that dies in the middle of handing it over.
            let whole = Self.put((0..<1000).map { _ in (1, #""some chunk""#) })
            var dying: AgentClient? = try agent.connect()
            let message = #"{"jsonrpc":"2.0","id":1,"method":"response.put","params":\#(whole)}"#
            try await dying?.send(bytes: Array(message.utf8.prefix(message.utf8.count / 2)))
            dying = nil
            try await waitUntil("its connection has gone") {
                try await client.result(of: "agent.stats")["connections"]?["open"] == 1
            }
            #expect(try await client.result(of: "response.get", "{\(Self.identity)}")["hit"] == false)
            #expect(try agent.server.command("DBSIZE").integer == 0)
        }
    }
}
