/// Latencies counted in buckets whose width grows with the value.
///
/// Each power of two is cut into 128 buckets, so that a quantile is at most 1/128 above the true one, from a nanosecond
/// to a quarter of an hour, in 35 KB of memory (the idea of HdrHistogram). To record is to count one bucket up.
public struct LatencyHistogram: Sendable, Equatable {
    private static let precision = 7
    private static let longest: Int64 = (1 << 40) - 1

    private var counts: [UInt64]
    /// Latencies recorded.
    public private(set) var count: UInt64 = 0
    /// The longest latency recorded, in nanoseconds; 0 where there is none.
    public private(set) var maximum: Int64 = 0
    /// The shortest latency recorded, in nanoseconds; 0 where there is none.
    public private(set) var minimum: Int64 = 0
    private var sum: Int64 = 0

    /// A histogram without latencies.
    public init() {
        counts = [UInt64](repeating: 0, count: Self.bucket(of: Self.longest) + 1)
    }

    /// Counts one latency.
    ///
    /// - Parameter nanoseconds: Below 0 counts as 0, above eighteen minutes as eighteen minutes.
    public mutating func record(_ nanoseconds: Int64) {
        let value = min(max(nanoseconds, 0), Self.longest)
        counts[Self.bucket(of: value)] += 1
        minimum = count == 0 ? value : min(minimum, value)
        maximum = max(maximum, value)
        count += 1
        sum &+= value
    }

    /// Adds the latencies of another histogram.
    public mutating func merge(_ other: LatencyHistogram) {
        guard other.count > 0 else { return }
        for index in counts.indices { counts[index] += other.counts[index] }
        minimum = count == 0 ? other.minimum : min(minimum, other.minimum)
        maximum = max(maximum, other.maximum)
        count += other.count
        sum &+= other.sum
    }

    /// The mean latency in nanoseconds; 0 where there is none.
    public var mean: Int64 { count == 0 ? 0 : sum / Int64(count) }

    /// The latency that the given part of all calls did not exceed.
    ///
    /// - Parameter quantile: 0...1.
    /// - Returns: Nanoseconds, at most 1/128 too many; 0 where nothing was recorded.
    public func quantile(_ quantile: Double) -> Int64 {
        let wanted = max(1, UInt64((quantile * Double(count)).rounded(.up)))
        var seen: UInt64 = 0
        for index in counts.indices where counts[index] > 0 {
            seen += counts[index]
            if seen >= wanted { return min(Self.highest(inBucket: index), maximum) }
        }
        return maximum
    }

    /// How many latencies lie in each of several ranges that follow one another.
    ///
    /// - Parameter bounds: The ranges' upper ends in nanoseconds, rising, each belonging to its range.
    /// - Returns: As many counts as bounds, and the count of what lies above the last.
    public func counts(upTo bounds: [Int64]) -> [UInt64] {
        var result = [UInt64](repeating: 0, count: bounds.count + 1)
        var range = 0
        for index in counts.indices where counts[index] > 0 {
            while range < bounds.count, Self.lowest(inBucket: index) > bounds[range] { range += 1 }
            result[range] += counts[index]
        }
        return result
    }

    /// Index of the bucket of a value from 0 to ``longest``.
    static func bucket(of value: Int64) -> Int {
        guard value >= 1 << precision else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - precision
        return shift << precision + Int(value >> Int64(shift))
    }

    /// The least value that a bucket counts.
    static func lowest(inBucket index: Int) -> Int64 {
        let shift = max(0, index >> precision - 1)
        return Int64(index - shift << precision) << Int64(shift)
    }

    /// The greatest value that a bucket counts.
    static func highest(inBucket index: Int) -> Int64 {
        lowest(inBucket: index + 1) - 1
    }
}
