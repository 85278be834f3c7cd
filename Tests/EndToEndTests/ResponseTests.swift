import JSON
import Linux
import TestSupport
import Testing

@Suite("A stored response")
struct ResponseTests {
    private static let identity = #""model":"m","scope":"s","prompt":"p""#

    @Test("comes back byte for byte, for the same request however it is written")
    func exact() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let response = #"{"b" : 1.00, "a":[ "\u00e9",9007199254740993 ], "t":"x\/y"}"#
            let usage = #"{"input_tokens": 7, "output_tokens":5}"#
            let request = #""model":"m","scope":"s","messages":[{"role":"user","content":"hi"}]"#
            let put =
                #"{\#(request),"params":{"seed":1,"top_p":0.9},"response":\#(response),"usage":\#(usage),"cost":0.5}"#
            let stored = try await client.result(of: "response.put", put)
            #expect(stored["stored"] == true)
            let fingerprint = try #require(stored["fingerprint"]?.string)
            let same =
                #"{"params":{"top_p":9e-1,"seed":1.0},"messages":[{"content":"h\u0069","role":"user"}],"scope":"s","model":"m"}"#
            #expect(
                try await client.resultText(of: "response.get", same)
                    == #"{"hit":true,"response":\#(response),"usage":\#(usage),"fingerprint":"\#(fingerprint)"}"#
            )
            for other in [
                #"{\#(request),"params":{"seed":2,"top_p":0.9}}"#, #"{\#(request),"params":{"seed":1}}"#,
                #"{\#(request),"params":{"seed":1,"top_p":0.9,"n":1}}"#, #"{\#(request)}"#,
                #"{"model":"m","scope":"t","messages":[{"role":"user","content":"hi"}],"params":{"seed":1,"top_p":0.9}}"#,
                #"{"model":"n","scope":"s","messages":[{"role":"user","content":"hi"}],"params":{"seed":1,"top_p":0.9}}"#,
                #"{"model":"m","scope":"s","prompt":"hi","params":{"seed":1,"top_p":0.9}}"#,
            ] {
                #expect(try await client.result(of: "response.get", other)["hit"] == false, "\(other)")
            }
            // The entry is JSON that any client can read, under its fingerprint.
            let raw = try agent.server.command("GET", "response:\(fingerprint)")
            let entry = try Document.parse(try #require(raw.text))
            #expect(entry["usage"]?["input_tokens"] == 7 && entry["cost"]?.number == 0.5)
        }
    }

    @Test("lives as long as its writer said, however often it is read")
    func life() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let put = #"{\#(Self.identity),"response":"r","ttl_ms":100000}"#
            let fingerprint = try #require(try await client.result(of: "response.put", put)["fingerprint"]?.string)
            let key = "response:\(fingerprint)"
            let first = try #require(try agent.server.command("PTTL", key).integer)
            #expect((1...100_000).contains(first))
            var last = first
            for _ in 0..<20 {
                #expect(try await client.result(of: "response.get", "{\(Self.identity)}")["hit"] == true)
                let left = try #require(try agent.server.command("PTTL", key).integer)
                #expect(left <= last)
                last = left
            }
            try agent.server.command("PEXPIRE", key, "1")
            try await waitUntil("it is over") {
                try await client.result(of: "response.get", "{\(Self.identity)}")["hit"] == false
            }
            _ = try await client.result(of: "response.put", #"{\#(Self.identity),"response":"r","ttl_ms":null}"#)
            #expect(try agent.server.command("PTTL", key).integer == -1)
            // What it is compared with lives as long.
            #expect(try agent.server.command("PTTL", "response-model:m").integer == -1)
        }
    }

    @Test("is never returned again once its fingerprint, model, scope or one of its tags was invalidated")
    func invalidation() async throws {
        try await withAgent { agent in
            try await withDaemon(arguments: ["--valkey", "unix://\(agent.server.socketPath)"]) { daemon in
                let second = RunningAgent(daemon: daemon, server: agent.server)
                try await second.becomeConnected()
                let client = try agent.connect()
                let other = try second.connect()
                let put = #"{\#(Self.identity),"response":"r","tags":["a","b"]}"#
                let untouched = #""model":"n","scope":"t","prompt":"p""#
                _ = try await client.result(of: "response.put", #"{\#(untouched),"response":"u","tags":["c"]}"#)
                for what in [#""model":"m""#, #""scope":"s""#, #""tags":["b"]"#, #""tags":["x","a"]"#] {
                    _ = try await client.result(of: "response.put", put)
                    #expect(try await other.result(of: "response.get", "{\(Self.identity)}")["hit"] == true)
                    #expect(try await other.result(of: "response.invalidate", "{\(what)}") == [:])
                    for reader in [client, other] {
                        #expect(try await reader.result(of: "response.get", "{\(Self.identity)}")["hit"] == false)
                    }
                    #expect(try await client.result(of: "response.get", "{\(untouched)}")["hit"] == true)
                }
                let stored = try await client.result(of: "response.put", put)
                let fingerprint = try #require(stored["fingerprint"]?.string)
                let params = #"{"fingerprint":"\#(fingerprint)"}"#
                #expect(try await other.result(of: "response.invalidate", params) == ["invalidated": 1])
                #expect(try await other.result(of: "response.invalidate", params) == ["invalidated": 0])
                #expect(try await client.result(of: "response.get", "{\(Self.identity)}")["hit"] == false)
            }
        }
    }

    @Test("is a miss, and nothing worse, where its place or its generations hold something else")
    func damage() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let put = #"{\#(Self.identity),"response":"r","tags":["a"]}"#
            let stored = try await client.result(of: "response.put", put)
            let key = "response:\(try #require(stored["fingerprint"]?.string))"
            let get = "{\(Self.identity)}"
            for word in ["", "nonsense", #"{"id":1}"#, "\u{1}L", "[1,2"] {
                try agent.server.command("SET", key, word)
                #expect(try await client.result(of: "response.get", get)["hit"] == false, "\(word)")
                let lease = try await client.result(of: "response.get", #"{\#(Self.identity),"lease_ms":60000}"#)
                let token = try #require(lease["lease"]?.string, "\(word)")
                let put = #"{\#(Self.identity),"response":"r","lease":"\#(token)","tags":["a"]}"#
                #expect(try await client.result(of: "response.put", put)["stored"] == true)
                #expect(try await client.result(of: "response.get", get)["hit"] == true)
            }
            for name in ["response-model:m", "response-scope:s", "response-tag:a"] {
                try agent.server.command("DEL", name)
                #expect(try await client.result(of: "response.get", get)["hit"] == false, "\(name)")
                try agent.server.command("SET", name, "foreign")
                #expect(try await client.result(of: "response.get", get)["hit"] == false, "\(name)")
                _ = try await client.result(of: "response.put", put)
                #expect(try await client.result(of: "response.get", get)["hit"] == true, "\(name)")
            }
            try agent.server.command("DEL", key)
            try agent.server.command("HSET", key, "f", "v")
            #expect(try await client.error(of: "response.get", get)["data"]?["kind"] == "conflict")
            _ = try await client.result(of: "response.put", put)
            #expect(try await client.result(of: "response.get", get)["hit"] == true)
        }
    }

    @Test("counts what it saved, by model and scope, to the last billionth")
    func savings() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let usage = #""usage":{"prompt_tokens":3,"completion_tokens":4},"cost":0.1"#
            _ = try await client.result(of: "response.put", #"{\#(Self.identity),"response":"r",\#(usage)}"#)
            for _ in 0..<3 { _ = try await client.result(of: "response.get", "{\(Self.identity)}") }
            _ = try await client.result(of: "response.get", #"{"model":"m","scope":"t","prompt":"p"}"#)
            let all = #"{"hits":3,"misses":1,"tokens_saved":21,"cost_saved":0.3}"#
            #expect(try await client.resultText(of: "response.stats") == all)
            #expect(try await client.resultText(of: "response.stats", #"{"model":"m"}"#) == all)
            let scope = try await client.resultText(of: "response.stats", #"{"scope":"s"}"#)
            #expect(scope == #"{"hits":3,"misses":0,"tokens_saved":21,"cost_saved":0.3}"#)
            let pair = try await client.resultText(of: "response.stats", #"{"scope":"t","model":"m"}"#)
            #expect(pair == #"{"hits":0,"misses":1,"tokens_saved":0,"cost_saved":0}"#)
        }
    }

    @Test("is refused with a word about what is wrong")
    func refusals() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for (params, parameter) in [
                (#"{\#(Self.identity),"response":"r","cost":-1}"#, "cost"),
                (#"{\#(Self.identity),"response":"r","cost":"1"}"#, "cost"),
                (#"{\#(Self.identity),"params":{"a":1,"a":2},"response":"r"}"#, "params"),
                (#"{\#(Self.identity),"params":{"a":["\ud800"]},"response":"r"}"#, "params"),
                (#"{"model":"m","scope":"s","messages":{},"response":"r"}"#, "messages"),
                (#"{"model":"m","scope":"s","response":"r"}"#, "prompt"),
                (#"{\#(Self.identity),"messages":[],"response":"r"}"#, "prompt"), (#"{\#(Self.identity)}"#, "response"),
                (#"{\#(Self.identity),"chunks":[]}"#, "chunks"),
                (#"{\#(Self.identity),"chunks":[{"delay_ms":-1,"chunk":1}]}"#, "chunks[0].delay_ms"),
                (#"{\#(Self.identity),"chunks":[{"delay_ms":1}]}"#, "chunks[0].chunk"),
                (#"{\#(Self.identity),"response":"r","ttl_ms":0}"#, "ttl_ms"),
            ] {
                let error = try await client.error(of: "response.put", params)
                #expect(error["data"]?["kind"] == "invalid_params", "\(params)")
                #expect(error["data"]?["param"]?.string == parameter, "\(params)")
            }
            let long = String(repeating: "m", count: 1025)
            let error = try await client.error(of: "response.get", #"{"model":"\#(long)","scope":"s","prompt":"p"}"#)
            #expect(error["data"]?["kind"] == "too_large")
            #expect(try agent.server.command("DBSIZE").integer == 0)
        }
    }

    @Test("is a miss that says so while Valkey is away; what is to be stored then is refused")
    func degraded() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            agent.server.kill()
            try await waitUntil("the agent knows it") {
                try await client.result(of: "cache.get", #"["other"]"#)["degraded"] == true
            }
            for params in ["{\(Self.identity)}", #"{\#(Self.identity),"lease_ms":1000,"wait_ms":60000}"#] {
                let result = try await client.result(of: "response.get", params)
                #expect(result["hit"] == false && result["degraded"] == true && result["lease"] == nil)
            }
            let error = try await client.error(of: "response.put", #"{\#(Self.identity),"response":"r"}"#)
            #expect(error["data"]?["kind"] == "unavailable")
        }
    }

    @Test(
        "lives as the namespace `response` says where its writer does not",
        arguments: [
            (#"{}"#, 3_500_000...3_600_000), (#"{"cache":{"ttl_ms":1000}}"#, 3_500_000...3_600_000),
            (#"{"namespaces":{"response":{"ttl_ms":500000}}}"#, 400_000...500_000),
            (#"{"namespaces":{"response":{"ttl_ms":null}}}"#, (-1)...(-1)),
            (#"{"namespaces":{"response":{"ttl_ms":1000000,"ttl_jitter_percent":50}}}"#, 400_000...1_000_000),
        ] as [(String, ClosedRange<Int64>)]
    )
    func defaultLife(configuration: String, bounds: ClosedRange<Int64>) async throws {
        try await withAgent(configuration: configuration) { agent in
            let client = try agent.connect()
            var lives: Set<Int64> = []
            for number in 0..<20 {
                let put = #"{"model":"m","scope":"s","prompt":"\#(number)","response":1}"#
                let fingerprint = try await client.result(of: "response.put", put)["fingerprint"]?.string ?? ""
                let life = try #require(try agent.server.command("PTTL", "response:\(fingerprint)").integer)
                #expect(bounds.contains(life))
                lives.insert(life)
            }
            let spread = (lives.max() ?? 0) - (lives.min() ?? 0)
            #expect(!configuration.contains("jitter") || spread > 20_000)
        }
    }
}
