import JSON
import TestSupport
import Testing

@Suite("A sweep through the keys")
struct InvalidationTests {
    /// Keys of the agent's own and of others, which a sweep might take for each other.
    private static let neighbours = [
        "cache:a", "cache:ab", "cache:b", "cache:*", "cache@n:a", "cache@n:b", "cache@n1:a", "cache@n-1:a", "cache@m:a",
        "hash:a", "hash:b", "hash@n:a", "hash@m:a", "cache", "cache@n", "caches:a", "xcache:a", "acache:a", "hash",
        "hashes:a", "lock:a", "session:a", "a", "app:cache:a", "app:cache@n:a", "Cache:a", "cache@N:a", "cache@a b:c",
        "cache@:a",
    ]

    private func fill(_ server: RESPClient, prefix: String = "") throws {
        try server.command("FLUSHALL")
        for key in Self.neighbours {
            if key.hasPrefix("hash") {
                try server.command("HSET", prefix + key, "f", "1")
            } else {
                try server.command("SET", prefix + key, "1")
            }
        }
    }

    private func names(_ server: RESPClient) throws -> Set<String> {
        Set(try server.command("KEYS", "*").elements?.compactMap(\.text) ?? [])
    }

    @Test("clears what it names and nothing beside it", arguments: ServerKind.installed)
    func exactly(kind: ServerKind) async throws {
        let cases: [(params: String, gone: Set<String>)] = [
            (#"{"pattern":"a"}"#, ["cache:a", "hash:a"]),
            (#"{"pattern":"a*"}"#, ["cache:a", "cache:ab", "hash:a"]),
            (#"{"pattern":"\\*"}"#, ["cache:*"]),
            (#"{"pattern":"[ab]"}"#, ["cache:a", "cache:b", "hash:a", "hash:b"]),
            (#"{"pattern":"*"}"#, ["cache:a", "cache:ab", "cache:b", "cache:*", "hash:a", "hash:b"]),
            (#"{"pattern":"a","namespace":"n"}"#, ["cache@n:a", "hash@n:a"]),
            (#"{"pattern":"@n:a"}"#, []),
            (#"{"pattern":"nothing"}"#, []),
            (#"{"namespace":"n"}"#, ["cache@n:a", "cache@n:b", "hash@n:a"]),
            (#"{"namespace":"n-1"}"#, ["cache@n-1:a"]),
            (#"{"namespace":"none"}"#, []),
            (
                #"{"all":true}"#,
                [
                    "cache:a", "cache:ab", "cache:b", "cache:*", "cache@n:a", "cache@n:b", "cache@n1:a", "cache@n-1:a",
                    "cache@m:a", "hash:a", "hash:b", "hash@n:a", "hash@m:a",
                ]
            ),
        ]
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            for (params, gone) in cases {
                try fill(server)
                let result = try await client.result(of: "cache.invalidate", params)
                #expect(result == ["invalidated": .integer(Int64(gone.count))], "\(params)")
                #expect(Set(Self.neighbours).subtracting(try names(server)) == gone, "\(params)")
            }
        }
    }

    @Test("stays within its prefix, whatever characters that holds", arguments: ["app:", "a*?[x]\\", "cache:"])
    func prefixes(prefix: String) async throws {
        var object = DocumentObject()
        object["valkey"] = ["prefix": .string(prefix)]
        try await withAgent(configuration: Document.object(object).text(style: .compact)) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let foreign = [
                "cache:a", "cache@n:a", "hash:a", "ax?[x]\\cache:a", "aYx\\cache:a", "a*?x\\cache:a", "apps:cache:a",
            ]
            for params in [#"{"all":true}"#, #"{"pattern":"*"}"#, #"{"namespace":"n"}"#] {
                try fill(server, prefix: prefix)
                for key in foreign { try server.command("SET", key, "1") }
                _ = try await client.result(of: "cache.invalidate", params)
                let left = try names(server)
                #expect(left.isSuperset(of: foreign), "\(params)")
                #expect(!left.contains("\(prefix)cache@n:b") || params.contains("pattern"))
                #expect(left.contains("\(prefix)lock:a"))
                #expect(left.contains("\(prefix)cache@n1:a") || params.contains("all"))
            }
            try fill(server, prefix: prefix)
            let keys = try await client.result(of: "cache.keys", #"{"count":1000}"#)["keys"]?.array
            #expect(Set(keys?.compactMap(\.string) ?? []) == ["a", "ab", "b", "*"])
        }
    }

    @Test("goes through thousands of keys, and serves others meanwhile", arguments: ServerKind.installed)
    func thousands(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let other = try agent.connect()
            let server = try agent.server.connect()
            let script = "for i = 1, 6000 do redis.call('SET', KEYS[1] .. i, '1') end"
            for stem in ["cache:k", "cache@n:k", "other:k"] { try server.command("EVAL", script, "1", stem) }
            try await client.send(
                #"{"jsonrpc":"2.0","id":1,"method":"cache.invalidate","params":{"namespace":"n"}}"#,
                #"{"jsonrpc":"2.0","id":2,"method":"agent.ping"}"#
            )
            #expect(try await other.result(of: "cache.get", #"["k1"]"#)["hit"] == true)
            let replies = try await client.receive(2)
            // A call of several steps overlaps with what follows it.
            #expect(replies.first == #"{"jsonrpc":"2.0","id":2,"result":{"pong":true}}"#)
            #expect(replies.last == #"{"jsonrpc":"2.0","id":1,"result":{"invalidated":6000}}"#)
            #expect(try server.command("DBSIZE") == .integer(12_000))
            #expect(try await client.result(of: "cache.invalidate", #"{"all":true}"#)["invalidated"] == 6000)
            #expect(try server.command("DBSIZE") == .integer(6000))
        }
    }

    @Test("that does not end in time says how far it came")
    func deadline() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let script = "for i = 1, 6000 do redis.call('SET', KEYS[1] .. i, '1') end"
            try server.command("EVAL", script, "1", "cache:k")
            let error = try await client.error(of: "cache.invalidate", #"{"all":true,"_meta":{"deadline_ms":1}}"#)
            #expect(error["code"] == 1002)
            #expect(error["data"]?["retryable"] == true)
            let done = try #require(error["data"]?["done"]?.integer)
            let left = try #require(try server.command("DBSIZE").integer)
            #expect(done + left <= 6000)
            #expect(left > 0)
            #expect(try await client.result(of: "cache.invalidate", #"{"all":true}"#)["invalidated"]?.integer == left)
        }
    }

    @Test("lists every key of its namespace, page by page", arguments: ServerKind.installed)
    func pages(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let script = "for i = 1, 1500 do redis.call('SET', KEYS[1] .. i, '1') end"
            for stem in ["cache:k", "cache@n:k", "cache@n:x", "cache@nn:k", "hash:k"] {
                try server.command("EVAL", script, "1", stem)
            }
            try server.command([Array("SET".utf8), Array("cache@n:".utf8) + [0xff], Array("1".utf8)])
            for (extra, expected) in [(#","pattern":"k*""#, 1500), (#","pattern":"x?""#, 9), ("", 3000)] {
                var found: Set<String> = []
                var cursor = ""
                var pages = 0
                repeat {
                    let page = try await client.result(
                        of: "cache.keys",
                        #"{"namespace":"n","count":100\#(extra)\#(cursor)}"#
                    )
                    for key in page["keys"]?.array ?? [] { found.insert(key.string ?? "") }
                    let next = try #require(page["cursor"])
                    cursor = next.isNull ? "" : #","cursor":\#(next.text(style: .compact))"#
                    pages += 1
                } while !cursor.isEmpty && pages < 10_000
                #expect(found.count == expected, "\(extra)")
                #expect(found.allSatisfy { $0.hasPrefix("k") || $0.hasPrefix("x") })
                #expect(pages > 10)
            }
        }
    }
}
