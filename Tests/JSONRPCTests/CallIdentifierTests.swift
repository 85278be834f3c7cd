import Testing

@Suite("The id of a call")
struct CallIdentifierTests {
    private static let ids: [String] = [
        "1", "0", "-0", "-1", "1.0", "1.50", "1e2", "1E+02", "12345678901234567890", "-98765432109876543210.5",
        "99999999999999999999999999999999999999999", "null", #""""#, #""1""#, #""a\n\u0041\/\"\\""#, #""\ud800""#,
        #""é😀""#, #""\u0000""#, "\"\u{7f}\u{2028}\"", #"" ""#, #""012345678901234567890""#,
        #""0123456789012345678901""#,
        #""01234567890123456789012""#, "\"" + String(repeating: "x", count: 254) + "\"", "1e400",
    ]

    @Test("is echoed as it was written, in results", arguments: ids)
    func results(id: String) {
        let request = #"{"jsonrpc":"2.0","method":"sum","params":[1],"id":\#(id)}"#
        let reply = #"{"jsonrpc":"2.0","id":\#(id),"result":1}"#
        let server = ArithmeticServer()
        #expect(server.exchange(request + "\n") == reply + "\n")
        #expect(server.exchange("[\(request), \(request)]\n") == "[\(reply),\(reply)]\n")
    }

    @Test("is echoed as it was written, in errors", arguments: ids)
    func errors(id: String) {
        let server = ArithmeticServer()
        for method in [#""none""#, #""subtract""#, "5"] {
            let reply = server.exchange("{\"jsonrpc\":\"2.0\", \"id\" : \(id) ,\"method\":\(method)}\n")
            #expect(reply.hasPrefix("{\"jsonrpc\":\"2.0\",\"id\":\(id),\"error\":{\"code\":-32"))
        }
    }

    @Test("stays with its call, long or short, where calls end in another order and slots are used again")
    func reuse() {
        let server = ArithmeticServer()
        server.isDeferring = true
        for round in 0..<5 {
            var expected: [String] = []
            for (index, id) in Self.ids.enumerated() {
                let request = #"{"jsonrpc":"2.0","method":"sum","params":[\#(index),\#(round)],"id":\#(id)}"#
                #expect(server.exchange(request + "\n") == "")
                expected.append(#"{"jsonrpc":"2.0","id":\#(id),"result":\#(index + round)}"#)
            }
            let reversed = round.isMultiple(of: 2)
            let lines = server.answer(reversed: reversed).split(separator: "\n").map(String.init)
            #expect(lines == (reversed ? expected.reversed() : expected))
        }
    }

    @Test("of null asks for a reply, which a notification does not")
    func null() {
        let server = ArithmeticServer()
        #expect(
            server.lines(#"{"jsonrpc":"2.0","method":"sum","id":null}"#) == [#"{"jsonrpc":"2.0","id":null,"result":0}"#]
        )
        #expect(server.lines(#"{"jsonrpc":"2.0","method":"sum"}"#) == [])
    }

    @Test(
        "that is refused is answered with null",
        arguments: ["true", "[]", "{}", "\"" + String(repeating: "x", count: 255) + "\""]
    )
    func refused(id: String) {
        let lines = ArithmeticServer().lines(#"{"jsonrpc":"2.0","method":"sum","id":\#(id)}"#)
        #expect(lines.count == 1)
        #expect(lines.allSatisfy { $0.hasPrefix(#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"#) })
    }
}
