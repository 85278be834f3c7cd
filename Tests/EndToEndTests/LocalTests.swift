import JSON
import Linux
import TestSupport
import Testing

@Suite("Entries of one host")
struct LocalTests {
    private static let configuration = #"{"namespaces":{"host":{"tier":"near","ttl_ms":60000}}}"#

    private func call(_ client: AgentClient, _ method: String, _ members: String) async throws -> Document {
        try await client.result(of: method, #"{"namespace":"host",\#(members)}"#)
    }

    @Test(
        "are listed from any cursor that a caller may think of",
        arguments: [
            "1", "16", "1048576", "9223372036854775791", "9223372036854775807", "9223372036854775808",
            "18446744073709551615",
        ]
    )
    func cursors(cursor: String) async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let client = try agent.connect()
            _ = try await call(client, "cache.set", #""key":"k","value":1"#)
            let page = try await client.resultText(of: "cache.keys", #"{"namespace":"host","cursor":"\#(cursor)"}"#)
            #expect(page == #"{"keys":[],"cursor":null}"#)
            #expect(try await call(client, "cache.keys", #""count":10"#)["keys"] == ["k"])
        }
    }

    @Test("are served without Valkey, and never sent to it", arguments: [true, false])
    func withoutValkey(isThere: Bool) async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let client = try agent.connect()
            if !isThere {
                agent.server.kill()
                try await waitUntil("the agent has noticed") {
                    try await client.result(of: "agent.health")["degraded"] == true
                }
            }
            let hit: Document = ["hit": true, "value": ["b": 1], "source": "near"]
            #expect(try await call(client, "cache.set", #""key":"k","value":{"b":1}"#) == ["stored": true])
            #expect(try await call(client, "cache.get", #""key":"k""#) == hit)
            #expect(try await call(client, "cache.get", #""key":"k","fresh":true"#) == hit)
            let life = try await call(client, "cache.get", #""key":"k","with_ttl":true"#)["ttl_ms"]?.integer
            #expect((1...60_000).contains(life ?? 0))
            #expect(try await call(client, "cache.exists", #""key":"k""#) == ["exists": true])
            #expect(
                try await call(client, "cache.set", #""key":"k","value":2,"condition":"absent""#) == ["stored": false]
            )
            #expect(
                try await call(client, "cache.set", #""key":"k","text":"<p>","condition":"present""#) == [
                    "stored": true
                ]
            )
            #expect(try await call(client, "cache.increment", #""key":"n","by":4"#) == ["value": 4])
            #expect(try await call(client, "cache.increment", #""key":"n","by":-5"#) == ["value": -1])
            #expect(try await call(client, "cache.touch", #""key":"n","ttl_ms":null"#) == ["found": true])
            #expect(try await call(client, "cache.get", #""key":"n","with_ttl":true"#)["ttl_ms"] == .null)
            let many = #""entries":[{"key":"b","base64":"/9j/"},{"key":"x","value":null}]"#
            #expect(try await call(client, "cache.set_many", many) == ["stored": 2])
            let read = try await call(client, "cache.get_many", #""keys":["k","none","b","x"]"#)["entries"]?.array
            #expect(read?[0]["text"] == "<p>" && read?[1] == ["hit": false] && read?[2]["base64"] == "/9j/")
            #expect(read?[3]["value"] == .null)
            let keys = try await call(client, "cache.keys", #""pattern":"[bkx]""#)
            #expect(Set(keys["keys"]?.array?.compactMap(\.string) ?? []) == ["b", "k", "x"] && keys["cursor"] == .null)
            #expect(try await call(client, "cache.delete", #""keys":["k","none"]"#) == ["deleted": 1])
            #expect(try await call(client, "cache.get", #""key":"k""#) == ["hit": false])
            let conflict = try await client.error(of: "cache.increment", #"{"key":"b","namespace":"host"}"#)
            #expect(conflict["data"]?["kind"] == "conflict")
            let stats = try await client.result(of: "cache.stats", #"["host"]"#)
            #expect(stats["near"]?["entries"] == 3 && stats["sets"]?.integer == 4)
            if isThere { #expect(try agent.server.command("DBSIZE") == .integer(0)) }
        }
    }

    @Test("stay when Valkey forgets everything, and go with their life, their tag, their pattern, and with all")
    func ends() async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let client = try agent.connect()
            func isHit(_ key: String) async throws -> Bool {
                try await call(client, "cache.get", #""key":"\#(key)""#)["hit"] == true
            }
            func fill() async throws {
                _ = try await call(client, "cache.set", #""key":"a1","value":1,"tags":["t","u"]"#)
                _ = try await call(client, "cache.set", #""key":"a2","value":1,"tags":["u"]"#)
                _ = try await call(client, "cache.set", #""key":"b","value":1"#)
            }
            try await fill()
            try agent.server.command("FLUSHALL")
            try agent.server.command("CLIENT", "KILL", "TYPE", "pubsub")
            _ = try await client.result(of: "cache.set", #"["witness",1]"#)
            for key in ["a1", "a2", "b"] { #expect(try await isHit(key)) }
            #expect(try await call(client, "cache.invalidate", #""tags":["t"]"#) == [:])
            for (key, hit) in [("a1", false), ("a2", true), ("b", true)] { #expect(try await isHit(key) == hit) }
            try await fill()
            #expect(try await call(client, "cache.invalidate", #""pattern":"a?""#) == ["invalidated": 2])
            for (key, hit) in [("a1", false), ("a2", false), ("b", true)] { #expect(try await isHit(key) == hit) }
            #expect(try await client.result(of: "cache.invalidate", #"{"namespace":"host"}"#) == ["invalidated": 1])
            try await fill()
            #expect(try await client.result(of: "cache.invalidate", #"{"all":true}"#) == ["invalidated": 4])
            #expect(try await isHit("b") == false)
            _ = try await call(client, "cache.set", #""key":"k","value":1,"ttl_ms":30"#)
            try await waitUntil("its life is over") { try await !isHit("k") }
            let large = String(repeating: "x", count: 5 << 20)
            let error = try await client.error(of: "cache.set", #"{"namespace":"host","key":"k","value":"\#(large)"}"#)
            #expect(error["data"]?["kind"] == "too_large")
            let fenced = #"{"namespace":"host","key":"k","value":1,"fence":1}"#
            #expect(try await client.error(of: "cache.set", fenced)["data"]?["param"] == "fence")
        }
    }

    @Test("are computed once, with and without Valkey, and served stale meanwhile", arguments: [true, false])
    func computeOnce(isThere: Bool) async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            if !isThere { agent.server.kill() }
            let (computer, other, third) = (try agent.connect(), try agent.connect(), try agent.connect())
            let get = #""key":"k","lease_ms":30000,"wait_ms":20000"#
            let first = try await call(computer, "cache.get", get)
            let lease = try #require(first["lease"]?.string)
            #expect(first["degraded"] == nil && first["hit"] == false)
            let request = #"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":{"namespace":"host",\#(get)}}"#
            try await other.send(request)
            try await waitUntil("the other waits") {
                try await third.result(of: "cache.stats")["leases"]?["waiting"] == 1
            }
            let set = #""key":"k","value":7,"ttl_ms":1,"stale_ms":60000,"lease":"\#(lease)""#
            #expect(try await call(computer, "cache.set", set) == ["stored": true])
            #expect(try await other.receive().contains(#""value":7"#))
            try await waitUntil("its life is over") {
                try await call(third, "cache.get", #""key":"k""#)["stale"] == true
            }
            let refresh = try await call(other, "cache.get", get)
            #expect(refresh["lease"] != nil && refresh["value"] == 7 && refresh["stale"] == true)
            let stale = try await call(third, "cache.get", get)
            #expect(stale["hit"] == true && stale["stale"] == true && stale["lease"] == nil)
            let void = try await computer.error(of: "cache.set", #"{"namespace":"host",\#(set)}"#)
            #expect(void["data"]?["kind"] == "lease_void")
            let token = refresh["lease"]?.string ?? ""
            #expect(
                try await call(other, "cache.fail", #""key":"k","lease":"\#(token)","retry_after_ms":60000"#) == [
                    "released": true
                ]
            )
            #expect(try await call(third, "cache.get", get)["lease"] == nil)
            _ = try await call(third, "cache.delete", #""key":"k""#)
            var next: AgentClient? = try agent.connect()
            #expect(try await call(try #require(next), "cache.get", get)["lease"] != nil)
            try await other.send(request)
            try await waitUntil("the other waits") {
                try await third.result(of: "cache.stats")["leases"]?["waiting"] == 1
            }
            next = nil
            #expect(try await other.receive().contains(#""lease""#))
        }
    }

    @Test("and others live shorter by chance where their namespace says so, never longer")
    func jitter() async throws {
        let configuration = #"{"namespaces":{"spread":{"ttl_jitter_percent":50},"exact":{}}}"#
        try await withAgent(configuration: configuration) { agent in
            let client = try agent.connect()
            func lives(_ namespace: String) async throws -> [Int64] {
                var lives: [Int64] = []
                for number in 0..<40 {
                    let params = #"{"key":"k\#(number)","value":1,"ttl_ms":1000000,"namespace":"\#(namespace)"}"#
                    _ = try await client.result(of: "cache.set", params)
                    lives.append(try agent.server.command("PTTL", "cache@\(namespace):k\(number)").integer ?? 0)
                }
                return lives
            }
            let spread = try await lives("spread")
            #expect(spread.allSatisfy { $0 > 450_000 && $0 <= 1_000_000 })
            #expect((spread.max() ?? 0) - (spread.min() ?? 0) > 50_000)
            #expect(try await lives("exact").allSatisfy { $0 > 900_000 })
            // A repeated request is the same request, whatever chance says.
            for _ in 0..<5 {
                let params = #"{"key":"n","namespace":"spread","ttl_ms":1000000,"request_id":"r"}"#
                #expect(try await client.result(of: "cache.increment", params) == ["value": 1])
            }
        }
    }
}
