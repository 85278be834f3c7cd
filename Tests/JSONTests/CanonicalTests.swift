import Bytes
import Testing

@testable import JSON

/// The canonical form of a JSON text.
private func canonical(_ text: String) throws -> String {
    try Array(text.utf8).withByteView { view in
        var buffer = ByteBuffer()
        try CanonicalJSON.append(try JSONScanner.scan(view, depthMax: 64), to: &buffer)
        return buffer.view.text()
    }
}

@Suite("The canonical form")
struct CanonicalTests {
    @Test(
        "is that of RFC 8785",
        arguments: [
            // RFC 8785 section 3.2.2 and 3.2.3, and what follows from them.
            (#" { "b" : 1 , "a" : [ true , null ] } "#, #"{"a":[true,null],"b":1}"#),
            (#"{"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/"}"#, #"{"string":"€$\u000f\nA'B\"\\\\\"/"}"#),
            (
                #"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#,
                "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}"
            ),
            (#"[0, -0, 0e7, -0.000]"#, "[0,0,0,0]"),
            (
                "[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]",
                "[333333333.33333329,1e+30,4.5,0.002,1e-27]"
            ),
            (
                "[1e21, 1e20, 123456789012345678901, 1234567890123456789012, 0.000001, 0.0000001]",
                "[1e+21,100000000000000000000,123456789012345678901,1.234567890123456789012e+21,0.000001,1e-7]"
            ),
            (#"["\b\f\n\r\t\u0000\u007f"]"#, "[\"\\b\\f\\n\\r\\t\\u0000\u{7f}\"]"),
            (#"{"a":{"z":1,"y":[{"d":1,"c":2}]},"":0}"#, #"{"":0,"a":{"y":[{"c":2,"d":1}],"z":1}}"#),
        ]
    )
    func form(text: String, expected: String) throws {
        #expect(try canonical(text) == expected)
        #expect(try canonical(expected) == expected)
    }

    @Test(
        "writes one number one way",
        arguments: [
            ["1", "1.0", "1e0", "10e-1", "0.1E+1", "1.00000000000000000000", "100e-00000000000000000002"],
            ["0.7", "7e-1", "0.70", "70E-2"], ["-12.5", "-1.25e1", "-125e-1"], ["1000", "1e3", "1.0E+03"],
        ]
    )
    func numbers(same: [String]) throws {
        #expect(Set(try same.map { try canonical($0) }).count == 1)
    }

    @Test("tells numbers apart that doubles do not")
    func exactNumbers() throws {
        #expect(try canonical("9007199254740993") != canonical("9007199254740992"))
        #expect(try canonical("0.1") != canonical("0.1000000000000000055"))
        #expect(try canonical("1e400") != canonical("1e401"))
        #expect(try canonical("1e99999999999999999999") != canonical("1e99999999999999999998"))
        #expect(try canonical("1") != canonical("-1"))
        #expect(try canonical("1") != canonical(#""1""#))
    }

    @Test("does not exist where a member stands twice, or a string is no text")
    func faults() {
        #expect(throws: CanonicalFault.repeatedMember) { try canonical(#"{"a":1,"b":2,"a":1}"#) }
        #expect(throws: CanonicalFault.repeatedMember) { try canonical(#"{"a":1,"\u0061":1}"#) }
        #expect(throws: CanonicalFault.loneSurrogate) { try canonical(#"["\ud800"]"#) }
        #expect(throws: CanonicalFault.loneSurrogate) { try canonical(#"{"\udc00x":1}"#) }
    }

    @Test("sorts names by UTF-16, as sorting their code units does")
    func order() {
        var generator = SystemRandomNumberGenerator()
        let letters: [Character] = [
            "a", "z", "é", "\u{7ff}", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{10ffff}",
        ]
        for _ in 0..<4000 {
            let words = (0..<2).map { _ in
                String(
                    (0..<Int.random(in: 0...3, using: &generator)).map { _ in
                        letters.randomElement(using: &generator) ?? "a"
                    }
                )
            }
            let expected = words[0].utf16.lexicographicallyPrecedes(words[1].utf16)
            #expect(CanonicalJSON.precedes(Array(words[0].utf8), Array(words[1].utf8)) == expected, "\(words)")
        }
    }
}
