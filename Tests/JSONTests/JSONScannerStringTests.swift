import Bytes
import JSON
import Testing

@Suite("The scanner, inside a string")
struct JSONScannerStringTests {
    /// The string `content` in quotes, at `offset` in a text.
    private func quoted(_ content: [UInt8], after offset: Int = 0) -> [UInt8] {
        [UInt8](repeating: 0x20, count: offset) + [0x22] + content + [0x22]
    }

    private func fault(_ content: [UInt8], after offset: Int = 0) -> JSONFault? {
        guard case .failure(let fault) = scan(quoted(content, after: offset)) else { return nil }
        return fault
    }

    @Test("sees every byte that matters at every offset, however the string lies in memory")
    func specialBytes() {
        for start in 0..<9 {
            for offset in 0...40 {
                for tail in [0, 7, 20] {
                    check(start: start, offset: offset, tail: tail)
                }
            }
        }
    }

    private func check(start: Int, offset: Int, tail: Int) {
        let plain = { (count: Int) in [UInt8](repeating: UInt8(ascii: "~"), count: count) }
        let place = start + 1 + offset
        // All bytes below 0x20 and the neighbours of whatever else matters.
        for byte in Array(UInt8.min...0x23) + [
            0x5b, 0x5c, 0x5d, 0x7e, 0x7f, 0x80, 0x81, 0x9f, 0xa0, 0xbf, 0xc2, 0xf4, 0xff,
        ] {
            let expected: JSONFault?
            switch byte {
            case 0x22, 0x5c: continue
            case ..<0x20: expected = JSONFault(.controlCharacter, at: place)
            case ..<0x80: expected = nil
            default: expected = JSONFault(.invalidUTF8, at: place)
            }
            let found = fault(plain(offset) + [byte] + plain(tail), after: start)
            guard found == expected else {
                Issue.record("byte \(byte) after \(start) and \(offset) bytes: \(String(describing: found))")
                return
            }
        }
        #expect(fault(plain(offset) + [0x5c, 0x6e] + plain(tail), after: start) == nil)
        #expect(
            fault(plain(offset) + [0x5c, 0x78] + plain(tail), after: start) == JSONFault(.invalidEscape, at: place)
        )
        #expect(fault(plain(offset) + [0xc3, 0xa9] + plain(tail), after: start) == nil)
        // A quote ends the string: whatever follows is too much.
        let early = fault(plain(offset) + [0x22] + plain(tail), after: start)
        #expect(early == JSONFault(.trailingBytes, at: place + 1))
    }

    @Test("is not misled by a special byte above another in the same word")
    func neighbours() {
        let bytes: [UInt8] = [0x00, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x5b, 0x5c, 0x5d, 0x7f, 0x80, 0xc3, 0xff]
        for first in bytes {
            for second in bytes where (first, second) != (0xc3, 0x80) {
                for offset in 0..<8 {
                    let content = [UInt8](repeating: 0x61, count: offset) + [first, second] + Array("12345678".utf8)
                    let text = quoted(content)
                    #expect(isAccepted(text) == isAcceptedBytewise(text), "\(first) \(second) at \(offset)")
                }
            }
        }
    }

    private func isAccepted(_ text: [UInt8]) -> Bool {
        if case .success = scan(text) { true } else { false }
    }

    /// The same question answered one byte at a time, for strings without a valid escape or a valid longer character.
    private func isAcceptedBytewise(_ text: [UInt8]) -> Bool {
        var index = 1
        while text[index] != 0x22 {
            if text[index] < 0x20 || text[index] >= 0x80 { return false }
            if text[index] == 0x5c {
                guard [0x22, 0x5c].contains(text[index + 1]) else { return false }
                index += 1
            }
            index += 1
            if index >= text.count { return false }
        }
        return index == text.count - 1
    }

    @Test("accepts exactly the escapes of RFC 8259 section 7")
    func escapes() {
        for byte in UInt8.min...UInt8.max where byte != UInt8(ascii: "u") {
            let isEscape = Array(#""\/bfnrt"#.utf8).contains(byte)
            let expected = isEscape ? nil : JSONFault(.invalidEscape, at: 1)
            #expect(fault([0x5c, byte, 0x20]) == expected, "backslash and byte \(byte)")
        }
    }

    @Test(
        "refuses an escape that is not whole",
        arguments: [
            (#""\u""#, .invalidEscape), (#""\u1""#, .invalidEscape), (#""\u12""#, .invalidEscape),
            (#""\u123""#, .invalidEscape), (#""\u123g""#, .invalidEscape), (#""\uG234""#, .invalidEscape),
            (#""\u 123""#, .invalidEscape), (#""\u+123""#, .invalidEscape), (#""\u{41}""#, .invalidEscape),
            (#""\U0041""#, .invalidEscape), (#""\x41""#, .invalidEscape), (#""\ud800\u""#, .invalidEscape),
            (#""\ud800\u1""#, .invalidEscape), (#""\ud800\u1x""#, .invalidEscape), (#""\🌀""#, .invalidEscape),
            (#""\'""#, .invalidEscape), (#""\0""#, .invalidEscape), (#""\v""#, .invalidEscape),
            (#""\"#, .unexpectedEnd), (#""\""#, .unexpectedEnd), (#""\\\""#, .unexpectedEnd), (#""\u"#, .unexpectedEnd),
            (#""\u00A"#, .unexpectedEnd), (#""abc"#, .unexpectedEnd), (#"""#, .unexpectedEnd),
        ] as [(String, JSONFault.Reason)]
    )
    func brokenEscapes(text: String, reason: JSONFault.Reason) {
        guard case .failure(let fault) = scan(text) else {
            Issue.record("accepted: \(text)")
            return
        }
        #expect(fault.reason == reason)
    }

    @Test("accepts the four hexadecimal digits of an escape in either case")
    func hexadecimal() {
        for byte in UInt8.min...UInt8.max where byte != 0x22 && byte != 0x5c {
            let isDigit = Array("0123456789abcdefABCDEF".utf8).contains(byte)
            for place in 0..<4 {
                var escape = Array(#"\u0000"#.utf8)
                escape[2 + place] = byte
                #expect((fault(escape) == nil) == isDigit, "byte \(byte)")
            }
        }
    }

    @Test(
        "refuses bytes that are not UTF-8: overlong, halves of pairs, too large, cut off, out of place",
        arguments: [
            [0xc0, 0x80], [0xc1, 0xbf], [0xc0, 0xaf], [0xe0, 0x80, 0x80], [0xe0, 0x9f, 0xbf], [0xf0, 0x80, 0x80, 0x80],
            [0xf0, 0x8f, 0xbf, 0xbf], [0xed, 0xa0, 0x80], [0xed, 0xbf, 0xbf], [0xf4, 0x90, 0x80, 0x80],
            [0xf5, 0x80, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80], [0xfe],
            [0xff], [0x80], [0xbf], [0xc3], [0xe2, 0x82], [0xe2], [0xf0, 0x9f, 0x98], [0xf0, 0x9f], [0xf0],
            [0xc3, 0x28],
            [0xe2, 0x28, 0xac], [0xe2, 0x82, 0x28], [0xf0, 0x28, 0x98, 0x80], [0xf0, 0x9f, 0x28, 0x80],
            [0xf0, 0x9f, 0x98, 0x28], [0xe5], [0xc3, 0xc3], [0xe9],
        ] as [[UInt8]]
    )
    func invalidUTF8(content: [UInt8]) {
        for offset in 0..<9 {
            let before = [UInt8](repeating: 0x61, count: offset)
            let isFirst = fault(before + content)?.offset == offset + 1
            #expect(isFirst || content.count > 1)
            #expect(fault(before + content)?.reason == .invalidUTF8)
            #expect(fault(before + content + Array("0123456789".utf8))?.reason == .invalidUTF8)
            // The same at the very end of the text, where nothing must be read beyond.
            #expect(throws: JSONFault.self) { try scan([0x22] + before + content).get() }
        }
    }

    @Test("accepts every character of Unicode, as UTF-8 and as an escape")
    func everyCharacter() {
        var content: [UInt8] = []
        for value in UInt32(0x20)...0x10ffff where value != 0x22 && value != 0x5c {
            guard let scalar = Unicode.Scalar(value) else { continue }
            content += Array(Character(scalar).utf8)
        }
        #expect(fault(content) == nil)
        #expect(content.withByteView { UTF8Validation.isValid($0) })
    }
}

@Suite("Validation of UTF-8")
struct UTF8ValidationTests {
    @Test("agrees with Swift on sequences of every first byte and of the edges of all ranges behind it")
    func sequences() {
        let edges: [UInt8] = [
            0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
            0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
        ]
        for first in UInt8.min...UInt8.max {
            for second in edges {
                check([first, second])
                for third in edges {
                    check([first, second, third])
                    guard first >= 0xf0, edges.contains(first) else { continue }
                    for fourth in edges { check([first, second, third, fourth]) }
                }
            }
        }
    }

    private func check(_ bytes: [UInt8]) {
        let expected = String(validating: bytes, as: UTF8.self) != nil
        guard bytes.withByteView({ UTF8Validation.isValid($0) }) != expected else { return }
        Issue.record("\(bytes) is \(expected ? "" : "not ")UTF-8")
    }

    @Test("finds one wrong byte at any offset of a longer text")
    func offsets() {
        for count in 0..<40 {
            for offset in 0..<count {
                var bytes = [UInt8](repeating: 0x61, count: count)
                #expect(bytes.withByteView { UTF8Validation.isValid($0) })
                bytes[offset] = 0xff
                #expect(!bytes.withByteView { UTF8Validation.isValid($0) })
            }
        }
    }
}
