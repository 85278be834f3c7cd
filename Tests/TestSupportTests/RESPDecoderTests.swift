import TestSupport
import Testing

struct RESPDecoderTests {
    @Test(
        "every kind of reply is read, also one byte at a time",
        arguments: [
            ("+OK\r\n", .simple("OK")),
            ("-WRONGTYPE no\r\n", .error("WRONGTYPE no")),
            (":-12\r\n", .integer(-12)),
            ("$5\r\na\r\nbc\r\n", .bulk(Array("a\r\nbc".utf8))),
            ("$0\r\n\r\n", .bulk([])),
            ("$-1\r\n", .null),
            ("*-1\r\n", .null),
            ("*0\r\n", .array([])),
            ("*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", .array([.array([.integer(1)]), .bulk([0x78])])),
        ] as [(String, RESPReply)]
    )
    func replies(_ text: String, _ expected: RESPReply) throws {
        var decoder = RESPDecoder()
        for byte in text.utf8.dropLast() {
            decoder.append([byte])
            #expect(try decoder.next() == nil)
        }
        decoder.append("\n+next\r\n".utf8)
        #expect(try decoder.next() == expected)
        #expect(try decoder.next() == .simple("next"))
        #expect(try decoder.next() == nil)
    }

    @Test("what is no RESP2 is a failure", arguments: ["hello\r\n", "$x\r\n", "%1\r\n"])
    func malformed(_ text: String) {
        var decoder = RESPDecoder()
        decoder.append(text.utf8)
        #expect(throws: FixtureError.self) { try decoder.next() }
    }
}
