/// Hexadecimal digits in lower case, two for a byte.
public enum Hexadecimal {
    /// The digit of a value of 0...15.
    @inlinable
    public static func digit(_ value: UInt8) -> UInt8 {
        value &+ (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
    }

    /// The value of a digit, 0...15; nil for another byte, a digit in upper case too.
    @inlinable
    public static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    /// The value of a digit in either case, 0...15; nil for another byte.
    @inlinable
    public static func value(inEitherCase digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: value(digit)
        }
    }

    /// The digits of `bytes`.
    public static func digits(of bytes: [UInt8]) -> [UInt8] {
        var digits: [UInt8] = []
        digits.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            digits.append(digit(byte >> 4))
            digits.append(digit(byte & 15))
        }
        return digits
    }

    /// The digits of `bytes`, as text.
    public static func text(of bytes: [UInt8]) -> String {
        String(decoding: digits(of: bytes), as: UTF8.self)
    }

    /// The 16 digits of a number, as text.
    public static func text(of number: UInt64) -> String {
        var digits: [UInt8] = []
        digits.append(hexadecimal: number)
        return String(decoding: digits, as: UTF8.self)
    }

    /// The bytes that digits stand for; nil where there is another character, or half of a byte.
    public static func bytes(of digits: ByteView) -> [UInt8]? {
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    /// The number of which these are the digits, at most 16; nil where there is another character.
    public static func number(of digits: ByteView) -> UInt64? {
        assert(digits.count <= 16)
        var number: UInt64 = 0
        for index in 0..<digits.count {
            guard let value = value(digits[index]) else { return nil }
            number = number << 4 | UInt64(value)
        }
        return number
    }

    /// Whether every byte is a digit.
    public static func isDigits(_ bytes: [UInt8]) -> Bool {
        bytes.allSatisfy { value($0) != nil }
    }

    /// Digits of random bits, which nobody can foresee.
    ///
    /// - Parameter words: How many times 64 bits, 16 digits each.
    /// - Returns: The digits.
    public static func random(words: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        var digits: [UInt8] = []
        digits.reserveCapacity(16 * words)
        for _ in 0..<words { digits.append(hexadecimal: generator.next()) }
        return digits
    }

    /// The eight digits of a number of 32 bits, the first one in the uppermost byte.
    ///
    /// All at once: half of a byte is spread to each byte, and those above nine, which carry into the upper half when six
    /// is added, become letters.
    static func digits(ofHalf number: UInt64) -> UInt64 {
        var spread = (number << 16 | number) & 0x0000_ffff_0000_ffff
        spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff
        spread = (spread << 4 | spread) & 0x0f0f_0f0f_0f0f_0f0f
        let letters = (spread &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ letters &* 39
    }
}

extension ByteBuffer {
    /// Appends two hexadecimal digits for each byte.
    public mutating func append(hexadecimal bytes: ByteView) {
        unsafe _ = withSpareCapacity(2 * bytes.count) { memory, _ in
            let output = UnsafeMutableRawPointer(memory)
            var index = 0
            while index + 8 <= bytes.count {
                let word = UInt64(bigEndian: bytes.word(at: index))
                let high = Hexadecimal.digits(ofHalf: word >> 32).bigEndian
                let low = Hexadecimal.digits(ofHalf: word & 0xffff_ffff).bigEndian
                unsafe output.storeBytes(of: high, toByteOffset: 2 * index, as: UInt64.self)
                unsafe output.storeBytes(of: low, toByteOffset: 2 * index + 8, as: UInt64.self)
                index += 8
            }
            while index < bytes.count {
                unsafe memory[2 * index] = Hexadecimal.digit(bytes[index] >> 4)
                unsafe memory[2 * index + 1] = Hexadecimal.digit(bytes[index] & 15)
                index += 1
            }
            return 2 * bytes.count
        }
    }
}

extension [UInt8] {
    /// Appends the 16 hexadecimal digits of a number.
    public mutating func append(hexadecimal number: UInt64) {
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            append(Hexadecimal.digit(UInt8(truncatingIfNeeded: number >> shift & 15)))
        }
    }
}
