public import Linux

/// How many records of one kind are written: what exceeds it is counted, and told with the next one that is.
public struct RecordBudget: Sendable {
    /// Most records in one second.
    public let perSecondMax: Int
    private var second = Int64.min
    private var written = 0
    private var suppressed: UInt64 = 0

    /// A budget of at most `perSecondMax` records in each second.
    public init(perSecondMax: Int) {
        self.perSecondMax = perSecondMax
    }

    /// Asks for a record.
    ///
    /// - Returns: How many were kept back since the last that was written; nil where this one is kept back too.
    public mutating func take(at now: Instant) -> UInt64? {
        let current = now.nanoseconds / 1_000_000_000
        if current != second {
            second = current
            written = 0
        }
        guard written < perSecondMax else {
            suppressed += 1
            return nil
        }
        written += 1
        defer { suppressed = 0 }
        return suppressed
    }
}
