extension ByteView {
    /// The decimal integer that the bytes spell, with an optional `-`, or nil where they spell none or it does not fit.
    public var integer: Int64? {
        let isNegative = count > 0 && self[0] == UInt8(ascii: "-")
        let start = isNegative ? 1 : 0
        guard start < count else { return nil }
        // So many digits fit, whatever they are.
        let mid = min(count, start + 18)
        var magnitude: UInt64 = 0
        for index in start..<mid {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            magnitude = magnitude &* 10 &+ UInt64(digit)
        }
        guard mid < count else {
            let value = Int64(bitPattern: magnitude)
            return isNegative ? -value : value
        }
        return integer(behind: magnitude, from: mid, isNegative: isNegative)
    }

    /// The integer whose digits up to `start` are known.
    @inline(never)
    private func integer(behind magnitude: UInt64, from start: Int, isNegative: Bool) -> Int64? {
        var value = isNegative ? -Int64(bitPattern: magnitude) : Int64(bitPattern: magnitude)
        for index in start..<count {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(isNegative ? -Int64(digit) : Int64(digit))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }
}
