import JSON
import Testing

/// The examples of section 7 of the JSON-RPC 2.0 specification (https://www.jsonrpc.org/specification), in its order.
///
/// Codes, ids and results are compared exactly; of error messages the specification says only what they should be like.
@Suite("The examples of the JSON-RPC 2.0 specification")
struct SpecificationTests {
    private let server = ArithmeticServer()

    private func reply(_ message: String) throws -> Document {
        let lines = server.lines(message)
        try #require(lines.count == 1)
        return try Document.parse(lines[0])
    }

    private func result(_ result: Document, _ id: Document) -> Document {
        ["jsonrpc": "2.0", "id": id, "result": result]
    }

    private func expectError(_ reply: Document, _ code: Int64, _ id: Document) {
        #expect(reply["jsonrpc"] == "2.0")
        #expect(reply["id"] == id)
        #expect(reply["error"]?["code"]?.integer == code)
        #expect(reply["error"]?["message"]?.string?.isEmpty == false)
        #expect(reply["result"] == nil)
    }

    @Test("rpc call with positional parameters")
    func positional() throws {
        #expect(
            try reply(#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#) == result(19, 1)
        )
        #expect(
            try reply(#"{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}"#) == result(-19, 2)
        )
    }

    @Test("rpc call with named parameters")
    func named() throws {
        let first = #"{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}"#
        let second = #"{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}"#
        #expect(try reply(first) == result(19, 3))
        #expect(try reply(second) == result(19, 4))
    }

    @Test("a notification")
    func notification() {
        #expect(server.exchange(#"{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}"# + "\n") == "")
        #expect(server.exchange(#"{"jsonrpc": "2.0", "method": "foobar"}"# + "\n") == "")
        #expect(server.notifications == ["update", "foobar"])
    }

    @Test("rpc call of non-existent method")
    func unknownMethod() throws {
        expectError(try reply(#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#), -32601, "1")
    }

    @Test("rpc call with invalid JSON")
    func invalidJSON() throws {
        expectError(try reply(#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#), -32700, .null)
    }

    @Test("rpc call with invalid Request object")
    func invalidRequest() throws {
        expectError(try reply(#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#), -32600, .null)
    }

    @Test("rpc call Batch, invalid JSON")
    func invalidBatch() throws {
        let text = #"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method" ]"#
        expectError(try reply(text), -32700, .null)
    }

    @Test("rpc call with an empty Array")
    func emptyBatch() throws {
        expectError(try reply("[]"), -32600, .null)
    }

    @Test("rpc call with an invalid Batch (but not empty), and with invalid Batch", arguments: [1, 3])
    func batchOfNumbers(count: Int) throws {
        let numbers = (1...count).map(String.init).joined(separator: ",")
        let replies = try #require(try reply("[\(numbers)]").array)
        #expect(replies.count == count)
        for reply in replies { expectError(reply, -32600, .null) }
    }

    @Test("rpc call Batch")
    func batch() throws {
        let text = """
            [{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},\
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},\
            {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},\
            {"foo": "boo"},\
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},\
            {"jsonrpc": "2.0", "method": "get_data", "id": "9"}]
            """
        let replies = try #require(try reply(text).array)
        #expect(replies.count == 5)
        #expect(replies.contains(result(7, "1")))
        #expect(replies.contains(result(19, "2")))
        #expect(replies.contains(result(["hello", 5], "9")))
        expectError(try #require(replies.first { $0["id"] == .null }), -32600, .null)
        expectError(try #require(replies.first { $0["id"] == "5" }), -32601, "5")
        #expect(server.notifications == ["notify_hello"])
    }

    @Test("rpc call Batch (all notifications)")
    func notificationBatch() {
        let text = """
            [{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},\
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]
            """
        #expect(server.exchange(text + "\n") == "")
        #expect(server.notifications == ["notify_sum", "notify_hello"])
    }
}
