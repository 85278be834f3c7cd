import JSON
import TestSupport
import Testing

@Suite("A value")
struct ValueTests {
    /// JSON whose text says more than a parsed value would keep.
    private static let texts = [
        "null", "true", "false", "0", "-0", "0.0", "-0.0", "1.0", "1e400", "-1E+400", "1e-999", "9223372036854775807",
        "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890.123456789012345678901234567890",
        "0.1000", #""""#, #""\u0041\u00e9\/\b\f\n\r\t\"\\""#, #""\ud800""#, #""\udc00x\ud83d""#, #""\ud83d\ude00""#,
        #""😀é""#, #""\u0000""#, "\"\u{7f}\u{2028}\u{2029}\u{feff}\"", "{}", "[]", "[ ]",
        "{ \"a\" :\t1 , \"b\":[ 1,2 ] }",
        #"{"b":1,"a":2}"#, #"{"a":1,"a":2,"\u0061":3}"#, #"{"":{"":[]}}"#, #"{"\ud800":"\udfff"}"#,
        #"["cache:x","\u0001"]"#,
        String(repeating: "[", count: 60) + String(repeating: "]", count: 60),
        "\"" + String(repeating: "long \\u00e4 ä", count: 20_000) + "\"",
    ]

    @Test("comes back byte for byte, by every way", arguments: ServerKind.installed)
    func identity(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let counted = try agent.connect(.contentLength)
            let server = try agent.server.connect()
            for text in Self.texts {
                let name = "\(text.prefix(60))"
                #expect(
                    try await client.resultText(of: "cache.set", #"{"key":"k","value":\#(text)}"#)
                        == #"{"stored":true}"#
                )
                #expect(try server.command("GET", "cache:k") == .bulk(Array(text.utf8)), "\(name)")
                let hit = #"{"hit":true,"value":\#(text),"source":"valkey"}"#
                for reader in [client, counted] {
                    let text = try await reader.resultText(of: "cache.get", #"["k"]"#)
                    #expect(text.fromAnywhere == hit.fromAnywhere, "\(name)")
                }
                let life = try await client.resultText(of: "cache.get", #"{"key":"k","with_ttl":true}"#)
                let prefix = #"{"hit":true,"value":\#(text),"source":"valkey","ttl_ms":"#
                #expect(life.fromAnywhere.hasPrefix(prefix.fromAnywhere), "\(name)")
                let entries = #"[[{"key":"m","value":\#(text)},{"value":\#(text),"key":"n"}]]"#
                #expect(try await client.resultText(of: "cache.set_many", entries) == #"{"stored":2}"#)
                let many = try await client.resultText(of: "cache.get_many", #"[["m","n"]]"#)
                #expect(many.fromAnywhere == #"{"entries":[\#(hit),\#(hit)]}"#.fromAnywhere, "\(name)")
                _ = try await client.resultText(of: "hash.set", #"["h",{"f":\#(text)}]"#)
                #expect(try server.command("HGET", "hash:h", "f") == .bulk(Array(text.utf8)), "\(name)")
                let field = try await client.resultText(of: "hash.get", #"["h","f"]"#)
                #expect(field == #"{"found":true,"value":\#(text)}"#, "\(name)")
                let all = try await client.resultText(of: "hash.get_all", #"["h"]"#)
                #expect(all == #"{"found":true,"fields":{"f":\#(text)}}"#, "\(name)")
            }
        }
    }

    @Test("keeps its white space, but for newlines between its tokens, which become spaces")
    func whiteSpace() async throws {
        try await withAgent { agent in
            let client = try agent.connect(.contentLength)
            let lines = try agent.connect()
            let server = try agent.server.connect()
            for framing in [client, lines] {
                let text = framing === client ? "{\n\t\"a\" : [1,\r\n 2 ]\n}" : "{ \t\"a\" : [1,   2 ] }"
                _ = try await framing.resultText(of: "cache.set", #"{"key":"k","value":  \#(text)  }"#)
                #expect(try server.command("GET", "cache:k") == .bulk(Array(text.utf8)))
                let value = text.map { $0.isNewline ? String(repeating: " ", count: $0.utf8.count) : String($0) }
                    .joined()
                for reader in [client, lines] {
                    let hit = try await reader.resultText(of: "cache.get", #"["k"]"#)
                    #expect(hit.fromAnywhere == #"{"hit":true,"value":\#(value),"source":"valkey"}"#.fromAnywhere)
                }
            }
        }
    }

    @Test("of another client is read as the JSON, text or bytes that it is", arguments: ServerKind.installed)
    func foreign(kind: ServerKind) async throws {
        let cases: [(bytes: [UInt8], member: String)] = [
            (Array(#"{"a": 1}"#.utf8), #""value":{"a": 1}"#),
            (Array(" [1,\n 2]\r\n".utf8), #""value": [1,  2]  "#),
            (Array("17".utf8), #""value":17"#),
            (Array("".utf8), #""text":"""#),
            (Array("hello".utf8), #""text":"hello""#),
            (Array("{'a': 1}".utf8), #""text":"{'a': 1}""#),
            (Array("[1,]".utf8), #""text":"[1,]""#),
            (Array("01".utf8), #""text":"01""#),
            (Array("NaN".utf8), #""text":"NaN""#),
            (Array("a\n\"\\\u{0}\u{1f}é".utf8), #""text":"a\n\"\\\u0000\u001fé""#),
            ([0xef, 0xbb, 0xbf, 0x31], "\"text\":\"\u{feff}1\""),
            (Array("\"\u{1}\"".utf8), #""text":"\"\u0001\"""#),
            ([0xff, 0xd8, 0xff, 0xe0], #""base64":"/9j/4A==""#),
            ([UInt8(ascii: "\""), 0xed, 0xa0, 0x80, UInt8(ascii: "\"")], #""base64":"Iu2ggCI=""#),
            (
                Array(String(repeating: "[", count: 70).utf8) + Array(String(repeating: "]", count: 70).utf8),
                #""text":"\#(String(repeating: "[", count: 70))\#(String(repeating: "]", count: 70))""#
            ),
        ]
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            for (bytes, member) in cases {
                #expect(try server.command([Array("SET".utf8), Array("cache@ns:k".utf8), bytes]) == .simple("OK"))
                let hit = #"{"hit":true,\#(member),"source":"valkey"}"#
                let text = try await client.resultText(of: "cache.get", #"{"key":"k","namespace":"ns","fresh":true}"#)
                #expect(text == hit)
                let many = try await client.resultText(of: "cache.get_many", #"[["k","x"],"ns"]"#)
                #expect(many.fromAnywhere == #"{"entries":[\#(hit),{"hit":false}]}"#.fromAnywhere)
                try server.command([Array("HSET".utf8), Array("hash:h".utf8), Array("f".utf8), bytes])
                #expect(try await client.resultText(of: "hash.get", #"["h","f"]"#) == #"{"found":true,\#(member)}"#)
                let all = try await client.resultText(of: "hash.get_all", #"["h"]"#)
                let (group, value) = (member.prefix { $0 != ":" }, member.drop { $0 != ":" })
                let expected =
                    group == #""value""#
                    ? #"{"found":true,"fields":{"f"\#(value)}}"#
                    : #"{"found":true,"fields":{},\#(group.dropLast())_fields":{"f"\#(value)}}"#
                #expect(all == expected)
            }
        }
    }

    @Test("of another client that is too large is refused, and nobody else notices", arguments: [17, 63, 100])
    func tooLarge(mebibytes: Int) async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let other = try agent.connect()
            let server = try agent.server.connect()
            try server.command("SET", "cache:k", "1")
            try server.command("SETRANGE", "cache:huge", "\((mebibytes << 20) - 1)", "x")
            try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":["huge"]}"#)
            let increment = #"{"jsonrpc":"2.0","id":2,"method":"cache.increment","params":["n"]}"#
            try await other.send(increment, increment)
            let error = try Document.parse(try await client.receive())["error"]
            #expect(error?["code"] == 1005)
            let replies = try await other.receive(2)
            for reply in replies { #expect(reply.contains("result"), "\(reply)") }
            #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"] == 1)
            #expect(try await client.result(of: "cache.delete", #"["huge"]"#)["deleted"] == 1)
        }
    }

    @Test("given as text or Base64 is stored as these bytes", arguments: ServerKind.installed)
    func bytes(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let cases: [(member: String, bytes: [UInt8])] = [
                (#""text":"""#, []), (#""base64":"""#, []),
                (#""text":"a\u0000\n\ud83d\ude00""#, Array("a\u{0}\n😀".utf8)),
                (#""text":"{\"a\": 1}""#, Array(#"{"a": 1}"#.utf8)),
                (#""base64":"\/9j\/4A==""#, [0xff, 0xd8, 0xff, 0xe0]),
                (#""base64":"AAAA""#, [0, 0, 0]),
            ]
            for (member, bytes) in cases {
                _ = try await client.result(of: "cache.set", #"{"key":"k",\#(member)}"#)
                #expect(try server.command("GET", "cache:k") == .bulk(bytes), "\(member)")
                _ = try await client.result(of: "cache.set_many", #"[[{"key":"m",\#(member)}]]"#)
                #expect(try server.command("GET", "cache:m") == .bulk(bytes), "\(member)")
            }
        }
    }

    @Test("lies under the documented name, whatever its key", arguments: ["", "app:", "a*[b]?\\"])
    func names(prefix: String) async throws {
        var object = DocumentObject()
        object["valkey"] = ["prefix": .string(prefix)]
        try await withAgent(configuration: Document.object(object).text(style: .compact)) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let keys: [(written: String, key: String)] = [
                ("k", "k"), ("user:42", "user:42"), (#"\u00e4\/\ud83d\ude00"#, "ä/😀"), ("ä/😀", "ä/😀"), (" ", " "),
                (#"a\u0000b\n"#, "a\u{0}b\n"), ("*?[a]", "*?[a]"), (#"\\"#, "\\"), ("a:b@c", "a:b@c"),
                (String(repeating: "ä", count: 512), String(repeating: "ä", count: 512)),
            ]
            for (written, key) in keys {
                _ = try await client.result(of: "cache.set", #"["\#(written)",1]"#)
                #expect(try server.command("GET", "\(prefix)cache:\(key)") == .bulk(Array("1".utf8)), "\(written)")
                _ = try await client.result(of: "cache.set", #"["\#(written)",2,"n.s_-1"]"#)
                #expect(try server.command("GET", "\(prefix)cache@n.s_-1:\(key)") == .bulk(Array("2".utf8)))
                _ = try await client.result(of: "hash.set", #"["\#(written)",{"\#(written)":3}]"#)
                #expect(try server.command("HGET", "\(prefix)hash:\(key)", key) == .bulk(Array("3".utf8)))
                _ = try await client.result(of: "hash.set", #"["\#(written)",{"":4},"n"]"#)
                #expect(try server.command("HGET", "\(prefix)hash@n:\(key)", "") == .bulk(Array("4".utf8)))
                #expect(try await client.result(of: "cache.get", #"["\#(written)","n.s_-1"]"#)["value"] == 2)
                #expect(try await client.result(of: "hash.get", #"["\#(written)","\#(written)"]"#)["value"] == 3)
                #expect(try await client.result(of: "hash.get", #"["\#(written)","","n"]"#)["value"] == 4)
                let all = try await client.result(of: "cache.get_many", #"[["\#(written)"]]"#)["entries"]?.array
                #expect(all?.first?["value"] == 1)
                #expect(try await client.result(of: "cache.delete", #"["\#(written)"]"#)["deleted"] == 1)
                #expect(try server.command("EXISTS", "\(prefix)cache:\(key)") == .integer(0))
                #expect(try await client.result(of: "hash.delete", #"["\#(written)",["\#(written)"]]"#)["deleted"] == 1)
                try server.command("FLUSHALL")
            }
        }
    }
}

extension String {
    /// The text without the words that tell whether a hit came from memory or from Valkey.
    fileprivate var fromAnywhere: String {
        replacing(#","source":"near""#, with: "").replacing(#","source":"valkey""#, with: "")
    }
}
