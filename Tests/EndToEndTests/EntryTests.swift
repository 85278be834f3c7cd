import JSON
import TestSupport
import Testing

@Suite("An entry")
struct EntryTests {
    /// The life left of a key in milliseconds: -1 for no end, -2 where there is no such key.
    private func life(_ server: RESPClient, _ key: String) throws -> Int64 {
        try #require(try server.command("PTTL", key).integer)
    }

    /// Whether a life is what is left of `whole`, a moment later.
    private func isRecent(_ life: Int64, of whole: Int64) -> Bool {
        life > whole - 30_000 && life <= whole
    }

    @Test("lives as long as its namespace's class or its writer says", arguments: ServerKind.installed)
    func lives(kind: ServerKind) async throws {
        let configuration = #"{"namespaces": {"short": {"ttl_ms": 60000}, "kept": {"ttl_ms": null}}}"#
        try await withAgent(kind, configuration: configuration) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let classes: [(namespace: String, whole: Int64)] = [
                ("", 300_000), ("other", 300_000), ("response", 3_600_000), ("session", 86_400_000),
                ("context", 1_800_000),
                ("metadata", 300_000), ("short", 60_000), ("kept", -1),
            ]
            for (namespace, whole) in classes {
                let suffix = namespace.isEmpty ? "" : "@\(namespace)"
                let member = namespace.isEmpty ? "" : #","namespace":"\#(namespace)""#
                func expectLife(of key: String, _ whole: Int64, _ what: String) throws {
                    let left = try life(server, key)
                    #expect(whole < 0 ? left == whole : isRecent(left, of: whole), "\(what) in '\(namespace)': \(left)")
                }
                for (given, whole) in [("", whole), (#","ttl_ms":45000"#, 45_000), (#","ttl_ms":null"#, -1)] {
                    _ = try await client.result(of: "cache.set", #"{"key":"k","value":1\#(given)\#(member)}"#)
                    try expectLife(of: "cache\(suffix):k", whole, "cache.set\(given)")
                    _ = try await client.result(
                        of: "cache.set_many",
                        #"{"entries":[{"key":"m","value":1\#(given)}]\#(member)}"#
                    )
                    try expectLife(of: "cache\(suffix):m", whole, "cache.set_many\(given)")
                    try server.command("DEL", "cache\(suffix):n", "hash\(suffix):h", "hash\(suffix):i")
                    _ = try await client.result(of: "cache.increment", #"{"key":"n"\#(given)\#(member)}"#)
                    try expectLife(of: "cache\(suffix):n", whole, "cache.increment\(given)")
                    _ = try await client.result(of: "hash.set", #"{"key":"h","fields":{"a":1}\#(given)\#(member)}"#)
                    try expectLife(of: "hash\(suffix):h", whole, "hash.set\(given)")
                    let left = try await client.result(of: "cache.get", #"{"key":"k","with_ttl":true\#(member)}"#)
                    let told = try #require(left["ttl_ms"])
                    #expect(whole < 0 ? told.isNull : isRecent(told.integer ?? 0, of: whole), "with_ttl\(given)")
                }
                _ = try await client.result(of: "hash.increment", #"{"key":"i","field":"a"\#(member)}"#)
                try expectLife(of: "hash\(suffix):i", whole, "hash.increment")
            }
        }
    }

    @Test("keeps its life when it is changed, unless another one is given", arguments: ServerKind.installed)
    func keptLives(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            try server.command("SET", "cache:n", "1", "PX", "40000")
            try server.command("HSET", "hash:h", "a", "1")
            try server.command("PEXPIRE", "hash:h", "40000")
            _ = try await client.result(of: "cache.increment", #"["n"]"#)
            _ = try await client.result(of: "hash.set", #"["h",{"b":1}]"#)
            _ = try await client.result(of: "hash.increment", #"["h","a"]"#)
            #expect(isRecent(try life(server, "cache:n"), of: 40_000))
            #expect(isRecent(try life(server, "hash:h"), of: 40_000))
            _ = try await client.result(of: "cache.increment", #"{"key":"n","ttl_ms":90000}"#)
            _ = try await client.result(of: "hash.set", #"{"key":"h","fields":{"b":1},"ttl_ms":90000}"#)
            #expect(isRecent(try life(server, "cache:n"), of: 90_000))
            #expect(isRecent(try life(server, "hash:h"), of: 90_000))
            _ = try await client.result(of: "cache.increment", #"{"key":"n","ttl_ms":null}"#)
            _ = try await client.result(of: "hash.set", #"{"key":"h","fields":{"b":1},"ttl_ms":null}"#)
            #expect(try life(server, "cache:n") == -1)
            #expect(try life(server, "hash:h") == -1)
        }
    }

    @Test("is touched without being changed", arguments: ServerKind.installed)
    func touched(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            #expect(try await client.result(of: "cache.touch", #"["k",1000]"#) == ["found": false])
            #expect(try await client.result(of: "cache.touch", #"["k",null]"#) == ["found": false])
            #expect(try server.command("EXISTS", "cache:k") == .integer(0))
            try server.command("SET", "cache:k", "[1, 2]")
            #expect(try await client.result(of: "cache.touch", #"["k",50000]"#) == ["found": true])
            #expect(isRecent(try life(server, "cache:k"), of: 50_000))
            for _ in 0..<2 {
                #expect(try await client.result(of: "cache.touch", #"["k",null]"#) == ["found": true])
                #expect(try life(server, "cache:k") == -1)
            }
            #expect(try await client.result(of: "cache.touch", #"["k",3153600000000]"#) == ["found": true])
            #expect(isRecent(try life(server, "cache:k"), of: 3_153_600_000_000))
            #expect(try server.command("GET", "cache:k").text == "[1, 2]")
            #expect(try await client.result(of: "cache.touch", #"["k",1]"#) == ["found": true])
            try await waitUntil("the entry has ended") {
                try await client.result(of: "cache.exists", #"["k"]"#) == ["exists": false]
            }
        }
    }

    @Test("is written only where the condition holds", arguments: ServerKind.installed)
    func conditions(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            func set(_ value: Int, _ condition: String) async throws -> Document {
                try await client.result(
                    of: "cache.set",
                    #"{"key":"k","value":\#(value),"ttl_ms":null,"condition":"\#(condition)"}"#
                )
            }
            #expect(try await set(1, "present") == ["stored": false])
            #expect(try server.command("EXISTS", "cache:k") == .integer(0))
            #expect(try await set(2, "absent") == ["stored": true])
            #expect(try await set(3, "absent") == ["stored": false])
            #expect(try server.command("GET", "cache:k").text == "2")
            #expect(try await set(4, "present") == ["stored": true])
            #expect(try server.command("GET", "cache:k").text == "4")
        }
    }

    @Test("counts exactly, to the ends of 64 bits", arguments: ServerKind.installed)
    func increments(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let steps: [(stored: String, by: String, sum: String)] = [
                ("0", "1", "1"), ("9007199254740992", "1", "9007199254740993"),
                ("-9007199254740993", "-2", "-9007199254740995"),
                ("9223372036854775806", "1", "9223372036854775807"),
                ("-9223372036854775807", "-1", "-9223372036854775808"),
                ("9223372036854775807", "-9223372036854775807", "0"),
                ("-1", "-9223372036854775807", "-9223372036854775808"),
                ("5", "0", "5"), ("-9223372036854775808", "9223372036854775807", "-1"),
            ]
            for (stored, by, sum) in steps {
                try server.command("SET", "cache:n", stored)
                let text = try await client.resultText(of: "cache.increment", #"["n",\#(by)]"#)
                #expect(text == #"{"value":\#(sum)}"#, "\(stored) + \(by)")
                #expect(try server.command("GET", "cache:n").text == sum)
                try server.command("HSET", "hash:h", "f", stored)
                let field = try await client.resultText(of: "hash.increment", #"["h","f",\#(by)]"#)
                #expect(field == #"{"value":\#(sum)}"#, "\(stored) + \(by)")
                #expect(try server.command("HGET", "hash:h", "f").text == sum)
            }
        }
    }

    @Test("that is no number, or would be too large, stays as it is", arguments: ServerKind.installed)
    func conflicts(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let steps: [(stored: String, by: String)] = [
                ("9223372036854775807", "1"), ("-9223372036854775808", "-1"), ("1.5", "1"), ("1.0", "1"),
                ("\"1\"", "1"),
                ("", "1"), (" 1", "1"), ("9223372036854775808", "1"), ("null", "1"), ("{}", "1"),
            ]
            for (stored, by) in steps {
                try server.command("SET", "cache:n", stored)
                try server.command("HSET", "hash:h", "f", stored)
                for call in [
                    ("cache.increment", #"{"key":"n","by":\#(by),"ttl_ms":5000}"#),
                    ("hash.increment", #"["h","f",\#(by)]"#),
                ] {
                    let error = try await client.error(of: call.0, call.1)
                    #expect(error["code"] == 1008, "\(call.0) of \(stored): \(error.text(style: .compact))")
                    #expect(error["data"]?["outcome"] == "not_applied")
                    #expect(error["data"]?["retryable"] == false)
                }
                #expect(try server.command("GET", "cache:n").text == stored)
                #expect(try life(server, "cache:n") == -1)
                #expect(try server.command("HGET", "hash:h", "f").text == stored)
            }
        }
    }

    @Test("is counted once for each request id, over every connection", arguments: ServerKind.installed)
    func requests(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            for (method, first) in [("cache.increment", #""key":"n""#), ("hash.increment", #""key":"h","field":"f""#)] {
                for _ in 0..<3 {
                    let client = try agent.connect()
                    let text = try await client.resultText(
                        of: method,
                        #"{\#(first),"by":9007199254740993,"request_id":"a"}"#
                    )
                    #expect(text == #"{"value":9007199254740993}"#)
                    let error = try await client.error(of: method, #"{\#(first),"by":2,"request_id":"a"}"#)
                    #expect(error["code"] == 1008)
                }
                let client = try agent.connect()
                let text = try await client.resultText(of: method, #"{\#(first),"by":1,"request_id":"b"}"#)
                #expect(text == #"{"value":9007199254740994}"#)
                // A refusal is an outcome too.
                let refused = #"{\#(first),"by":9223372036854775807,"request_id":"c"}"#
                #expect(try await client.error(of: method, refused)["code"] == 1008)
                #expect(try await client.resultText(of: method, "{\(first)}") == #"{"value":9007199254740995}"#)
                let long = String(repeating: "x", count: 129)
                let error = try await client.error(of: method, #"{\#(first),"request_id":"\#(long)"}"#)
                #expect(error["data"]?["param"] == "request_id")
            }
        }
    }

    @Test("has requests of its own, also where it shares its slot with others", arguments: ServerKind.installed)
    func requestsOfNeighbours(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            for (method, rest) in [("cache.increment", ""), ("hash.increment", #","field":"f""#)] {
                for key in ["{u}\(method)", "{u}\(method).b"] {
                    // The second call repeats the first.
                    for _ in 0..<2 {
                        let params = #"{"key":"\#(key)"\#(rest),"request_id":"a"}"#
                        #expect(try await client.resultText(of: method, params) == #"{"value":1}"#)
                    }
                    let text = try await client.resultText(of: method, #"{"key":"\#(key)"\#(rest)}"#)
                    #expect(text == #"{"value":2}"#)
                }
            }
        }
    }

    @Test("of another kind is a conflict, and stays as it is", arguments: ServerKind.installed)
    func otherKinds(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            try server.command("RPUSH", "cache:k", "a")
            try server.command("SET", "hash:k", "a")
            let calls = [
                ("cache.get", #"["k"]"#), ("cache.get", #"{"key":"k","with_ttl":true}"#),
                ("cache.increment", #"["k"]"#),
                ("hash.get", #"["k","f"]"#), ("hash.get_all", #"["k"]"#), ("hash.set", #"["k",{"f":1}]"#),
                ("hash.delete", #"["k",["f"]]"#), ("hash.increment", #"["k","f"]"#),
            ]
            for (method, params) in calls {
                let error = try await client.error(of: method, params)
                #expect(error["code"] == 1008, "\(method): \(error.text(style: .compact))")
            }
            #expect(try server.command("LRANGE", "cache:k", "0", "-1") == .array([.bulk(Array("a".utf8))]))
            #expect(try server.command("GET", "hash:k").text == "a")
            #expect(try await client.result(of: "cache.get_many", #"[["k"]]"#) == ["entries": [["hit": false]]])
            // Writing anew and deleting work on whatever is there.
            #expect(try await client.result(of: "cache.set", #"["k",1]"#)["stored"] == true)
            #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"] == 1)
        }
    }

    @Test("stands in the answers of several in the order asked, as often as asked", arguments: ServerKind.installed)
    func many(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let entries = (0..<1000).map { #"{"key":"k\#($0)","value":\#($0)}"# }.joined(separator: ",")
            #expect(try await client.result(of: "cache.set_many", "[[\(entries)]]") == ["stored": 1000])
            let keys = (0..<1000).map { "\"k\(($0 * 7) % 1100)\"" }.joined(separator: ",")
            let found = try await client.result(of: "cache.get_many", "[[\(keys)]]")["entries"]?.array ?? []
            #expect(found.count == 1000)
            for (index, entry) in found.enumerated() {
                let number = (index * 7) % 1100
                let expected: Document =
                    number < 1000
                    ? ["hit": true, "value": .integer(Int64(number)), "source": "valkey"] : ["hit": false]
                #expect(entry == expected)
            }
            let doubled = #"[[{"key":"d","value":1},{"key":"d","value":2}]]"#
            #expect(try await client.result(of: "cache.set_many", doubled) == ["stored": 2])
            let twice = try await client.result(of: "cache.get_many", #"[["d","x","d"]]"#)["entries"]?.array
            #expect(twice?.map { $0["value"] } == [2, nil, 2])
            #expect(try await client.result(of: "cache.delete", #"{"keys":["d","d","x"]}"#) == ["deleted": 1])
            #expect(try await client.result(of: "cache.delete", "{\"keys\":[\(keys)]}")["deleted"]?.integer ?? 0 > 900)
        }
    }
}
