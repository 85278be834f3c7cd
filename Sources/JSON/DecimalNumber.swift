public import Bytes

/// A JSON number by its exact decimal value: nothing is rounded to a double, so 9007199254740993 stays itself.
public struct DecimalNumber {
    /// Exponents of more digits than this are not computed with.
    private static let exponentDigitsMax = 15

    /// Whether it is less than zero.
    public let isNegative: Bool
    /// The significant digits, 0...9 each, without zeros at either end; none for zero.
    public let digits: [UInt8]
    /// Where the decimal point stands, counted from before the first digit: 12.5 has 2, 0.05 has -1.
    public let point: Int

    /// Reads a number that was scanned; nil where its exponent is beyond anything.
    public init?(_ text: ByteView) {
        var index = 0
        let hasSign = text[0] == UInt8(ascii: "-")
        if hasSign { index = 1 }
        var digits: [UInt8] = []
        var point = 0
        var isFraction = false
        scan: while index < text.count {
            switch text[index] {
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"): break scan
            default:
                digits.append(text[index] - UInt8(ascii: "0"))
                if !isFraction { point += 1 }
            }
            index += 1
        }
        if index < text.count {
            guard let exponent = DecimalNumber.exponent(text.dropFirst(index + 1)) else { return nil }
            point += exponent
        }
        let leading = digits.prefix { $0 == 0 }.count
        let trailing = digits.reversed().prefix { $0 == 0 }.count
        guard leading < digits.count else {
            (self.isNegative, self.digits, self.point) = (false, [], 0)
            return
        }
        self.isNegative = hasSign
        self.digits = Array(digits[leading..<(digits.count - trailing)])
        self.point = point - leading
    }

    private static func exponent(_ text: ByteView) -> Int? {
        let isNegative = text[0] == UInt8(ascii: "-")
        var rest = isNegative || text[0] == UInt8(ascii: "+") ? text.dropFirst(1) : text
        while rest.count > 1, rest[0] == UInt8(ascii: "0") { rest = rest.dropFirst(1) }
        guard rest.count <= exponentDigitsMax, let value = rest.integer else { return nil }
        return isNegative ? -Int(value) : Int(value)
    }

    /// Appends the number as RFC 8785 section 3.2.2.3 has it: as ECMAScript writes one with these digits.
    public func append(to buffer: inout ByteBuffer) {
        guard !digits.isEmpty else { return buffer.append("0") }
        if isNegative { buffer.append(UInt8(ascii: "-")) }
        switch point {
        case digits.count...max(21, digits.count) where point <= 21:
            append(digits[...], to: &buffer)
            for _ in digits.count..<point { buffer.append(UInt8(ascii: "0")) }
        case 1...21:
            append(digits[..<point], to: &buffer)
            buffer.append(UInt8(ascii: "."))
            append(digits[point...], to: &buffer)
        case -5...0:
            buffer.append("0.")
            for _ in point..<0 { buffer.append(UInt8(ascii: "0")) }
            append(digits[...], to: &buffer)
        default:
            append(digits[..<1], to: &buffer)
            if digits.count > 1 {
                buffer.append(UInt8(ascii: "."))
                append(digits[1...], to: &buffer)
            }
            buffer.append(point > 0 ? "e+" : "e")
            buffer.append(decimal: point - 1)
        }
    }

    private func append(_ digits: ArraySlice<UInt8>, to buffer: inout ByteBuffer) {
        for digit in digits { buffer.append(UInt8(ascii: "0") + digit) }
    }

    /// The number in units of 10^-`places`, rounded towards zero.
    ///
    /// - Returns: The number; nil where it is negative or does not fit.
    public func scaled(places: Int) -> Int64? {
        guard !isNegative else { return nil }
        guard !digits.isEmpty else { return 0 }
        let count = point + places
        guard count <= 19 else { return nil }
        var value: Int64 = 0
        for position in 0..<max(count, 0) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let digit = position < digits.count ? Int64(digits[position]) : 0
            let (sum, carry) = product.addingReportingOverflow(digit)
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }
}
