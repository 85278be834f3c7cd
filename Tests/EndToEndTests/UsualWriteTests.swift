import JSON
import TestSupport
import Testing

/// A client whose writes all look alike is served by what is known of them; one that has just come is not.
@Suite("Writes that look alike")
struct UsualWriteTests {
    /// Writes `params` over a connection that has made such calls before.
    private func usual(_ client: AgentClient, like example: String, _ params: String) async throws -> Document {
        for _ in 0..<9 { _ = try await client.result(of: "cache.set", example) }
        return try Document.parse(try await client.reply(to: "cache.set", params))
    }

    /// What a reply says, whatever its id.
    private func said(_ reply: Document) -> [Document?] { [reply["result"], reply["error"]] }

    /// What is stored under a key: its value and whether its life has the length sought.
    private func stored(_ agent: RunningAgent, _ params: String, life: ClosedRange<Int64>?) async throws -> Document? {
        let entry = try await agent.connect().result(of: "cache.get", params)
        let left = entry["ttl_ms"]?.integer
        #expect(life.map { left.map($0.contains) ?? false } ?? (left == nil), "\(params): \(entry)")
        return entry["value"]
    }

    @Test("are stored and refused as others are, in every form")
    func forms() async throws {
        let long = String(repeating: "x", count: 1025)
        let values = ["1", "null", #""text""#, #"{"a" : [1, 2.50, "\u00e9"]}"#, "-0.0e5", "[]"]
        let lives = ["1", "60000", "null", "0", "-5", "1.5", #""60000""#, "1000000001", "3153600000001", "[1]", "1e5"]
        let keys = [#""k""#, #""k\u0065y""#, "\"\"", "7", #""\ud800""#, #""\#(long)""#]
        let spaces = [#""ns""#, #""NS""#, #""n\u0073""#, "null", "3"]
        let changes =
            values.map { (#""k""#, $0, #""ns""#, "60000") } + lives.map { (#""k""#, "1", #""ns""#, $0) }
            + keys.map { ($0, "1", #""ns""#, "60000") } + spaces.map { (#""k""#, "1", $0, "60000") }
        let forms: [(String, String, String, String) -> String] = [
            { key, value, space, life in #"{"key":\#(key),"value":\#(value),"namespace":\#(space),"ttl_ms":\#(life)}"#
            },
            { key, value, space, life in
                #"{"ttl_ms" : \#(life) , "namespace":\#(space),"value":\#(value),"key":\#(key)}"#
            },
            { key, value, space, life in "[\(key),\(value),\(space),\(life)]" },
        ]
        try await withAgent { agent in
            for form in forms {
                let client = try agent.connect()
                for (key, value, space, life) in changes {
                    let params = form(key, value, space, life)
                    let fresh = try agent.connect()
                    let expected = try Document.parse(try await fresh.reply(to: "cache.set", params))
                    let example = form(#""other""#, "0", #""ns""#, "5000")
                    #expect(said(try await usual(client, like: example, params)) == said(expected), "\(params)")
                }
            }
        }
    }

    @Test("keep the value as it is written, for as long as it is said, where it is said")
    func contents() async throws {
        try await withAgent(configuration: #"{"cache":{"ttl_ms":777000}}"#) { agent in
            let client = try agent.connect()
            let value = #"{"a" : [1, 2.50, "\u00e9"]}"#
            let example = #"{"key":"x","value":0,"namespace":"ns","ttl_ms":1000}"#
            let params = #"{"key":"k","value":\#(value),"namespace":"ns","ttl_ms":60000}"#
            #expect(try await usual(client, like: example, params)["result"] == ["stored": true])
            let read = #"{"key":"k","namespace":"ns","with_ttl":true}"#
            #expect(try await stored(agent, read, life: 50_000...60_000) == Document.parse(value))
            let endless = #"{"key":"k","value":2,"namespace":"ns","ttl_ms":null}"#
            #expect(try await usual(client, like: example, endless)["result"] == ["stored": true])
            #expect(try await stored(agent, read, life: nil) == 2)
            let plain = #"{"value":3,"key":"k"}"#
            let other = try agent.connect()
            #expect(try await usual(other, like: #"{"value":0,"key":"x"}"#, plain)["result"] == ["stored": true])
            #expect(try await stored(agent, #"{"key":"k","with_ttl":true}"#, life: 700_000...777_000) == 3)
            // Of another namespace with the same key nothing has changed.
            #expect(try await stored(agent, read, life: nil) == 2)
        }
    }

    @Test("follow the rules of their namespace: in memory alone, with lives shortened at random")
    func namespaces() async throws {
        let configuration = #"""
            {"namespaces":{"here":{"tier":"near"},"short":{"ttl_jitter_percent":50}}}
            """#
        try await withAgent(configuration: configuration) { agent in
            let client = try agent.connect()
            for space in ["here", "short", "other"] {
                let example = #"{"key":"x","value":0,"namespace":"\#(space)","ttl_ms":1000}"#
                for number in 0..<20 {
                    let params = #"{"key":"k\#(number)","value":\#(number),"namespace":"\#(space)","ttl_ms":60000}"#
                    #expect(try await usual(client, like: example, params)["result"] == ["stored": true])
                }
                var lives: Set<Int64> = []
                for number in 0..<20 {
                    let read = #"{"key":"k\#(number)","namespace":"\#(space)","with_ttl":true}"#
                    let entry = try await client.result(of: "cache.get", read)
                    #expect(entry["value"]?.integer == Int64(number))
                    lives.insert((entry["ttl_ms"]?.integer ?? 0) / 5000)
                }
                #expect(space == "short" ? lives.count > 2 : lives.count <= 2, "\(space): \(lives)")
            }
            let reader = #"{"key":"k1","namespace":"here"}"#
            #expect(try await client.result(of: "cache.get", reader)["source"] == "near")
        }
    }
}
