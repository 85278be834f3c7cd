import Bytes

/// The id of a stream's entry: milliseconds of Valkey's clock, and a number within them.
struct MessageID: Hashable, Comparable {
    let milliseconds: UInt64
    let number: UInt64

    init(_ milliseconds: UInt64, _ number: UInt64) {
        self.milliseconds = milliseconds
        self.number = number
    }

    /// Reads `<milliseconds>-<number>`, in plain decimal; nil where that is not what stands there.
    init?(_ text: ByteView) {
        guard let hyphen = text.firstIndex(of: UInt8(ascii: "-")),
            let milliseconds = MessageID.number(text.prefix(hyphen)),
            let number = MessageID.number(text.dropFirst(hyphen + 1))
        else { return nil }
        self.init(milliseconds, number)
    }

    private static func number(_ text: ByteView) -> UInt64? {
        guard (1...20).contains(text.count) else { return nil }
        var value: UInt64 = 0
        for index in 0..<text.count {
            let digit = text[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return value
    }

    /// Orders by age.
    static func < (left: MessageID, right: MessageID) -> Bool {
        (left.milliseconds, left.number) < (right.milliseconds, right.number)
    }

    /// The id as Valkey writes it.
    var text: [UInt8] { Array("\(milliseconds)-\(number)".utf8) }

    /// Appends the id as Valkey writes it.
    func append(to buffer: inout ByteBuffer) {
        buffer.append(decimal: milliseconds)
        buffer.append(UInt8(ascii: "-"))
        buffer.append(decimal: number)
    }
}
