import Bytes
import JSON
import TestSupport
import Testing

@Suite("A JSON string")
struct JSONStringTests {
    /// What a string in quotes means, as bytes, or the fault.
    private func meaning(_ text: String) throws -> [UInt8] {
        try withValue(text) { value in
            let string = try #require(value.string)
            var buffer = ByteBuffer()
            try string.append(to: &buffer)
            return buffer.view.copy()
        }
    }

    private func decoded(_ text: String) throws -> String {
        try withValue(text) { try #require($0.string).decoded() }
    }

    @Test(
        "means what its escapes mean",
        arguments: [
            (#""""#, ""), (#""plain""#, "plain"), (#""\"\\\/""#, "\"\\/"), (#""\b\f\n\r\t""#, "\u{8}\u{c}\n\r\t"),
            (#""\u0041\u00e9\u20ac\uFFFF""#, "Aé€\u{ffff}"), (#""\u0000""#, "\0"), (#""a\u0000b""#, "a\0b"),
            (#""\u007f\u0080\u07ff\u0800""#, "\u{7f}\u{80}\u{7ff}\u{800}"), (#""\ud83d\uDE00""#, "😀"),
            (#""\uD800\uDC00\udbff\udfff""#, "\u{10000}\u{10ffff}"), (#""\\u0041""#, #"\u0041"#),
            (#""\\\\n""#, #"\\n"#), (#""x\nxé\n😀\n""#, "x\nxé\n😀\n"), (#""\ud7ff\ue000""#, "\u{d7ff}\u{e000}"),
        ]
    )
    func escapes(text: String, expected: String) throws {
        #expect(try meaning(text) == Array(expected.utf8))
        #expect(try decoded(text) == expected)
    }

    @Test("means every character that is written as an escape")
    func everyEscape() throws {
        for value in UInt32(0)...0xffff {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let digits = String(value, radix: 16)
            let escape = String(repeating: "0", count: 4 - digits.count) + digits
            let found = try meaning("\"\\u\(escape)\"")
            guard found == Array(Character(scalar).utf8) else {
                Issue.record("\\u\(escape) became \(found)")
                return
            }
        }
    }

    @Test(
        "is no text where half of a surrogate pair stands alone",
        arguments: [
            (#""\ud800""#, 0, "\u{fffd}"), (#""ab\udc00""#, 2, "ab\u{fffd}"), (#""\ud800x""#, 0, "\u{fffd}x"),
            (#""\ud800\n""#, 0, "\u{fffd}\n"), (#""\ud800\u0041""#, 0, "\u{fffd}A"),
            (#""\ud800\ud800\udc00z""#, 0, "\u{fffd}\u{10000}z"), (#""\udc00\ud800""#, 0, "\u{fffd}\u{fffd}"),
            (#""😀\udfff!""#, 4, "😀\u{fffd}!"), (#""\ud83d\ude00\ud83d""#, 12, "😀\u{fffd}"),
            (#""\ud800\\u""#, 0, "\u{fffd}\\u"),
        ]
    )
    func loneSurrogates(text: String, offset: Int, shown: String) throws {
        #expect(throws: JSONFault(.loneSurrogate, at: offset)) { try meaning(text) }
        #expect(try decoded(text) == shown)
    }

    @Test("is compared by what it means")
    func equality() throws {
        try withValue(#"["method","meth\u006fd","\u006d\u0065thod","methoD","metho","method\u0000","m\ud800"]"#) {
            value in
            var elements = value.elements()
            var results: [Bool] = []
            while let element = elements.next() { results.append(element.string?.equals("method") == true) }
            #expect(results == [true, true, true, false, false, false, false])
        }
    }
}

@Suite("The JSON writer")
struct JSONWriterTests {
    private func written(_ text: [UInt8]) -> [UInt8] {
        var buffer = ByteBuffer()
        text.withByteView { buffer.append(jsonString: $0) }
        return buffer.view.copy()
    }

    @Test(
        "escapes what must be escaped and nothing else",
        arguments: [
            ("", #""""#), ("plain é 😀 /", #""plain é 😀 /""#), ("\"\\", #""\"\\""#),
            ("\u{8}\u{9}\u{a}\u{c}\u{d}", #""\b\t\n\f\r""#),
            ("\0\u{1}\u{b}\u{e}\u{1f}", #""\u0000\u0001\u000b\u000e\u001f""#),
            ("\u{7f}\u{2028}", "\"\u{7f}\u{2028}\""), ("a\nb", #""a\nb""#),
        ]
    )
    func escapes(text: String, expected: String) {
        #expect(written(Array(text.utf8)) == Array(expected.utf8))
        var buffer = ByteBuffer()
        buffer.append(jsonString: text)
        let result = buffer.view.text()
        #expect(result == expected)
    }

    @Test("writes strings that the scanner reads back as the same", arguments: 0..<50 as Range<UInt64>)
    func roundTrip(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let scalars = (0..<200).compactMap { _ in
            Unicode.Scalar(UInt32.random(in: 0...UInt32.random(in: 1...0x10ffff, using: &random), using: &random))
        }
        let text = String(String.UnicodeScalarView(scalars))
        let json = String(decoding: written(Array(text.utf8)), as: UTF8.self)
        #expect(json.utf8.allSatisfy { $0 >= 0x20 })
        try withValue(json) { value in
            let decoded = try #require(value.string).decoded()
            #expect(Array(decoded.utf8) == Array(text.utf8), "seed \(seed)")
        }
    }

    @Test("puts a scanned value on one line without touching its tokens")
    func oneLine() {
        var buffer = ByteBuffer()
        buffer.append("\n\r")
        buffer.append(jsonText: ByteView("{\r\n  \"a\\n\": [1,\n\t2.50],\r\"b\": \"\\r\"\n}"))
        let result = buffer.view.text()
        #expect(result == "\n\r{    \"a\\n\": [1, \t2.50], \"b\": \"\\r\" }")
    }

    @Test("writes truth values")
    func booleans() {
        var buffer = ByteBuffer()
        buffer.append(jsonBoolean: true)
        buffer.append(jsonBoolean: false)
        let result = buffer.view.text()
        #expect(result == "truefalse")
    }
}
