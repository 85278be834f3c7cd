/// How often something took how long: counts by duration between fixed bounds.
///
/// The bounds are log-linear: 1, 2 and 5 of each power of ten from 10 µs to 50 s, so a quantile read from it is off by
/// a factor of 2.5 at most, whatever its size. It holds no memory before the first count.
public struct DurationHistogram: Sendable {
    /// Upper bounds of the buckets in nanoseconds, each inclusive; what is longer is counted behind the last.
    public static let bounds: [Int64] = (0..<7).flatMap { power in
        let unit = (0..<power).reduce(Int64(10_000)) { unit, _ in unit * 10 }
        return [unit, 2 * unit, 5 * unit]
    }

    /// For each number of significant bits of a duration, the first bucket in which one may belong.
    private static let firstBucket: [UInt8] = (0...64).map { bits in
        let least: Int64 = bits == 0 ? 0 : bits == 64 ? .max : 1 << Int64(bits - 1)
        return UInt8(bounds.firstIndex { $0 >= least } ?? bounds.count)
    }

    /// Counts between the bounds, the last of what is longer than all of them; empty where nothing was counted.
    public private(set) var buckets: [UInt64] = []
    /// How many were counted.
    public private(set) var count: UInt64 = 0
    /// Their durations together, in nanoseconds.
    public private(set) var sum: UInt64 = 0

    /// Makes an empty histogram.
    public init() {}

    /// Counts a duration.
    ///
    /// - Parameters:
    ///   - nanoseconds: The duration; a negative one counts as 0.
    ///   - times: How often it was met.
    /// - Complexity: O(1).
    public mutating func record(_ nanoseconds: Int64, times: UInt64 = 1) {
        let duration = max(nanoseconds, 0)
        if buckets.isEmpty { buckets = [UInt64](repeating: 0, count: DurationHistogram.bounds.count + 1) }
        buckets[DurationHistogram.bucket(of: duration)] += times
        count += times
        sum &+= UInt64(duration) &* times
    }

    /// Index of the bucket to which a duration belongs.
    static func bucket(of nanoseconds: Int64) -> Int {
        var index = Int(firstBucket[64 - nanoseconds.leadingZeroBitCount])
        while index < bounds.count, bounds[index] < nanoseconds { index += 1 }
        return index
    }
}
