import Bytes
import JSON
import JSONRPC
import Testing

@Suite("A conversation")
struct ConversationTests {
    private func code(_ line: String) -> Int64? {
        (try? Document.parse(line))?["error"]?["code"]?.integer
    }

    private func request(_ id: String, _ params: String = "[]") -> String {
        #"{"jsonrpc":"2.0","method":"sum","params":\#(params),"id":\#(id)}"#
    }

    private func result(_ id: String, _ value: String) -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"result":\#(value)}"#
    }

    @Test("goes on after a broken line, an invalid message and one too large")
    func recovery() {
        var limits = RPCLimits()
        limits.messageBytesMax = 100
        let server = ArithmeticServer(limits: limits)
        let long = request("9", "[" + String(repeating: "1,", count: 100) + "1]")
        let stream = ["{\"a\":", "\u{1}", "7", long, request("1", "[2,3]"), "GET / HTTP/1.1", "[]", request("2")]
        let lines = server.lines(stream.joined(separator: "\r\n"))
        #expect(lines.map(code) == [-32700, -32700, -32600, 1005, nil, -32700, -32600, nil])
        #expect(lines[4] == result("1", "5"))
        #expect(lines[7] == result("2", "0"))
        #expect(lines[3].contains(#""limit_bytes":100"#))
        #expect(lines[3].hasPrefix(#"{"jsonrpc":"2.0","id":null,"#))
    }

    @Test("goes on after a counted message that is broken or too large")
    func countedRecovery() throws {
        var limits = RPCLimits()
        limits.messageBytesMax = 100
        let server = ArithmeticServer(limits: limits)
        let bodies = ["{", String(repeating: "x", count: 101), request("1", "[\n1,\n2]"), "[]"]
        let stream = bodies.map { "Content-Length: \($0.utf8.count)\r\n\r\n\($0)" }.joined()
        let events = FrameLog.events(of: server.exchange(stream))
        let replies = try events.map { event in
            guard case .message(let bytes) = event else { throw JSONFault(.unexpectedByte, at: 0) }
            return String(decoding: bytes, as: UTF8.self)
        }
        try #require(replies.count == 4)
        #expect(replies.map(code) == [-32700, 1005, nil, -32600])
        #expect(replies[2] == result("1", "3"))
    }

    @Test("answers each element of a batch as if it had come alone")
    func mixedBatch() throws {
        let server = ArithmeticServer()
        let elements = [
            request("1", "[1]"), "7", "[]", "[\(request("2"))]", "{}", #"{"jsonrpc":"2.0","method":"none"}"#,
            #"{"jsonrpc":"2.0","method":"update"}"#, #"{"jsonrpc":"2.0","method":"subtract","params":[1],"id":3}"#,
            request(#""\u0034""#, "{\"a\":2}"), "null", #""x""#, #"{"jsonrpc":"2.0","method":"sum","params":"x"}"#,
        ]
        let lines = server.lines("[" + elements.joined(separator: " ,\t") + "]")
        try #require(lines.count == 1)
        let replies = try #require(try Document.parse(lines[0]).array)
        let codes = replies.map { $0["error"]?["code"]?.integer }
        #expect(codes == [nil, -32600, -32600, -32600, -32600, -32602, nil, -32600, -32600, -32600])
        #expect(replies.map { $0["id"] } == [1, .null, .null, .null, .null, 3, "4", .null, .null, .null])
        #expect(server.notifications == ["none", "update"])
    }

    @Test("may answer a batch in any order, once, when all is answered")
    func deferredBatch() {
        let server = ArithmeticServer()
        server.isDeferring = true
        #expect(server.lines("[\(request("1", "[1]")),\(request("2", "[2]")),7,\(request("3", "[3]"))]") == [])
        #expect(server.lines(request("4", "[4]")) == [])
        let text = server.answer(reversed: true)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.count == 2)
        #expect(lines.first == result("4", "4"))
        #expect(lines.last?.hasPrefix(#"[{"jsonrpc":"2.0","id":null,"error":"#) == true)
        #expect(lines.last?.hasSuffix("\(result("3", "3")),\(result("2", "2")),\(result("1", "1"))]") == true)
    }

    @Test("is a line a reply, however the request was laid out")
    func oneLine() {
        let server = ArithmeticServer()
        let body = "{\n  \"jsonrpc\": \"2.0\",\r\n  \"method\": \"sum\",\n  \"params\": [\n 1\n ],\n  \"id\": 1\n}\n"
        let stream = "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        let reply = result("1", "1")
        #expect(server.exchange(stream) == "Content-Length: \(reply.utf8.count)\r\n\r\n\(reply)")
    }

    @Test("is the same whatever the pieces that it arrives in")
    func pieces() {
        let stream =
            [request("1", "[1,2]"), "[\(request("2")),7]", "{", "", request("\"é\"")].joined(separator: "\r\n") + "\n"
        let expected = ArithmeticServer().exchange(stream)
        let server = ArithmeticServer()
        var output = ""
        for byte in Array(stream.utf8) {
            [byte].withByteView { server.receive($0) }
            output += server.takeOutput()
        }
        #expect(output == expected)
        let left = server.peer.input.count
        #expect(left == 0)
    }

    @Test(
        "ends where it is no conversation at all",
        arguments: ["GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "Cookie\n\n"]
    )
    func over(stream: String) {
        let server = ArithmeticServer()
        #expect(server.exchange(stream) == "")
        #expect(server.isOver)
    }
}

@Suite("An error reply")
struct RPCErrorTests {
    @Test("has all that programs can act on, as JSON on one line")
    func members() throws {
        let error = RPCError(
            code: 1002,
            kind: "deadline_exceeded",
            message: "the\n\"deadline\" é\u{1}",
            isRetryable: true,
            retryAfterMilliseconds: 250,
            outcome: .unknown,
            details: [("done", "3"), ("cycle", "[\"a\",\"b\"]")]
        )
        var buffer = ByteBuffer()
        error.append(to: &buffer)
        let text = buffer.view.text()
        #expect(!text.contains("\n"))
        #expect(
            try Document.parse(text) == [
                "code": 1002, "message": "the\n\"deadline\" é\u{1}",
                "data": [
                    "kind": "deadline_exceeded", "retryable": true, "retry_after_ms": 250, "outcome": "unknown",
                    "done": 3, "cycle": ["a", "b"],
                ],
            ]
        )
    }

    @Test("names a parameter as it is, whatever is in its name", arguments: ["key", "a\"b", "\n", "é", ""])
    func parameter(name: String) throws {
        var buffer = ByteBuffer()
        RPCError.invalidParams("unknown", parameter: name).append(to: &buffer)
        let document = try Document.parse(buffer.view.text())
        #expect(document["code"] == -32602)
        #expect(document["data"]?["param"] == .string(name))
    }

    @Test("says what was not applied")
    func outcome() throws {
        var buffer = ByteBuffer()
        RPCError(code: 1, kind: "k", message: "", outcome: .notApplied).append(to: &buffer)
        #expect(try Document.parse(buffer.view.text())["data"]?["outcome"] == "not_applied")
    }
}

@Suite("The limits")
struct RPCLimitsTests {
    @Test("fit each other by default")
    func defaults() {
        #expect(RPCLimits().fault() == nil)
    }

    @Test("are refused where they do not fit each other")
    func relations() {
        var limits = RPCLimits()
        limits.replyBytesMax = limits.outputBytesMax + 1
        #expect(limits.fault() != nil)
        limits = RPCLimits()
        limits.outputBytesHigh = limits.outputBytesMax + 1
        #expect(limits.fault() != nil)
        limits = RPCLimits()
        limits.messageBytesMax = limits.idBytesMax - 1
        #expect(limits.fault() != nil)
    }
}
