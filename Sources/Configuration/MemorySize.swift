/// Sizes as Valkey's configuration has them.
enum MemorySize {
    private static let units: [String: Int64] = [
        "": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 1_000_000, "mb": 1 << 20, "g": 1_000_000_000, "gb": 1 << 30,
    ]

    /// The bytes of a size, nil where `text` is none.
    ///
    /// - Parameter text: Digits, then a unit in large or small letters.
    /// - Returns: The size, below 2^63.
    static func bytes(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = units[text.dropFirst(digits.count).lowercased()]
        guard let unit, let number = Int64(digits) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow ? nil : bytes
    }
}
