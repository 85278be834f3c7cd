import JSON
import TestSupport
import Testing

@Suite("What Valkey refuses to tell is not taken for nothing")
struct RefusedStepTests {
    private static let reads = [
        ("cache.get", #"{"key":"k","fresh":true}"#), ("cache.get", #"{"key":"k","with_ttl":true}"#),
        ("cache.get", #"{"key":"k","with_tags":true}"#), ("cache.get", #"{"key":"k","lease_ms":1000}"#),
        ("cache.exists", #"["k"]"#), ("cache.get_many", #"{"keys":["k"]}"#),
    ]
    private static let writes = [
        ("cache.increment", #"{"key":"k"}"#), ("cache.touch", #"{"key":"k","ttl_ms":1000}"#),
        ("cache.set", #"{"key":"k","value":1,"condition":"absent"}"#),
        ("cache.transact", #"{"writes":[{"op":"increment","key":"k"}]}"#),
    ]

    private func expectRefusal(of method: String, _ params: String, isWrite: Bool, _ client: AgentClient) async throws {
        let reply = try Document.parse(try await client.reply(to: method, params))
        guard let error = reply["error"] else {
            Issue.record("\(method) \(params): \(reply.text(style: .compact))")
            return
        }
        let text = Comment(rawValue: error.text(style: .compact))
        #expect(error["data"]?["kind"] == "valkey_error", text)
        #expect(error["data"]?["valkey"] == "NOPERM", text)
        #expect(error["data"]?["outcome"] == (isWrite ? "not_applied" : nil), text)
    }

    @Test("of an entry's tags, so it stays where it is", arguments: ["near+valkey", "valkey"])
    func tags(tier: String) async throws {
        let configuration = #"{"cache":{"tier":"\#(tier)","sweep_keys_per_second":1000000}}"#
        try await withAgent(configuration: configuration) { agent in
            let client = try agent.connect()
            for (calls, isWrite) in [(Self.reads, false), (Self.writes, true)] {
                for (method, params) in calls {
                    _ = try await client.result(of: "cache.set", #"{"key":"k","value":5,"tags":["t"]}"#)
                    try agent.server.command("ACL", "SETUSER", "default", "resetkeys", "~cache:*")
                    try await expectRefusal(of: method, params, isWrite: isWrite, client)
                    #expect(try agent.server.command("EXISTS", "cache:k") == .integer(1), "\(method) \(params)")
                    try agent.server.command("ACL", "SETUSER", "default", "allkeys")
                    #expect(try await client.result(of: "cache.get", #"{"key":"k","fresh":true}"#)["value"] == 5)
                    // What the agent remembers of the tags now it is not to remember in the next turn.
                    try agent.server.command("DEL", "cache-tag:t")
                    try await waitUntil("it knows that the tag is gone") {
                        try await client.result(of: "cache.get", #"["k"]"#)["hit"] == false
                    }
                }
            }
        }
    }

    @Test("of an entry's life, so it is not served as if it were not stale")
    func life() async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"valkey"}}"#) { agent in
            let client = try agent.connect()
            let entry = #"{"key":"k","value":5,"ttl_ms":1,"stale_ms":600000}"#
            _ = try await client.result(of: "cache.set", entry)
            try await waitUntil("its life is over") {
                try await client.result(of: "cache.get", #"["k"]"#)["stale"] == true
            }
            try agent.server.command("ACL", "SETUSER", "default", "-pttl")
            for (method, params) in [("cache.get", #"["k"]"#), ("cache.get_many", #"{"keys":["k","none"]}"#)] {
                try await expectRefusal(of: method, params, isWrite: false, client)
            }
        }
    }

    @Test("of what a transaction looks at, so nothing is written", arguments: [true, false])
    func look(exists: Bool) async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"["k",1]"#)
            try agent.server.command("ACL", "SETUSER", "default", "-mget")
            let params = #"{"checks":[{"key":"k","exists":\#(exists)}],"writes":[{"op":"set","key":"w","value":1}]}"#
            try await expectRefusal(of: "cache.transact", params, isWrite: true, client)
            #expect(try agent.server.command("EXISTS", "cache:w") == .integer(0))
        }
    }

    @Test("and an entry whose tags have moved on that it refuses to remove is a miss, and not asked for without end")
    func removal() async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"valkey","sweep_keys_per_second":0}}"#) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":5,"tags":["t"]}"#)
            try agent.server.command("DEL", "cache-tag:t")
            try agent.server.command("ACL", "SETUSER", "default", "-unlink")
            let waiting = #"{"key":"k","lease_ms":60000,"wait_ms":60000,"_meta":{"deadline_ms":60000}}"#
            #expect(try await client.result(of: "cache.get", waiting) == ["hit": false])
            try agent.server.command("ACL", "SETUSER", "default", "+unlink")
            #expect(try await client.result(of: "cache.get", waiting)["lease"] != nil)
        }
    }

    @Test("of what is too much to be taken in", arguments: [true, false])
    func tooLarge(exists: Bool) async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for key in 0..<3 { try agent.server.command("SETRANGE", "cache:k\(key)", "12000000", "x") }
            let checks = (0..<3).map { #"{"key":"k\#($0)","exists":\#(exists)}"# }.joined(separator: ",")
            let params = #"{"checks":[\#(checks)],"writes":[{"op":"set","key":"w","value":1}]}"#
            let reply = try Document.parse(try await client.reply(to: "cache.transact", params))
            let error = try #require(reply["error"], "\(reply.text(style: .compact))")
            #expect(error["data"]?["kind"] == "too_large", "\(error.text(style: .compact))")
            #expect(error["data"]?["outcome"] == "not_applied")
            #expect(try agent.server.command("EXISTS", "cache:w") == .integer(0))
        }
    }
}
