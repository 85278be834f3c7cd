import JSON
import Linux
import TestSupport
import Testing

@Suite("Writes of entries of one host")
struct LocalWriteTests {
    private static let configuration =
        #"{"cache":{"local_bytes":1048576},"namespaces":{"host":{"tier":"near","ttl_ms":60000}}}"#
    /// Larger than an entry may be.
    private static let large = String(repeating: "x", count: 70_000)
    private static let get = #""key":"k1","lease_ms":60000,"wait_ms":60000"#

    private func call(_ client: AgentClient, _ method: String, _ members: String) async throws -> Document {
        try await client.result(of: method, #"{"namespace":"host",\#(members)}"#)
    }

    private func refusal(_ client: AgentClient, _ method: String, _ members: String) async throws -> Document? {
        try await client.error(of: method, #"{"namespace":"host",\#(members)}"#)["data"]
    }

    private func beginToWait(_ client: AgentClient, _ other: AgentClient) async throws {
        try await client.send(
            #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"namespace":"host",\#(Self.get)}}"#
        )
        try await waitUntil("it waits") { try await other.result(of: "cache.stats")["leases"]?["waiting"] == 1 }
    }

    @Test(
        "are refused under a lease that was given before an invalidation; the next one who waits has the lease then",
        arguments: [#"{"namespace":"host"}"#, #"{"namespace":"host","pattern":"k*"}"#, #"{"all":true}"#]
    )
    func invalidation(which: String) async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let (computer, other, next) = (try agent.connect(), try agent.connect(), try agent.connect())
            let lease = try #require(try await call(computer, "cache.get", Self.get)["lease"]?.string)
            let apart = try #require(
                try await computer.result(of: "cache.get", #"{"key":"k1","lease_ms":60000}"#)["lease"]?.string
            )
            let paused = try #require(
                try await call(computer, "cache.get", #""key":"k2","lease_ms":60000"#)["lease"]?.string
            )
            _ = try await call(computer, "cache.fail", #""key":"k2","lease":"\#(paused)","retry_after_ms":3600000"#)
            try await beginToWait(next, other)
            #expect(try await other.result(of: "cache.invalidate", which)["invalidated"] != nil)
            #expect(try await next.receive().contains(#""lease""#))
            let set = #""key":"k1","value":1,"lease":"\#(lease)""#
            #expect(try await refusal(computer, "cache.set", set)?["kind"] == "lease_void")
            #expect(try await call(other, "cache.get", #""key":"k1""#) == ["hit": false])
            #expect(try await call(other, "cache.get", #""key":"k2","lease_ms":60000"#)["lease"] != nil)
            // What lies in Valkey is invalidated there.
            guard !which.contains("all") else { return }
            let own = #"{"key":"k1","value":1,"lease":"\#(apart)"}"#
            #expect(try await computer.result(of: "cache.set", own) == ["stored": true])
        }
    }

    @Test("are all made or none where a transaction has one that is too large, in whatever form it is kept")
    func allOrNothing() async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let client = try agent.connect()
            let tags = (0..<32).map { "\"t\($0)\"" }.joined(separator: ",")
            let escapes = String(repeating: #"\u0001"#, count: 20_000)
            let close = String(repeating: "x", count: 65_100)
            for large in [
                #""text":"\#(escapes)""#, #""value":"\#(Self.large)""#, #""value":"\#(close)","tags":[\#(tags)]"#,
            ] {
                let writes = #"{"op":"set","key":"a","value":1},{"op":"set","key":"b",\#(large)}"#
                let error = try await refusal(client, "cache.transact", #""writes":[\#(writes)]"#)
                #expect(error?["kind"] == "too_large" && error?["outcome"] == "not_applied")
                #expect(try await call(client, "cache.get", #""key":"a""#) == ["hit": false])
            }
            let fitting = #""writes":[{"op":"set","key":"a","value":1},{"op":"set","key":"b","value":"\#(close)"}]"#
            #expect(try await call(client, "cache.transact", fitting) == ["applied": true])
            #expect(try await call(client, "cache.get", #""key":"a""#)["hit"] == true)
        }
    }

    @Test("leave what is there where they are too large, and pass their lease on")
    func tooLarge() async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let (computer, other, next) = (try agent.connect(), try agent.connect(), try agent.connect())
            _ = try await call(computer, "cache.set", #""key":"old","value":1"#)
            let set = #""value":"\#(Self.large)""#
            #expect(try await refusal(computer, "cache.set", #""key":"old",\#(set)"#)?["kind"] == "too_large")
            #expect(try await call(computer, "cache.get", #""key":"old""#)["value"] == 1)
            let lease = try #require(try await call(computer, "cache.get", Self.get)["lease"]?.string)
            try await beginToWait(next, other)
            let leased = #""key":"k1","lease":"\#(lease)",\#(set)"#
            #expect(try await refusal(computer, "cache.set", leased)?["kind"] == "too_large")
            #expect(try await next.receive().contains(#""lease""#))
        }
    }

    @Test("keep the stale period over a life without end, as those in Valkey do", arguments: ["host", "elsewhere"])
    func endless(namespace: String) async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let client = try agent.connect()
            func result(_ method: String, _ members: String) async throws -> Document {
                try await client.result(of: method, #"{"namespace":"\#(namespace)","key":"k",\#(members)}"#)
            }
            _ = try await result("cache.set", #""value":1,"ttl_ms":60000,"stale_ms":600000,"tags":["t"]"#)
            #expect(try await result("cache.touch", #""ttl_ms":null"#) == ["found": true])
            #expect(try await result("cache.get", #""with_ttl":true"#)["ttl_ms"] == .null)
            #expect(try await result("cache.touch", #""ttl_ms":1"#) == ["found": true])
            try await waitUntil("its life is over") {
                try await result("cache.get", #""fresh":true"#)["stale"] == true
            }
            _ = try await client.result(of: "cache.invalidate", #"{"namespace":"\#(namespace)","tags":["t"]}"#)
            #expect(try await result("cache.get", #""fresh":true"#)["hit"] == false)
        }
    }
}
