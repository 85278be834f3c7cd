import Bytes
import TestSupport
import Testing

@Suite("Hexadecimal digits")
struct HexadecimalTests {
    private func digits(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("stand for every byte, and are read back")
    func bytes() {
        for byte in UInt8.min...UInt8.max {
            let text = String(byte, radix: 16)
            let expected = digits(text.count == 1 ? "0" + text : text)
            #expect(Hexadecimal.digits(of: [byte]) == expected)
            #expect(expected.withByteView { Hexadecimal.bytes(of: $0) } == [byte])
        }
        #expect(Hexadecimal.text(of: [0xde, 0xad, 0x00]) == "dead00")
        #expect(Hexadecimal.text(of: []).isEmpty)
        #expect(ByteView.empty.count == 0 && Hexadecimal.bytes(of: .empty) == [])
    }

    @Test("stand for numbers, with leading zeros", arguments: [0, 1, 0xabc, 0x0123_4567_89ab_cdef, .max] as [UInt64])
    func numbers(number: UInt64) {
        let text = String(number, radix: 16)
        let padded = String(repeating: "0", count: 16 - text.count) + text
        #expect(Hexadecimal.text(of: number) == padded)
        #expect(digits(padded).withByteView { Hexadecimal.number(of: $0) } == number)
        #expect(digits(text).withByteView { Hexadecimal.number(of: $0) } == number)
    }

    @Test("are no other characters", arguments: ["g0", "0g", " 0", "0x", "-1", "A0", "0A", "\u{e9}", "/0", ":0", "`0"])
    func faults(text: String) {
        #expect(digits(text).withByteView { Hexadecimal.bytes(of: $0) } == nil)
        #expect(digits(text).withByteView { Hexadecimal.number(of: $0) } == nil)
        #expect(!Hexadecimal.isDigits(digits(text)))
    }

    @Test("are whole bytes")
    func half() {
        #expect(digits("abc").withByteView { Hexadecimal.bytes(of: $0) } == nil)
        #expect(Hexadecimal.isDigits(digits("abc")))
    }

    @Test("have values in either case where that is asked for")
    func cases() {
        let values = (UInt8.min...UInt8.max).map { Hexadecimal.value(inEitherCase: $0) }
        for byte in UInt8.min...UInt8.max {
            let character = Character(UnicodeScalar(byte))
            let expected = byte < 0x80 ? character.hexDigitValue.map(UInt8.init) : nil
            #expect(values[Int(byte)] == expected)
            #expect(Hexadecimal.value(byte) == (character.isUppercase ? nil : expected))
        }
    }

    @Test("of any number of bytes are appended as those of each")
    func appended() {
        var random = SeededGenerator(seed: 3)
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            var buffer = ByteBuffer()
            buffer.append(UInt8(ascii: "-"))
            bytes.withByteView { buffer.append(hexadecimal: $0) }
            #expect(buffer.view.copy() == digits("-") + Hexadecimal.digits(of: bytes))
        }
    }

    @Test("of random bits are as many as were asked for, and others each time")
    func random() {
        let (first, second) = (Hexadecimal.random(words: 2), Hexadecimal.random(words: 2))
        #expect(first.count == 32 && Hexadecimal.isDigits(first) && first != second)
        #expect(Hexadecimal.random(words: 0).isEmpty)
    }
}
