import JSON
import TestSupport
import Testing

@Suite("Bad input")
struct BadInputTests {
    /// A line, and the error that it is answered with.
    struct Line: CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let code: Int64
        let kind: String
        /// Member of the error's data that has to be there, with its value.
        var data: (name: String, value: Document)?
        /// Id of the answer, as written.
        var id = "null"

        var testDescription: String { name }

        /// A line of any bytes.
        init(_ name: String, _ bytes: [UInt8], _ code: Int64, _ kind: String, _ data: (String, Document)? = nil) {
            (self.name, self.bytes, self.code, self.kind, self.data) = (name, bytes, code, kind, data)
        }

        /// A call with the id 5.
        init(call method: String, _ params: String, _ code: Int64, _ kind: String, _ data: (String, Document)? = nil) {
            let text = #"{"jsonrpc":"2.0","id":5,"method":"\#(method)","params":\#(params)}"#
            self.init("\(method) \(params.prefix(60))", Array(text.utf8), code, kind, data)
            id = "5"
        }
    }

    /// Limits that are reached with few bytes.
    private static let configuration = #"{"limits": {"message_bytes_max": 20000, "id_bytes_max": 64}}"#

    private static func nested(_ depth: Int) -> [UInt8] {
        Array(String(repeating: "[", count: depth).utf8) + Array(String(repeating: "]", count: depth).utf8)
    }

    private static let texts: [Line] = [
        Line("no JSON", Array("hello".utf8), -32700, "parse_error", ("offset", 0)),
        Line("a single quote", Array("'".utf8), -32700, "parse_error"),
        Line("half an object", Array(#"{"jsonrpc":"2.0""#.utf8), -32700, "parse_error"),
        Line("two objects", Array("{} {}".utf8), -32700, "parse_error"),
        Line("a trailing comma", Array(#"{"id":1,}"#.utf8), -32700, "parse_error"),
        Line("a byte order mark", [0xef, 0xbb, 0xbf] + Array("{}".utf8), -32700, "parse_error"),
        Line(
            "invalid UTF-8",
            Array(#"{"jsonrpc":"2.0","id":1,"method":""#.utf8) + [0xc3, 0x28],
            -32700,
            "parse_error"
        ),
        Line("an overlong slash", Array(#"["a"#.utf8) + [0xc0, 0xaf] + Array(#""]"#.utf8), -32700, "parse_error"),
        Line("a raw surrogate", Array(#"[""#.utf8) + [0xed, 0xa0, 0x80] + Array(#""]"#.utf8), -32700, "parse_error"),
        Line("a NUL", [0], -32700, "parse_error"),
        Line("a raw control character", Array("[\"\u{1}\"]".utf8), -32700, "parse_error"),
        Line("not a number", Array("[NaN]".utf8), -32700, "parse_error"),
        Line("a leading zero", Array("[01]".utf8), -32700, "parse_error"),
        Line("65 levels", nested(65), -32700, "parse_error"),
        Line("many levels", nested(9000), -32700, "parse_error"),
        Line("20000 brackets that open", [UInt8](repeating: UInt8(ascii: "["), count: 20_000), -32700, "parse_error"),
        Line("a number", Array("17".utf8), -32600, "invalid_request"),
        Line("a string", Array(#""agent.ping""#.utf8), -32600, "invalid_request"),
        Line("null", Array("null".utf8), -32600, "invalid_request"),
        Line("an empty object", Array("{}".utf8), -32600, "invalid_request"),
        Line("no version", Array(#"{"method":"agent.ping"}"#.utf8), -32600, "invalid_request"),
        Line("another version", Array(#"{"jsonrpc":"1.0","method":"agent.ping"}"#.utf8), -32600, "invalid_request"),
        Line("a number as version", Array(#"{"jsonrpc":2.0,"method":"agent.ping"}"#.utf8), -32600, "invalid_request"),
        Line("no method", Array(#"{"jsonrpc":"2.0"}"#.utf8), -32600, "invalid_request"),
        Line(
            "a string as params",
            Array(#"{"jsonrpc":"2.0","method":"agent.ping","params":"a"}"#.utf8),
            -32600,
            "invalid_request"
        ),
        Line(
            "null as params",
            Array(#"{"jsonrpc":"2.0","method":"agent.ping","params":null}"#.utf8),
            -32600,
            "invalid_request"
        ),
        Line(
            "a long id",
            Array(#"{"jsonrpc":"2.0","method":"agent.ping","id":"\#(String(repeating: "x", count: 64))"}"#.utf8),
            -32600,
            "invalid_request"
        ),
        Line(
            "a long batch",
            Array("[\([String](repeating: "1", count: 1001).joined(separator: ","))]".utf8),
            -32600,
            "invalid_request"
        ),
        Line(
            "20001 bytes",
            [UInt8](repeating: UInt8(ascii: "x"), count: 20_001),
            1005,
            "too_large",
            ("limit_bytes", 20_000)
        ),
        Line(
            "300000 bytes",
            [UInt8](repeating: UInt8(ascii: "x"), count: 300_000),
            1005,
            "too_large",
            ("limit_bytes", 20_000)
        ),
    ]

    private static let longKey = String(repeating: "ä", count: 513)

    private static let calls: [Line] = [
        Line(call: "cache.gett", "{}", -32601, "method_not_found"),
        Line(call: "", "{}", -32601, "method_not_found"),
        Line(call: #"\u0000\ud800"#, "{}", -32601, "method_not_found"),
        Line(call: String(repeating: "m", count: 5000), "{}", -32601, "method_not_found"),
        Line(call: "cache.get", "{}", -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", "[]", -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", #"{"key":5}"#, -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", #"{"key":null}"#, -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", #"{"key":""}"#, -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", #"[""]"#, -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", #"{"key":"a","key":"b"}"#, -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", #"{"key":"a","k\u0065y":"b"}"#, -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", #"{"key":"a","kex":1}"#, -32602, "invalid_params", ("param", "kex")),
        Line(call: "cache.get", #"{"key":"\ud800"}"#, -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get", #"{"key":"a","with_ttl":"yes"}"#, -32602, "invalid_params", ("param", "with_ttl")),
        Line(call: "cache.get", #"{"key":"a","namespace":"a b"}"#, -32602, "invalid_params", ("param", "namespace")),
        Line(call: "cache.get", #"{"key":"a","namespace":""}"#, -32602, "invalid_params", ("param", "namespace")),
        Line(call: "cache.get", #"["a","n",false,false,5,6,false,7]"#, -32602, "invalid_params", ("param", "[7]")),
        Line(call: "cache.get", #"{"key":"a","_meta":5}"#, -32602, "invalid_params", ("param", "_meta")),
        Line(
            call: "cache.get",
            #"{"key":"a","_meta":{"deadline_ms":0}}"#,
            -32602,
            "invalid_params",
            ("param", "_meta.deadline_ms")
        ),
        Line(call: "cache.get", #"{"key":"\#(longKey)"}"#, 1005, "too_large", ("limit_bytes", 1024)),
        Line(call: "cache.set", #"{"key":"a"}"#, -32602, "invalid_params", ("param", "value")),
        Line(call: "cache.set", #"{"key":"a","value":1,"ttl_ms":-1}"#, -32602, "invalid_params", ("param", "ttl_ms")),
        Line(call: "cache.set", #"{"key":"a","value":1,"ttl_ms":1.5}"#, -32602, "invalid_params", ("param", "ttl_ms")),
        Line(
            call: "cache.set",
            #"{"key":"a","value":1,"ttl_ms":"60s"}"#,
            -32602,
            "invalid_params",
            ("param", "ttl_ms")
        ),
        Line(call: "cache.set", #"{"key":"a","text":"\ud800"}"#, -32602, "invalid_params", ("param", "text")),
        Line(call: "cache.set", #"{"key":"a","base64":"a"}"#, -32602, "invalid_params", ("param", "base64")),
        Line(
            call: "cache.set",
            #"{"key":"a","value":1,"condition":"maybe"}"#,
            -32602,
            "invalid_params",
            ("param", "condition")
        ),
        Line(
            call: "cache.increment",
            #"{"key":"a","by":9223372036854775808}"#,
            -32602,
            "invalid_params",
            ("param", "by")
        ),
        Line(call: "cache.increment", #"{"key":"a","by":1.0}"#, -32602, "invalid_params", ("param", "by")),
        Line(call: "cache.delete", "{}", -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.delete", #"{"key":"a","keys":["a"]}"#, -32602, "invalid_params", ("param", "key")),
        Line(call: "cache.get_many", #"{"keys":"a"}"#, -32602, "invalid_params", ("param", "keys")),
        Line(call: "cache.get_many", #"{"keys":["a",""]}"#, -32602, "invalid_params", ("param", "keys[1]")),
        Line(
            call: "cache.get_many",
            "[[\([String](repeating: "\"k\"", count: 1001).joined(separator: ","))]]",
            -32602,
            "invalid_params",
            ("param", "keys")
        ),
        Line(
            call: "cache.set_many",
            #"{"entries":[{"key":"a","value":1},{"key":"b","text":"\ud800"}]}"#,
            -32602,
            "invalid_params",
            ("param", "entries[1].text")
        ),
        Line(
            call: "cache.set_many",
            #"{"entries":[{"key":"a","value":1},{"key":"\udfff","value":1}]}"#,
            -32602,
            "invalid_params",
            ("param", "entries[1].key")
        ),
        Line(
            call: "cache.delete",
            #"{"keys":["a","\udfff"]}"#,
            -32602,
            "invalid_params",
            ("param", "keys[1]")
        ),
        Line(call: "cache.keys", #"{"cursor":"x"}"#, -32602, "invalid_params", ("param", "cursor")),
        Line(call: "cache.keys", #"{"cursor":"-1"}"#, -32602, "invalid_params", ("param", "cursor")),
        Line(call: "cache.invalidate", "{}", -32602, "invalid_params", ("param", "pattern")),
        Line(call: "hash.set", #"{"key":"a","fields":{}}"#, -32602, "invalid_params", ("param", "fields")),
        Line(call: "hash.set", #"{"key":"a","fields":[1]}"#, -32602, "invalid_params", ("param", "fields")),
        Line(
            call: "agent.ping",
            #"{"_meta":{"traceparent":"x"}}"#,
            -32602,
            "invalid_params",
            ("param", "_meta.traceparent")
        ),
        Line(
            call: "agent.ping",
            "[\([String](repeating: "0", count: 65).joined(separator: ","))]",
            -32602,
            "invalid_params"
        ),
    ]

    @Test("is answered with its error, and the connection goes on as all others do", arguments: texts + calls)
    func answered(line: Line) async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let other = try agent.connect()
            #expect(try await other.result(of: "cache.set", #"["kept", 1]"#)["stored"] == true)
            let client = try agent.connect()
            try await client.send(bytes: line.bytes + [UInt8(ascii: "\n")])
            let text = try await client.receive()
            let reply = try Document.parse(text)
            #expect(text.hasPrefix(#"{"jsonrpc":"2.0","id":\#(line.id),"error":{"#), "\(text)")
            #expect(reply["error"]?["code"]?.integer == line.code, "\(text)")
            #expect(reply["error"]?["data"]?["kind"]?.string == line.kind, "\(text)")
            #expect(reply["error"]?["message"]?.string?.isEmpty == false, "\(text)")
            if let data = line.data { #expect(reply["error"]?["data"]?[data.name] == data.value, "\(text)") }
            #expect(text.utf8.count < 1000)
            // The very next message is served, on this connection and on another, and nothing was changed.
            #expect(try await client.result(of: "agent.ping") == ["pong": true])
            #expect(try await client.result(of: "cache.get", #"["kept"]"#)["value"] == 1)
            #expect(try await other.result(of: "cache.get", #"["a"]"#) == ["hit": false])
            try await waitUntil("both connections are open, and no other") {
                try await other.result(of: "agent.stats")["connections"]?["open"] == 2
            }
        }
    }

    @Test("that is too long is skipped over Content-Length framing too")
    func tooLongCounted() async throws {
        try await withAgent(configuration: Self.configuration) { agent in
            let client = try agent.connect(.contentLength)
            let long = String(repeating: "x", count: 100_000)
            try await client.send(long)
            let reply = try Document.parse(try await client.receive())
            #expect(reply["id"] == .null)
            #expect(reply["error"]?["data"]?["limit_bytes"] == 20_000)
            #expect(try await client.result(of: "agent.ping") == ["pong": true])
        }
    }

    @Test(
        "that is HTTP is told what this socket is",
        arguments: ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /rpc HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"]
    )
    func http(request: String) async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            let client = try agent.connect()
            try await client.send(bytes: Array(request.utf8))
            let answer = try await client.receiveToEnd()
            #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
            #expect(answer.contains("JSON-RPC 2.0"))
            let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1)
            #expect(answer.contains("Content-Length: \(parts.last?.utf8.count ?? 0)\r\n"))
            #expect(try await other.result(of: "agent.ping") == ["pong": true])
        }
    }

    @Test(
        "that is no header is answered once, and the connection ends",
        arguments: [
            "Content-Length: abc\r\n\r\n{}", "Content-Length: -1\r\n\r\n", "Content-Type: json\r\n\r\n{}",
            "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "CONNECT\r\n\r\n",
            "Content-Length: 99999999999999999999\r\n\r\n", "C" + String(repeating: "x", count: 5000),
        ]
    )
    func unreadableHeader(header: String) async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            let client = try agent.connect(.contentLength)
            try await client.send(bytes: Array(header.utf8))
            let error = try Document.parse(try await client.receive())["error"]
            #expect(error?["code"]?.integer == -32700)
            #expect(try await client.receiveToEnd() == "")
            #expect(try await other.result(of: "agent.ping") == ["pong": true])
        }
    }
}
