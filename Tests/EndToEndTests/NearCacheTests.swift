import JSON
import Linux
import TestSupport
import Testing

@Suite("Copies in the agent's memory")
struct NearCacheTests {
    private func source(_ client: AgentClient, _ params: String) async throws -> String? {
        try await client.result(of: "cache.get", params)["source"]?.string
    }

    @Test("serve what was read before, and never what another client changed", arguments: ServerKind.installed)
    func coherence(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            for number in 1...20 {
                try agent.server.command("SET", "cache:k", "\(number)")
                try await waitUntil("the new value is read") {
                    try await client.result(of: "cache.get", #"["k"]"#)["value"]?.integer == Int64(number)
                }
                try await client.becomeNear()
                #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"]?.integer == Int64(number))
            }
            try agent.server.command("DEL", "cache:k")
            try await waitUntil("the entry is gone") {
                try await client.result(of: "cache.get", #"["k"]"#) == ["hit": false]
            }
        }
    }

    @Test("come as they were: JSON, text and bytes, with the life left")
    func values() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for (key, content, ttl) in [
                ("json", #""value":{"b":1, "a":[1.50]}"#, "60000"), ("text", #""text":"<p>\"hi\"</p>""#, "null"),
                ("bytes", #""base64":"/9j/4A==""#, "60000"), ("null", #""value":null"#, "null"),
            ] {
                _ = try await client.result(of: "cache.set", #"{"key":"\#(key)",\#(content),"ttl_ms":\#(ttl)}"#)
                let far = try await client.resultText(of: "cache.get", #"["\#(key)"]"#)
                try await client.becomeNear(#"["\#(key)"]"#)
                let near = try await client.resultText(of: "cache.get", #"["\#(key)"]"#)
                #expect(far.contains(content) && near == far.replacing(#""valkey""#, with: #""near""#))
                let withLife = try await client.result(of: "cache.get", #"{"key":"\#(key)","with_ttl":true}"#)
                #expect(withLife["source"] == "near")
                let life = withLife["ttl_ms"]?.integer
                #expect(ttl == "null" ? withLife["ttl_ms"] == .null : life ?? 0 > 30_000 && life ?? 0 <= 60_000)
            }
            let many = try await client.result(of: "cache.get_many", #"[["json","none","text","json"]]"#)["entries"]
            #expect(many?.array?.map { $0["source"]?.string } == ["near", nil, "near", "near"])
            #expect(try await client.result(of: "cache.exists", #"["json"]"#) == ["exists": true])
        }
    }

    @Test("are not served after the end of the entry's life")
    func expiry() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for _ in 0..<10 {
                _ = try await client.result(of: "cache.set", #"{"key":"k","value":1,"ttl_ms":80}"#)
                let written = Instant.now
                while true {
                    let asked = Instant.now
                    let isHit = try await client.result(of: "cache.get", #"["k"]"#)["hit"] == true
                    if !isHit { break }
                    #expect(asked.milliseconds(since: written) <= 80)
                }
            }
        }
    }

    @Test("do not hide a client's own writes from it, however close behind them it reads")
    func ownWrites() async throws {
        try await withAgent(configuration: #"{"valkey":{"connections":4}}"#) { agent in
            let clients = try (0..<4).map { _ in try agent.connect() }
            for number in 0..<500 {
                let client = clients[number % 4]
                // The others read it into memory all the while.
                for other in clients where other !== client {
                    try await other.send(#"{"jsonrpc":"2.0","id":0,"method":"cache.get","params":["k"]}"#)
                }
                try await client.send(
                    #"{"jsonrpc":"2.0","id":1,"method":"cache.set","params":["k",\#(number)]}"#,
                    #"{"jsonrpc":"2.0","id":2,"method":"cache.get","params":["k"]}"#
                )
                let replies = try await client.receive(2)
                #expect(replies.contains { $0.contains(#""value":\#(number),"#) }, "\(replies)")
                for other in clients where other !== client { _ = try await other.receive() }
            }
        }
    }

    @Test("all go when everything was flushed", arguments: ServerKind.installed)
    func flush(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"["k",1]"#)
            try await client.becomeNear()
            try agent.server.command("FLUSHALL")
            try await waitUntil("the copy is gone") {
                try await client.result(of: "cache.stats")["near"]?["entries"] == 0
            }
            #expect(try await client.result(of: "cache.get", #"["k"]"#) == ["hit": false])
        }
    }

    @Test("are not touched by what anybody publishes to the channel of the news", arguments: ServerKind.installed)
    func publish(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            for key in ["k", "witness"] {
                _ = try await client.result(of: "cache.set", #"["\#(key)",1]"#)
                try await client.becomeNear(#"["\#(key)"]"#)
            }
            for message in ["cache:k", "", "*1\r\n$7\r\ncache:k\r\n"] {
                #expect(try agent.server.command("PUBLISH", "__redis__:invalidate", message) == .integer(1))
            }
            // Real news comes behind what was published, over the same connection.
            try agent.server.command("SET", "cache:witness", "2")
            try await waitUntil("the witness was dropped") {
                try await client.result(of: "cache.stats")["near"]?["entries"] == 1
            }
            #expect(try await source(client, #"["k"]"#) == "near")
        }
    }

    @Test("all go with the connection that brings the news, and come again with it", arguments: ServerKind.installed)
    func trackerLoss(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let operations = try agent.server.connect()
            try operations.command("SET", "cache:k", "0")
            for number in 1...5 {
                try await client.becomeNear()
                try operations.command("CLIENT", "KILL", "TYPE", "pubsub")
                try operations.command("SET", "cache:k", "\(number)")
                try await waitUntil("the new value is read") {
                    try await client.result(of: "cache.get", #"["k"]"#)["value"]?.integer == Int64(number)
                }
            }
            try await client.becomeNear()
            #expect(agent.daemon.log.contains("changes in Valkey are told again"))
        }
    }

    @Test("are passed over and renewed by a fresh read")
    func fresh() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"["k",1]"#)
            try await client.becomeNear()
            #expect(try await source(client, #"{"key":"k","fresh":true}"#) == "valkey")
            #expect(try await source(client, #"["k"]"#) == "near")
            let many = try await client.result(of: "cache.get_many", #"{"keys":["k"],"fresh":true}"#)
            #expect(many["entries"]?.array?.first?["source"] == "valkey")
        }
    }

    @Test("go with what is invalidated, before the reply")
    func invalidation() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for params in [#"{"pattern":"k*"}"#, #"{"all":true}"#] {
                for key in ["k1", "k2"] {
                    _ = try await client.result(of: "cache.set", #"["\#(key)",1]"#)
                    try await client.becomeNear(#"["\#(key)"]"#)
                }
                _ = try await client.result(of: "cache.invalidate", params)
                #expect(try await client.result(of: "cache.get", #"["k1"]"#) == ["hit": false])
                #expect(try await client.result(of: "cache.get", #"["k2"]"#) == ["hit": false])
            }
        }
    }

    @Test("are made in namespaces of the near tier only, whichever is the default")
    func tiers() async throws {
        for (tier, other) in [("valkey", "near+valkey"), ("near+valkey", "valkey")] {
            let configuration = #"{"cache":{"tier":"\#(tier)"},"namespaces":{"n":{"tier":"\#(other)"}}}"#
            try await withAgent(configuration: configuration) { agent in
                let client = try agent.connect()
                let near = tier == "valkey" ? #"{"key":"k","namespace":"n"}"# : #"{"key":"k"}"#
                let far = tier == "valkey" ? #"{"key":"k"}"# : #"{"key":"k","namespace":"n"}"#
                for params in [near, far] {
                    _ = try await client.result(of: "cache.set", params.dropLast() + #","value":1}"#)
                }
                try await waitUntil("it is read from memory") { try await source(client, near) == "near" }
                for _ in 0..<3 { #expect(try await source(client, far) == "valkey") }
            }
        }
    }

    @Test("are not made, and nothing is tracked, where they have no memory")
    func off() async throws {
        try await withAgent(configuration: #"{"cache":{"near_bytes":0}}"#) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"["k",1]"#)
            for _ in 0..<3 { #expect(try await source(client, #"["k"]"#) == "valkey") }
            #expect(try agent.server.command("PUBLISH", "__redis__:invalidate", "x") == .integer(0))
        }
    }

    @Test("are counted by namespace")
    func counters() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":1,"namespace":"n"}"#)
            try await waitUntil("it is read from memory") {
                try await source(client, #"{"key":"k","namespace":"n"}"#) == "near"
            }
            _ = try await client.result(of: "cache.get", #"{"key":"none","namespace":"n"}"#)
            let stats = try await client.result(of: "cache.stats", #"{"namespace":"n"}"#)
            #expect(stats["near_hits"] == 1)
            #expect(stats["hits"]?.integer ?? 0 >= 2)
            #expect(stats["misses"] == 1)
            #expect(stats["sets"] == 1)
            #expect(stats["near"] == ["entries": 1, "bytes": 64])
            #expect(try await client.result(of: "cache.stats")["hits"] == 0)
        }
    }
}
