import Linux
public import Observability

/// How many calls there were, how long they took, and how they failed, by the numbers of their methods.
///
/// A call that is answered in the turn in which it came costs a comparison and an addition: how long it took is told by
/// the one reading of the clock at the turn's end, when its answer has left.
@safe
public struct CallMeter: ~Copyable {
    /// What a call failed with.
    public struct Failure: Hashable, Sendable {
        /// The method's number; nil for a message that named none of the agent's.
        public let method: Int?
        /// The error's number.
        public let code: Int

        /// Names a failure.
        public init(method: Int?, code: Int) {
            self.method = method
            self.code = code
        }
    }

    /// Most calls that wait for the turn's end to be counted.
    private static let spanningMax = 1024

    /// Durations of the calls of each method, from the beginning of the turn in which they came to the end of the one
    /// in which they were answered.
    public private(set) var durations: [DurationHistogram]
    /// Durations of the turns in which calls were answered.
    public private(set) var turns = DurationHistogram()
    /// Failures by method and error.
    public private(set) var failures: [Failure: UInt64] = [:]
    // By method; not an array, whose checks would cost three times what they guard.
    private let immediate: UnsafeMutablePointer<UInt32>
    // A bit for each method that has one, that of its number modulo 64: so that the turn's end looks at few.
    private var touched: UInt64 = 0
    private var spanning: [(method: Int, began: Instant)] = []

    init(methods: Int) {
        durations = [DurationHistogram](repeating: DurationHistogram(), count: methods)
        unsafe immediate = .allocate(capacity: methods)
        unsafe immediate.initialize(repeating: 0, count: methods)
    }

    deinit {
        unsafe immediate.deallocate()
    }

    /// Calls of a method that were answered.
    public func count(of method: Int) -> UInt64 {
        unsafe durations[method].count + UInt64(immediate[method])
            + spanning.reduce(0) { $0 + ($1.method == method ? 1 : 0) }
    }

    /// Calls of a method that were answered with an error.
    public func failureCount(of method: Int) -> UInt64 {
        failures.reduce(0) { $0 + ($1.key.method == method ? $1.value : 0) }
    }

    /// Takes note of an answer.
    ///
    /// - Parameters:
    ///   - method: The method's number, which the caller vouches for.
    ///   - began: When the turn began in which the call came.
    ///   - turn: When the present turn began.
    @inline(__always)
    mutating func ended(_ method: Int, _ began: Instant, in turn: Instant) {
        if began == turn {
            unsafe immediate[method] &+= 1
            touched |= 1 &<< UInt64(truncatingIfNeeded: method)
        } else {
            endedLater(method, began, in: turn)
        }
    }

    @inline(never)
    private mutating func endedLater(_ method: Int, _ began: Instant, in turn: Instant) {
        if spanning.count == CallMeter.spanningMax { turnEnded(turn) }
        spanning.append((method, began))
    }

    mutating func failed(_ method: Int?, _ code: Int) {
        failures[Failure(method: method, code: code), default: 0] += 1
    }

    /// Counts what was answered since the last time, as answered now.
    ///
    /// The clock is read only where there is something to count.
    ///
    /// - Parameters:
    ///   - turn: When the turn began.
    ///   - clock: Tells the time.
    mutating func turnEnded(_ turn: Instant, clock: () -> Instant = { .now }) {
        guard touched != 0 || !spanning.isEmpty else { return }
        let now = clock()
        let length = now.nanoseconds(since: turn)
        turns.record(length)
        if !spanning.isEmpty {
            for call in spanning { durations[call.method].record(now.nanoseconds(since: call.began)) }
            spanning.removeAll(keepingCapacity: true)
        }
        while touched != 0 {
            settle(touched.trailingZeroBitCount, length)
            touched &= touched &- 1
        }
    }

    /// Counts the calls of one turn of the methods that share a bit.
    private mutating func settle(_ first: Int, _ length: Int64) {
        var method = first
        while method < durations.count {
            let times = unsafe immediate[method]
            if times > 0 {
                durations[method].record(length, times: UInt64(times))
                unsafe immediate[method] = 0
            }
            method += 64
        }
    }
}
