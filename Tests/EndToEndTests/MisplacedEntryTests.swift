import JSON
import TestSupport
import Testing

@Suite("An entry with tags that another client has moved to another key")
struct MisplacedEntryTests {
    /// A call of the key `b`, which finds no entry there, and its result.
    struct Call: Sendable, CustomTestStringConvertible {
        let method: String
        let params: String
        let result: Document

        var testDescription: String { "\(method) \(params)" }
    }

    private static let calls = [
        Call(method: "cache.increment", params: #"{"key":"b"}"#, result: ["value": 1]),
        Call(method: "cache.increment", params: #"{"key":"b","request_id":"r"}"#, result: ["value": 1]),
        Call(method: "cache.touch", params: #"{"key":"b","ttl_ms":60000}"#, result: ["found": false]),
        Call(
            method: "cache.set",
            params: #"{"key":"b","value":1,"condition":"absent"}"#,
            result: ["stored": true]
        ),
        Call(
            method: "cache.set",
            params: #"{"key":"b","value":1,"condition":"present"}"#,
            result: ["stored": false]
        ),
        Call(method: "cache.exists", params: #"["b"]"#, result: ["exists": false]),
        Call(
            method: "cache.transact",
            params: #"{"writes":[{"op":"increment","key":"b"}],"checks":[{"key":"b","exists":false}]}"#,
            result: ["applied": true, "values": [1]]
        ),
    ]

    /// Scripts that the server was asked to run since its statistics were reset.
    private func scriptCalls(_ server: ValkeyServer) throws -> Int {
        let statistics = try server.command("INFO", "commandstats").text ?? ""
        let line = statistics.split(whereSeparator: \.isNewline).first { $0.hasPrefix("cmdstat_evalsha:calls=") }
        return line.flatMap { Int($0.drop { $0 != "=" }.dropFirst().prefix { $0.isNumber }) } ?? 0
    }

    @Test("is none for whatever asks or writes there, and is removed by what writes", arguments: calls)
    func absent(call: Call) async throws {
        for tier in ["near+valkey", "valkey"] {
            let configuration = #"{"cache":{"tier":"\#(tier)","sweep_keys_per_second":0}}"#
            try await withAgent(configuration: configuration) { agent in
                let client = try agent.connect()
                for isCurrent in [false, true] {
                    try agent.server.command("FLUSHALL")
                    _ = try await client.result(of: "cache.set", #"{"key":"a","value":5,"tags":["t"]}"#)
                    try agent.server.command("COPY", "cache:a", "cache:b")
                    if !isCurrent { _ = try await client.result(of: "cache.invalidate", #"{"tags":["t"]}"#) }
                    try agent.server.command("CONFIG", "RESETSTAT")
                    #expect(try await client.result(of: call.method, call.params) == call.result)
                    #expect(try scriptCalls(agent.server) < 10)
                    // What lies where it belongs is left alone.
                    #expect(try await client.result(of: "cache.get", #"["a"]"#)["hit"]?.boolean == isCurrent)
                }
            }
        }
    }

    @Test("is swept away where it lies once its tags have moved on")
    func sweep() async throws {
        try await withAgent(configuration: #"{"cache":{"sweep_keys_per_second":1000000}}"#) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"a","value":5,"tags":["t"]}"#)
            try agent.server.command("RENAME", "cache:a", "cache:b")
            _ = try await client.result(of: "cache.invalidate", #"{"tags":["t"]}"#)
            try await waitUntil("it is gone") {
                try agent.server.command("EXISTS", "cache:b") == .integer(0)
            }
        }
    }

    @Test(
        "or cannot be removed is looked at a bounded number of times",
        arguments: [
            ("cache.increment", #"{"key":"k"}"#), ("cache.touch", #"{"key":"k","ttl_ms":1000}"#),
            ("cache.set", #"{"key":"k","value":1,"condition":"absent"}"#),
            ("cache.transact", #"{"writes":[{"op":"touch","key":"k","ttl_ms":1000}]}"#),
        ]
    )
    func bounded(method: String, params: String) async throws {
        try await withAgent(configuration: #"{"cache":{"sweep_keys_per_second":0}}"#) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":5,"tags":["t"]}"#)
            _ = try await client.result(of: "cache.invalidate", #"{"tags":["t"]}"#)
            try agent.server.command("ACL", "SETUSER", "default", "-unlink")
            let error = try await client.error(of: method, params)
            #expect(error["data"]?["kind"] == "conflict", "\(error.text(style: .compact))")
            #expect(error["data"]?["outcome"] == "not_applied")
            #expect(error["data"]?["retryable"] == true)
        }
    }

    @Test("or cannot be removed keeps nothing busy once its client has gone")
    func gone() async throws {
        try await withAgent(configuration: #"{"cache":{"sweep_keys_per_second":0}}"#) { agent in
            let other = try agent.connect()
            _ = try await other.result(of: "cache.set", #"{"key":"k","value":5,"tags":["t"]}"#)
            _ = try await other.result(of: "cache.invalidate", #"{"tags":["t"]}"#)
            try agent.server.command("ACL", "SETUSER", "default", "-unlink")
            var client: AgentClient? = try agent.connect()
            let params = #"{"key":"k","_meta":{"deadline_ms":60000}}"#
            try await client?.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.increment","params":\#(params)}"#)
            try await waitUntil("Valkey was asked") { try scriptCalls(agent.server) > 2 }
            client = nil
            try await waitUntil("nothing is left of it") {
                let stats = try await other.result(of: "agent.stats")
                return stats["calls"]?["running"] == 0 && stats["connections"]?["open"] == 1
            }
            let before = try scriptCalls(agent.server)
            for _ in 0..<100 { _ = try await other.result(of: "agent.ping") }
            #expect(try scriptCalls(agent.server) == before)
        }
    }
}
