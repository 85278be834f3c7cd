/// How often something took how long: counts by duration between fixed bounds.
///
/// The bounds are log-linear: 1, 2 and 5 of each power of ten from 10 µs to 50 s, so a quantile read from it is off by
/// a factor of 2.5 at most, whatever its size.
public struct DurationHistogram: Sendable {
    /// Upper bounds of the buckets in nanoseconds, each inclusive; what is longer is counted behind the last.
    public static let bounds: [Int64] = (0..<7).flatMap { power in
        let unit = (0..<power).reduce(Int64(10_000)) { unit, _ in unit * 10 }
        return [unit, 2 * unit, 5 * unit]
    }

    private var counts = InlineArray<22, UInt64>(repeating: 0)
    /// How many were counted.
    public private(set) var count: UInt64 = 0
    /// Their durations together, in nanoseconds.
    public private(set) var sum: UInt64 = 0

    /// Makes an empty histogram.
    public init() {}

    /// Counts between the bounds, the last of what is longer than all of them.
    public var buckets: [UInt64] { counts.indices.map { counts[$0] } }

    /// Counts a duration.
    ///
    /// - Parameters:
    ///   - nanoseconds: The duration; a negative one counts as 0.
    ///   - times: How often it was met.
    /// - Complexity: O(1).
    public mutating func record(_ nanoseconds: Int64, times: UInt64 = 1) {
        let duration = max(nanoseconds, 0)
        counts[DurationHistogram.bucket(of: duration)] += times
        count += times
        sum &+= UInt64(duration) &* times
    }

    /// Index of the bucket to which a duration belongs.
    ///
    /// The bounds are constants here: one that is computed is guarded at each use. Turns of the loop are short, and
    /// stand first.
    static func bucket(of nanoseconds: Int64) -> Int {
        let decade: Int
        let unit: Int64
        switch nanoseconds {
        case ...50_000: (decade, unit) = (0, 10_000)
        case ...500_000: (decade, unit) = (1, 100_000)
        case ...5_000_000: (decade, unit) = (2, 1_000_000)
        case ...50_000_000: (decade, unit) = (3, 10_000_000)
        case ...500_000_000: (decade, unit) = (4, 100_000_000)
        case ...5_000_000_000: (decade, unit) = (5, 1_000_000_000)
        case ...50_000_000_000: (decade, unit) = (6, 10_000_000_000)
        default: return 21
        }
        return 3 * decade + (nanoseconds <= unit ? 0 : nanoseconds <= 2 * unit ? 1 : 2)
    }
}
