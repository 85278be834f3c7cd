public import Linux

/// What a load found out.
public struct LoadReport: Sendable, CustomStringConvertible {
    /// The agent's memory at one moment of the load.
    public struct MemorySample: Sendable {
        /// When.
        public let instant: Instant
        /// Resident bytes.
        public let bytes: Int
        /// How long the agent's loop was ready to run and waited for a processor, since its start.
        public let processorWait: Duration
    }

    /// What a counter may hold in the end.
    public struct Counter: Sendable {
        /// The key that the calls named.
        public let key: String
        /// The values that it may have.
        public let possible: ClosedRange<Int>
        /// Increments that were acknowledged.
        public let acknowledged: Int
        /// Increments whose outcome was said to be unknown.
        public let unknown: Int
    }

    /// Most wrong replies that are kept in words.
    static let wrongMax = 20

    /// Most late replies that are kept in words.
    static let lateMax = 3

    /// Requests sent.
    public var requests = 0
    /// Requests answered with the result that had to come.
    public var results = 0
    /// Errors, and misses for want of Valkey, by kind and outcome.
    public var failures: [String: Int] = [:]
    /// Replies that could not be.
    public var wrongReplies = 0
    /// The first of them, in words.
    public var wrong: [String] = []
    /// Requests that were not answered although there was time enough.
    public var lostReplies = 0
    /// Connections that the agent closed.
    public var closedConnections = 0
    /// Times from request to reply, errors included.
    public var latency = LatencyHistogram()
    /// The longest time by which a reply came after its deadline.
    public var overrun = Duration.zero
    /// Replies that came more than 50 ms after their deadline.
    public var lateReplies = 0
    /// The longest time that a thread of the load itself did not run: as late as that a reply may merely seem.
    public var stall = Duration.zero
    /// When replies came more than 50 ms late: the first of them.
    public var late: [String] = []
    /// The agent's memory, ten times a second.
    public var memory: [MemorySample] = []
    /// Every counter of the load.
    public var counters: [Counter] = []

    /// An empty report.
    public init() {}

    /// Largest memory minus that of the first sample, in bytes.
    public var memoryGrowth: Int {
        (memory.map(\.bytes).max() ?? 0) - (memory.first?.bytes ?? 0)
    }

    /// How the memory grows once the load has run for a while: the line of least squares through the later samples.
    ///
    /// - Parameter warmUp: Share of the samples that is left out at the beginning.
    /// - Returns: Bytes a second.
    public func memorySlope(warmUp: Double) -> Double {
        let samples = memory.dropFirst(Int(Double(memory.count) * warmUp))
        guard let first = samples.first, samples.count > 2 else { return 0 }
        let points = samples.map { sample in
            (x: Double(sample.instant.nanoseconds(since: first.instant)) / 1e9, y: Double(sample.bytes))
        }
        let count = Double(points.count)
        let mean = (x: points.reduce(0) { $0 + $1.x } / count, y: points.reduce(0) { $0 + $1.y } / count)
        let spread = points.reduce(0) { $0 + ($1.x - mean.x) * ($1.x - mean.x) }
        return spread == 0 ? 0 : points.reduce(0) { $0 + ($1.x - mean.x) * ($1.y - mean.y) } / spread
    }

    /// Takes in what another thread of the same load found out.
    mutating func merge(_ other: LoadReport) {
        requests += other.requests
        results += other.results
        failures.merge(other.failures) { $0 + $1 }
        wrongReplies += other.wrongReplies
        wrong = Array((wrong + other.wrong).prefix(Self.wrongMax))
        lostReplies += other.lostReplies
        closedConnections += other.closedConnections
        latency.merge(other.latency)
        overrun = max(overrun, other.overrun)
        lateReplies += other.lateReplies
        stall = max(stall, other.stall)
        late = Array((late + other.late).prefix(Self.lateMax))
        memory += other.memory
        counters += other.counters
    }

    /// The longest time that the agent's loop waited for a processor between two samples.
    public var longestProcessorWait: Duration {
        zip(memory, memory.dropFirst()).map { $1.processorWait - $0.processorWait }.max() ?? .zero
    }

    /// Takes note of a reply that came later than its deadline allows.
    mutating func recordLate(_ words: @autoclosure () -> String) {
        lateReplies += 1
        if late.count < Self.lateMax { late.append(words()) }
    }

    mutating func recordWrong(_ words: String) {
        wrongReplies += 1
        if wrong.count < Self.wrongMax { wrong.append(words) }
    }

    /// The figures, one line each.
    public var description: String {
        let names = failures.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        let peak = (memory.map(\.bytes).max() ?? 0) >> 10
        return """
            requests \(requests), results \(results), lost \(lostReplies), closed connections \(closedConnections)
            failures: \(names.isEmpty ? "none" : names)
            wrong replies \(wrongReplies)\(wrong.map { "\n  \($0)" }.joined())
            latency \(latency)
            longest overrun of a deadline \(overrun.wholeMilliseconds) ms, more than 50 ms late: \
            \(lateReplies)\(late.map { "\n  \($0)" }.joined())
            longest stall of the load's own threads \(stall.wholeMilliseconds) ms, of the agent's for want of a \
            processor \(longestProcessorWait.wholeMilliseconds) ms
            memory: first \((memory.first?.bytes ?? 0) >> 10) KiB, peak \(peak) KiB, \
            last \((memory.last?.bytes ?? 0) >> 10) KiB
            """
    }
}

/// Times counted in buckets that are each a sixteenth wider than the one before.
///
/// Pure.
public struct LatencyHistogram: Sendable, CustomStringConvertible {
    private var buckets: [Int] = []
    /// Times recorded.
    public private(set) var count = 0
    /// The longest.
    public private(set) var longest = Duration.zero

    /// An empty histogram.
    public init() {}

    /// Takes in a time.
    public mutating func record(_ time: Duration) {
        count += 1
        longest = max(longest, time)
        let index = Self.index(time.wholeNanoseconds / 1000)
        if index >= buckets.count { buckets += [Int](repeating: 0, count: index + 1 - buckets.count) }
        buckets[index] += 1
    }

    /// The time that a share of all times does not exceed, at most 1/16 too long.
    ///
    /// - Parameter share: 0...1.
    /// - Returns: Never more than the longest time; zero where none was recorded.
    public func percentile(_ share: Double) -> Duration {
        var left = Int((Double(count) * share).rounded(.up))
        for (index, bucket) in buckets.enumerated() {
            left -= bucket
            if left <= 0 { return min(.microseconds(Self.upperBound(index)), longest) }
        }
        return longest
    }

    mutating func merge(_ other: LatencyHistogram) {
        if other.buckets.count > buckets.count {
            buckets += [Int](repeating: 0, count: other.buckets.count - buckets.count)
        }
        for (index, bucket) in other.buckets.enumerated() { buckets[index] += bucket }
        count += other.count
        longest = max(longest, other.longest)
    }

    /// Below 16 µs a bucket for each, above 16 for each power of two.
    private static func index(_ microseconds: Int64) -> Int {
        let value = Int(max(microseconds, 0))
        guard value >= 16 else { return value }
        let exponent = Int.bitWidth - 1 - value.leadingZeroBitCount
        return (exponent - 3) * 16 + (value >> (exponent - 4)) - 16
    }

    private static func upperBound(_ index: Int) -> Int64 {
        guard index >= 16 else { return Int64(index) }
        let exponent = index / 16 + 3
        return Int64((index % 16 + 17) << (exponent - 4)) - 1
    }

    /// The usual percentiles in milliseconds.
    public var description: String {
        func milliseconds(_ time: Duration) -> String {
            let hundredths = time.wholeNanoseconds / 10_000
            return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
        }
        let shares = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)]
        let parts = shares.map { "\($0.0) \(milliseconds(percentile($0.1)))" }
        return "\(parts.joined(separator: ", ")), longest \(milliseconds(longest)) ms of \(count)"
    }
}
