/// Durations and sizes as people write them: `60s`, `1.5h`, `64KiB`.
enum Quantity {
    /// The milliseconds of a duration with its unit (`ms`, `s`, `m`, `h`, `d`); nil where `text` is none.
    ///
    /// Parts of a millisecond are refused.
    static func milliseconds(_ text: String) -> Int64? {
        parse(text, units: ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000])
    }

    /// The bytes of a size with its unit; nil where `text` is none.
    ///
    /// Units are `B`, `KiB`, `MiB`, `GiB`, `TiB`, and by powers of 1000 `kB`, `MB`, `GB`, `TB`. Parts of a byte are
    /// refused.
    static func bytes(_ text: String) -> Int64? {
        parse(
            text,
            units: [
                "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
                "kB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
            ]
        )
    }

    /// A decimal number and a unit without anything between; exact, so never by floating point.
    private static func parse(_ text: String, units: [String: Int64]) -> Int64? {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let unit = units[String(text.dropFirst(number.count))] else { return nil }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2, let whole = Int64(first) else { return nil }
        let (base, overflow) = whole.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return base }
        guard let rest = fraction(parts[1], of: unit) else { return nil }
        let (sum, carry) = base.addingReportingOverflow(rest)
        return carry ? nil : sum
    }

    private static func fraction(_ digits: Substring, of unit: Int64) -> Int64? {
        guard (1...9).contains(digits.count), let value = Int64(digits) else { return nil }
        let scale = (0..<digits.count).reduce(Int64(1)) { product, _ in product * 10 }
        let (product, overflow) = value.multipliedReportingOverflow(by: unit)
        return overflow || product % scale != 0 ? nil : product / scale
    }
}
