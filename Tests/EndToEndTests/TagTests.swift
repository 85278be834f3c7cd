import JSON
import Linux
import TestSupport
import Testing

@Suite("Entries with tags")
struct TagTests {
    private func set(_ client: AgentClient, _ key: String, _ tags: String, _ value: Int = 1) async throws {
        let params = #"{"key":"\#(key)","value":\#(value),"tags":\#(tags)}"#
        #expect(try await client.result(of: "cache.set", params) == ["stored": true])
    }

    private func isHit(_ client: AgentClient, _ key: String, fresh: Bool = false) async throws -> Bool {
        try await client.result(of: "cache.get", #"{"key":"\#(key)","fresh":\#(fresh)}"#)["hit"] == true
    }

    @Test("are gone with any of them, others stay, in every way of reading", arguments: ServerKind.installed)
    func invalidation(kind: ServerKind) async throws {
        for tier in ["near+valkey", "valkey"] {
            try await withAgent(kind, configuration: #"{"cache":{"tier":"\#(tier)","sweep_keys_per_second":0}}"#) {
                agent in
                let client = try agent.connect()
                for (key, tags) in [("a", #"["t1"]"#), ("b", #"["t1","t2"]"#), ("c", #"["t2","t3"]"#), ("d", "[]")] {
                    try await set(client, key, tags)
                    if tier != "valkey" { try await client.becomeNear(#"["\#(key)"]"#) }
                    #expect(try await isHit(client, key))
                }
                let far = #"{"key":"a","value":5,"namespace":"n","tags":["t1"]}"#
                _ = try await client.result(of: "cache.set", far)
                #expect(try await client.resultText(of: "cache.invalidate", #"{"tags":["t1","t9"]}"#) == "{}")
                let many = try await client.result(of: "cache.get_many", #"[["a","b","c","d"]]"#)["entries"]?.array
                #expect(many?.map { $0["hit"] == true } == [false, false, true, true])
                #expect(try await client.result(of: "cache.exists", #"["a"]"#) == ["exists": false])
                #expect(try await client.result(of: "cache.exists", #"["c"]"#) == ["exists": true])
                for (key, hit) in [("a", false), ("b", false), ("c", true), ("d", true)] {
                    #expect(try await isHit(client, key) == hit, "\(key)")
                    #expect(try await isHit(client, key, fresh: true) == hit, "\(key)")
                    let life = try await client.result(of: "cache.get", #"{"key":"\#(key)","with_ttl":true}"#)
                    #expect(life["hit"]?.boolean == hit && (life["ttl_ms"] != nil) == hit)
                }
                // The same tag in another namespace is another tag.
                #expect(try await client.result(of: "cache.get", #"["a","n"]"#)["value"] == 5)
                let scoped = #"{"tags":["t1"],"namespace":"n"}"#
                _ = try await client.result(of: "cache.invalidate", scoped)
                #expect(try await client.result(of: "cache.get", #"["a","n"]"#) == ["hit": false])
                // Written again, it is there under the tag's new generation.
                try await set(client, "a", #"["t1"]"#, 2)
                #expect(try await client.result(of: "cache.get", #"["a"]"#)["value"] == 2)
            }
        }
    }

    @Test(
        "are not written by whoever computed them while a tag was invalidated, on this host or another",
        arguments: ["near+valkey", "valkey", "near"]
    )
    func leases(tier: String) async throws {
        let configuration = #"{"cache":{"tier":"\#(tier)"}}"#
        try await withTwoAgents(configuration: configuration) { first, second in
            let client = try first.connect()
            let other = try (tier == "near" ? first : second).connect()
            func lease(_ key: String) async throws -> String {
                let get = #"{"key":"\#(key)","lease_ms":60000}"#
                return try #require(try await client.result(of: "cache.get", get)["lease"]?.string)
            }
            func store(_ key: String, _ lease: String, _ tags: String) async throws -> Document {
                let set = #"{"key":"\#(key)","value":1,"lease":"\#(lease)","tags":\#(tags)}"#
                return try Document.parse(try await client.reply(to: "cache.set", set))
            }
            func invalidate(_ tag: String) async throws {
                _ = try await other.result(of: "cache.invalidate", #"{"tags":["\#(tag)"]}"#)
            }
            // Of tags that nobody has used, of those that somebody has, and of one among several.
            try await invalidate("old")
            for (key, tags, invalidated) in [
                ("a", #"["new"]"#, "new"), ("b", #"["new"]"#, "new"), ("c", #"["x","y","z"]"#, "y"),
            ] {
                let void = try await lease(key)
                try await invalidate(invalidated)
                #expect(try await store(key, void, tags)["error"]?["code"] == 1101, "\(key)")
                #expect(try await isHit(client, key) == false)
                // The lease is given back, and what is computed from now on counts.
                let next = try await lease(key)
                #expect(try await store(key, next, tags)["result"] == ["stored": true], "\(key)")
                #expect(try await isHit(client, key))
            }
            // An invalidation before the lease began, and one of another tag, do no harm.
            let good = try await lease("d")
            try await invalidate("other")
            #expect(try await store("d", good, #"["old","fresh"]"#)["result"] == ["stored": true])
            #expect(try await isHit(client, "d"))
        }
    }

    @Test("are not there for whatever asks whether they are")
    func conditions() async throws {
        try await withAgent(configuration: #"{"cache":{"sweep_keys_per_second":0}}"#) { agent in
            let client = try agent.connect()
            func outdated() async throws {
                try await set(client, "k", #"["t"]"#)
                _ = try await client.result(of: "cache.invalidate", #"{"tags":["t"]}"#)
            }
            for isThere in [true, false] {
                func prepare() async throws {
                    if isThere { try await set(client, "k", #"["t"]"#, 41) } else { try await outdated() }
                }
                try await prepare()
                #expect(try await client.result(of: "cache.touch", #"["k",60000]"#) == ["found": .boolean(isThere)])
                try await prepare()
                let present = #"{"key":"k","value":3,"condition":"present"}"#
                #expect(try await client.result(of: "cache.set", present) == ["stored": .boolean(isThere)])
                try await prepare()
                let absent = #"{"key":"k","value":3,"condition":"absent"}"#
                #expect(try await client.result(of: "cache.set", absent) == ["stored": .boolean(!isThere)])
                try await prepare()
                let request = #"{"key":"k","request_id":"r\#(isThere)"}"#
                for _ in 0..<2 {
                    #expect(try await client.result(of: "cache.increment", request) == ["value": isThere ? 42 : 1])
                }
                try await prepare()
                let lease = try await client.result(of: "cache.get", #"{"key":"k","lease_ms":9000}"#)
                #expect((lease["lease"] == nil) == isThere, "\(lease.text(style: .compact))")
            }
            // A counter keeps its tags.
            try await set(client, "n", #"["t"]"#, 1)
            #expect(try await client.result(of: "cache.increment", #"["n"]"#) == ["value": 2])
            #expect(try await client.result(of: "cache.get", #"["n"]"#)["value"] == 2)
            _ = try await client.result(of: "cache.invalidate", #"{"tags":["t"]}"#)
            #expect(try await client.result(of: "cache.get", #"["n"]"#) == ["hit": false])
            _ = try await client.result(of: "cache.set", #"{"key":"x","text":"no number","tags":["t"]}"#)
            let error = try await client.error(of: "cache.increment", #"["x"]"#)
            #expect(error["data"]?["kind"] == "conflict")
            #expect(try await client.result(of: "cache.get", #"["x"]"#)["text"] == "no number")
        }
    }

    @Test("are gone at once for this agent and for fresh reads, and for copies of others within the window")
    func coherence() async throws {
        try await withTwoAgents { first, second in
            let (client, other) = (try first.connect(), try second.connect())
            for round in 0..<30 {
                try await set(client, "k", #"["t","u"]"#, round)
                try await client.becomeNear()
                try await other.becomeNear()
                _ = try await other.result(of: "cache.invalidate", #"{"tags":["\#(round % 2 == 0 ? "t" : "u")"]}"#)
                #expect(try await isHit(other, "k") == false)
                #expect(try await isHit(client, "k", fresh: true) == false)
                try await waitUntil("the copy is gone") { try await !isHit(client, "k") }
            }
        }
    }

    @Test("are not lost to whoever writes them right behind an invalidation, through another agent")
    func ownWrites() async throws {
        try await withTwoAgents { first, second in
            let (client, other) = (try first.connect(), try second.connect())
            for round in 0..<200 {
                _ = try await other.result(of: "cache.invalidate", #"{"tags":["t"]}"#)
                try await set(client, "k", #"["t"]"#, round)
                #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"] == .integer(Int64(round)))
            }
        }
    }

    @Test("keep their tags alive as long as themselves, also when they are given another life")
    func tagLives() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            func left(_ key: String) throws -> Int64 { try server.command("PTTL", key).integer ?? -2 }
            for (params, least) in [
                (#"{"key":"a","value":1,"tags":["t"],"ttl_ms":40000}"#, 40_000),
                (#"{"key":"b","value":1,"tags":["t"],"ttl_ms":80000}"#, 80_000),
                (#"{"key":"c","value":1,"tags":["t"],"ttl_ms":80000,"stale_ms":600000}"#, 680_000),
                (#"{"key":"a","value":1,"tags":["t"],"ttl_ms":40000}"#, 680_000),
            ] {
                _ = try await client.result(of: "cache.set", params)
                #expect(try left("cache-tag:t") > Int64(least) - 30_000)
            }
            _ = try await client.result(of: "cache.touch", #"["a",90000000]"#)
            #expect(try left("cache-tag:t") > 80_000_000)
            _ = try await client.result(of: "cache.touch", #"["a",null]"#)
            #expect(try left("cache-tag:t") == -1)
            _ = try await client.result(of: "cache.set", #"{"key":"z","value":1,"tags":["u"],"ttl_ms":null}"#)
            #expect(try left("cache-tag:u") == -1)
        }
    }

    @Test("are missed, not served, where a tag was evicted")
    func eviction() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            try await set(client, "k", #"["t"]"#)
            try await client.becomeNear()
            try agent.server.command("DEL", "cache-tag:t")
            try await waitUntil("it is gone") { try await !isHit(client, "k") }
        }
    }

    @Test("are invalidated in one round trip, and swept away behind it", arguments: ServerKind.installed)
    func sweep(kind: ServerKind) async throws {
        try await withAgent(kind, configuration: #"{"cache":{"sweep_keys_per_second":1000000}}"#) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            for number in 0..<300 { try await set(client, "k\(number)", number % 3 == 0 ? #"["t"]"# : #"["u"]"#) }
            try server.command("SET", "cached:k", "1")
            try server.command("HSET", "cache:hash", "f", "1")
            let before = try server.command("DBSIZE").integer ?? 0
            _ = try await client.result(of: "cache.invalidate", #"{"tags":["t"]}"#)
            try await waitUntil("what had the tag is gone") {
                // The tag itself stays for an hour, to tell when it was invalidated.
                try server.command("DBSIZE").integer == before - 100
            }
            #expect(try server.command("STRLEN", "cache-tag:t") == .integer(16))
            #expect(try server.command("GETBIT", "cache-tag:t", "0") == .integer(1))
            let life = try server.command("PTTL", "cache-tag:t").integer ?? 0
            #expect((3_500_000...3_600_000).contains(life))
            #expect(try await isHit(client, "k1"))
            #expect(try server.command("EXISTS", "cached:k", "cache:hash") == .integer(2))
        }
    }

    @Test("are as many as an entry may have, and no more")
    func limits() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let tags = (0..<32).map { "\"tag \($0) é\"" }.joined(separator: ",")
            try await set(client, "k", "[\(tags),\"tag 0 é\"]".replacing(",\"tag 0 é\"", with: ""))
            #expect(try await isHit(client, "k"))
            _ = try await client.result(of: "cache.invalidate", #"{"tags":["tag 31 é"]}"#)
            #expect(try await isHit(client, "k") == false)
            let error = try await client.error(of: "cache.set", #"{"key":"k","value":1,"tags":[\#(tags),"x"]}"#)
            #expect(error["data"]?["param"] == "tags")
            let long = String(repeating: "t", count: 1025)
            let tooLong = try await client.error(of: "cache.set", #"{"key":"k","value":1,"tags":["\#(long)"]}"#)
            #expect(tooLong["data"]?["kind"] == "too_large")
        }
    }
}
