extension ByteView {
    /// The decimal integer that the bytes spell, with an optional `-`, or nil where they spell none or it does not fit.
    public var integer: Int64? {
        var index = 0
        let isNegative = count > 0 && self[0] == UInt8(ascii: "-")
        if isNegative { index = 1 }
        guard index < count else { return nil }
        var value: Int64 = 0
        while index < count {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let step = isNegative ? -Int64(digit) : Int64(digit)
            let (sum, carry) = product.addingReportingOverflow(step)
            if overflow || carry { return nil }
            value = sum
            index += 1
        }
        return value
    }
}
