import Bytes
import Testing

@Suite("A byte view")
struct ByteViewTests {
    private func integer(_ text: String) -> Int64? {
        text.withByteView { $0.integer }
    }

    @Test(
        "spells integers of 64 bits",
        arguments: [
            ("0", 0), ("-0", 0), ("7", 7), ("-7", -7), ("007", 7), ("9223372036854775807", .max),
            ("-9223372036854775808", .min), ("00000000000000000000000000000001", 1),
        ] as [(String, Int64)]
    )
    func integers(text: String, expected: Int64) {
        #expect(integer(text) == expected)
    }

    @Test("spells every integer that the buffer writes")
    func integersRoundTrip() {
        for shift in 0..<64 {
            for value in [Int64.min >> shift, Int64.max >> shift, Int64.min >> shift ^ 0x55] {
                #expect(integer(writtenText { $0.append(decimal: value) }) == value)
            }
        }
    }

    @Test(
        "spells no integer where it is anything else, or beyond 64 bits",
        arguments: [
            "", "-", "+1", " 1", "1 ", "1.0", "1e2", "--1", "-+1", "1-", "0x1", "١", "9223372036854775808",
            "-9223372036854775809", "18446744073709551616", "99999999999999999999999999", "12a", "/", ":", "-/",
        ]
    )
    func notIntegers(text: String) {
        #expect(integer(text) == nil)
    }

    @Test("finds bytes and short texts")
    func search() {
        "abcabd".withByteView { view in
            #expect(view.firstIndex(of: UInt8(ascii: "a")) == 0)
            #expect(view.firstIndex(of: UInt8(ascii: "a"), from: 1) == 3)
            #expect(view.firstIndex(of: UInt8(ascii: "a"), from: 4) == nil)
            #expect(view.firstIndex(of: UInt8(ascii: "a"), from: 6) == nil)
            #expect(view.firstIndex(of: UInt8(ascii: "z")) == nil)
            #expect(view.contains("abd"))
            #expect(view.contains("abcabd"))
            #expect(!view.contains("abcabde"))
            #expect(!view.contains("bdz"))
        }
        #expect(ByteView.empty.firstIndex(of: 0) == nil)
    }

    @Test("compares by content")
    func comparison() {
        "abc".withByteView { view in
            #expect(view.equals("abc"))
            #expect(!view.equals("abd"))
            #expect(!view.equals("ab"))
            #expect(view.hasPrefix(""))
            #expect(view.hasPrefix("ab"))
            #expect(view.hasPrefix(view))
            #expect(!view.hasPrefix("abcd"))
            #expect(view.hasPrefix(view.prefix(2)))
            #expect(view.dropFirst(3).equals(ByteView.empty))
            #expect(view[1..<3].equals("bc"))
        }
    }

    @Test("shows what is not UTF-8 as replacement characters")
    func text() {
        [0x61, 0xff, 0x62].withByteView { #expect($0.text() == "a\u{fffd}b") }
    }
}
