import JSON
import Linux
import TestSupport
import Testing

@Suite("A transaction")
struct TransactTests {
    private func value(_ client: AgentClient, _ key: String, _ namespace: String = "n") async throws -> Document? {
        try await client.result(of: "cache.get", #"{"key":"\#(key)","namespace":"\#(namespace)"}"#)["value"]
    }

    @Test(
        "writes all or nothing, in Valkey and in the agent's memory alike",
        arguments: ["near+valkey", "valkey", "near"]
    )
    func allOrNothing(tier: String) async throws {
        try await withAgent(configuration: #"{"namespaces":{"n":{"tier":"\#(tier)"}}}"#) { agent in
            let client = try agent.connect()
            func transact(_ writes: String, _ checks: String = "[]") async throws -> Document {
                let params = #"{"namespace":"n","writes":\#(writes),"checks":\#(checks)}"#
                return try Document.parse(try await client.reply(to: "cache.transact", params))
            }
            let first = try await transact(
                #"[{"op":"set","key":"a","value":{"x":1}},{"op":"set","key":"t","text":"no JSON"},{"op":"increment","key":"n","by":5}]"#,
                #"[{"key":"a","exists":false}]"#
            )
            #expect(first["result"] == ["applied": true, "values": [.null, .null, 5]])
            for checks in [
                #"[{"key":"a","exists":false}]"#, #"[{"key":"none","exists":true}]"#,
                #"[{"key":"a","equals":{"x":2}}]"#,
                #"[{"key":"a","equals":{"x":1.0}},{"key":"t","equals":"no JSON"}]"#, #"[{"key":"none","equals":null}]"#,
            ] {
                let reply = try await transact(#"[{"op":"set","key":"a","value":0},{"op":"delete","key":"n"}]"#, checks)
                #expect(reply["result"] == ["applied": false], "\(checks)")
            }
            // What cannot be added to leaves everything as it was.
            let error = try await transact(#"[{"op":"delete","key":"a"},{"op":"increment","key":"t"}]"#)["error"]
            #expect(error?["data"]?["kind"] == "conflict" && error?["data"]?["outcome"] == "not_applied")
            #expect(try await value(client, "a") == ["x": 1])
            #expect(try await value(client, "n") == 5)
            let last = try await transact(
                #"[{"op":"increment","key":"n","by":-7},{"op":"delete","key":"t"},{"op":"touch","key":"a","ttl_ms":1}]"#,
                #"[{"key":"a","equals":{ "x" : 1e0 }},{"key":"n","equals":5}]"#
            )
            #expect(last["result"] == ["applied": true, "values": [-2, .null, .null]])
            #expect(try await value(client, "n") == -2)
            try await waitUntil("the life given is over") { try await value(client, "a") == nil }
            #expect(try await client.result(of: "cache.exists", #"["t","n"]"#) == ["exists": false])
        }
    }

    @Test(
        "is refused with the parameter where a write is not one",
        arguments: [
            #"{"op":"set","key":"k"}"#, #"{"op":"set","key":"k","value":1,"text":"1"}"#,
            #"{"op":"delete","key":"k","value":1}"#,
            #"{"op":"touch","key":"k"}"#, #"{"op":"increment","key":"k","tags":["t"]}"#, #"{"op":"swap","key":"k"}"#,
            #"{"op":"set","key":"k","value":1,"fence":1},{"op":"set","key":"k","value":1,"fence":2}"#,
        ]
    )
    func refusals(write: String) async throws {
        try await withAgent { agent in
            let error = try await agent.connect().error(of: "cache.transact", #"{"writes":[\#(write)]}"#)
            #expect(error["code"] == -32602, "\(error.text(style: .compact))")
        }
    }

    @Test("loses nothing while many change the same keys through two agents", arguments: ServerKind.installed)
    func contention(kind: ServerKind) async throws {
        try await withTwoAgents(kind) { first, second in
            let client = try first.connect()
            _ = try await client.result(of: "cache.set", #"["a",1000]"#)
            _ = try await client.result(of: "cache.set", #"["b",0]"#)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<6 {
                    let agent = number % 2 == 0 ? first : second
                    group.addTask {
                        let client = try agent.connect()
                        var applied = 0
                        while applied < 30 {
                            let reply = try await client.reply(
                                to: "cache.transact",
                                #"{"writes":[{"op":"increment","key":"a","by":-1},{"op":"increment","key":"b"}],"checks":[{"key":"a","exists":true}]}"#
                            )
                            if reply.contains(#""applied":true"#) { applied += 1 }
                        }
                        return applied
                    }
                }
                try await group.waitForAll()
            }
            let sum = 6 * 30
            #expect(
                try await client.result(of: "cache.get", #"{"key":"a","fresh":true}"#)["value"]
                    == .integer(Int64(1000 - sum))
            )
            #expect(
                try await client.result(of: "cache.get", #"{"key":"b","fresh":true}"#)["value"] == .integer(Int64(sum))
            )
        }
    }

    @Test("takes leases and entries whose tags have moved on for missing, and keeps tags and fences")
    func heads() async throws {
        try await withAgent(configuration: #"{"cache":{"sweep_keys_per_second":0}}"#) { agent in
            let client = try agent.connect()
            func apply(_ writes: String, _ checks: String) async throws -> Document {
                try await client.result(of: "cache.transact", #"{"writes":[\#(writes)],"checks":[\#(checks)]}"#)
            }
            #expect(try await client.result(of: "cache.get", #"{"key":"l","lease_ms":60000}"#)["lease"] != nil)
            let set = #"{"op":"set","key":"l","value":1,"tags":["t"],"ttl_ms":60000,"stale_ms":30000,"fence":5}"#
            #expect(try await apply(set, #"{"key":"l","exists":false}"#) == ["applied": true])
            let add = #"{"op":"increment","key":"l"}"#
            #expect(try await apply(add, #"{"key":"l","equals":1}"#)["values"] == [2])
            let left = try agent.server.command("PTTL", "cache:l").integer ?? 0
            #expect(left > 60_000 && left <= 90_000)
            _ = try await client.result(of: "cache.invalidate", #"{"tags":["t"]}"#)
            #expect(try await apply(add, #"{"key":"l","exists":false}"#)["values"] == [1])
            let low = #"{"writes":[{"op":"delete","key":"l"},{"op":"set","key":"l","value":1,"fence":4}]}"#
            let error = try await client.error(of: "cache.transact", low)
            #expect(error["data"]?["fence"] == 5)
            #expect(try await client.result(of: "cache.get", #"["l"]"#)["value"] == 1)
        }
    }

    @Test(
        "has the tags of an entry live as long as the life that it gives it",
        arguments: [#"{"op":"touch","key":"k","ttl_ms":900000}"#, #"{"op":"increment","key":"k","ttl_ms":900000}"#]
    )
    func tags(write: String) async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            func life() throws -> Int64 { try agent.server.command("PTTL", "cache-tag:t").integer ?? 0 }
            let set = #"{"key":"k","value":1,"tags":["t"],"ttl_ms":60000,"stale_ms":1000}"#
            _ = try await client.result(of: "cache.set", set)
            #expect(try life() <= 122_000)
            #expect(try await client.result(of: "cache.transact", #"{"writes":[\#(write)]}"#)["applied"] == true)
            #expect((800_000...901_000).contains(try life()))
            #expect(try await client.result(of: "cache.transact", #"{"writes":[\#(write)]}"#)["applied"] == true)
            let endless = #"{"writes":[{"op":"touch","key":"k","ttl_ms":null}]}"#
            #expect(try await client.result(of: "cache.transact", endless) == ["applied": true])
            #expect(try life() == -1)
            #expect(try await client.result(of: "cache.transact", #"{"writes":[\#(write)]}"#)["applied"] == true)
            #expect(try life() == -1)
        }
    }
}
