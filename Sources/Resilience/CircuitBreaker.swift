public import Linux

/// Keeps callers from a server that does not answer, and finds out by one probe when it does again.
///
/// Pure: it is told what happened and when, and says what to do. Only what the transport did counts: a server that
/// answers, even with an error, is there. Closed, it counts outcomes over a sliding window and opens where at least half
/// of them, and a minimum number, failed; a refused connection opens it at once. Open, nobody passes until a delay that
/// grows from one opening to the next has passed; then one probe, and no call of a client, decides. What belongs to an
/// earlier state carries an earlier generation and is ignored.
public struct CircuitBreaker: Sendable {
    /// What the breaker does with callers.
    public enum State: Sendable {
        /// They pass.
        case closed
        /// They are turned away.
        case open
        /// They are turned away while a probe is under way.
        case halfOpen

        /// The state's name on the wire, such as `half_open`.
        public var name: String {
            switch self {
            case .closed: "closed"
            case .open: "open"
            case .halfOpen: "half_open"
            }
        }
    }

    /// Who decides on the state.
    public enum Mode: Sendable {
        /// What happens.
        case automatic
        /// An operator: open until further notice.
        case forcedOpen
        /// An operator: closed until further notice.
        case forcedClosed

        /// The mode's name on the wire: `auto`, `open` or `closed`.
        public var name: String {
            switch self {
            case .automatic: "auto"
            case .forcedOpen: "open"
            case .forcedClosed: "closed"
            }
        }
    }

    /// Thresholds and delays.
    public struct Configuration: Sendable {
        /// Failures in the window below which the breaker never opens.
        public var failuresMin = 20
        /// Share of failures in the window from which it opens, in percent.
        public var failurePercentMin = 50
        /// First time that it stays open.
        public var firstOpening = Duration.seconds(1)
        /// Longest time that it stays open.
        public var longestOpening = Duration.seconds(30)

        /// The defaults.
        public init() {}
    }

    private struct Bucket {
        var second: Int64 = -1
        var successes = 0
        var failures = 0
    }

    /// Seconds over which outcomes are counted.
    private static let windowSeconds: Int64 = 10

    /// What the breaker does with callers now.
    public private(set) var state = State.closed
    /// Who decides.
    public private(set) var mode = Mode.automatic
    /// Rises with every change of state; outcomes are reported with the one under which they began.
    public private(set) var generation: UInt32 = 0
    /// When an open breaker probes.
    public private(set) var probeInstant = Instant.distantFuture
    /// Openings since the start.
    public private(set) var openings: UInt64 = 0
    private let configuration: Configuration
    private var opening: Duration
    private var buckets = [Bucket](repeating: Bucket(), count: Int(windowSeconds))

    /// Makes a closed breaker.
    public init(_ configuration: Configuration = Configuration()) {
        self.configuration = configuration
        opening = configuration.firstOpening
    }

    /// Whether callers pass.
    public var isPassable: Bool { state == .closed }

    /// Failures and all outcomes in the window before `now`.
    public func counts(at now: Instant) -> (failures: Int, total: Int) {
        let second = now.nanoseconds / 1_000_000_000
        var failures = 0
        var total = 0
        for bucket in buckets where bucket.second > second - CircuitBreaker.windowSeconds && bucket.second <= second {
            failures += bucket.failures
            total += bucket.failures + bucket.successes
        }
        return (failures, total)
    }

    /// Takes note that `count` commands were answered.
    public mutating func succeeded(_ count: Int, at now: Instant) {
        buckets[bucket(now)].successes += count
    }

    /// Takes note that `count` commands got no answer.
    ///
    /// - Parameters:
    ///   - count: How many, at least 1.
    ///   - generation: That of the breaker when they were sent.
    ///   - now: The present moment.
    ///   - random: Evenly distributed over its values: the jitter of an opening.
    /// - Returns: Whether the breaker opened.
    public mutating func failed(_ count: Int, generation: UInt32, at now: Instant, random: UInt32) -> Bool {
        guard generation == self.generation, state == .closed else { return false }
        buckets[bucket(now)].failures += count
        let (failures, total) = counts(at: now)
        guard mode == .automatic, failures >= configuration.failuresMin,
            failures * 100 >= total * configuration.failurePercentMin
        else { return false }
        open(at: now, random: random)
        return true
    }

    /// Takes note that the server cannot be connected to.
    ///
    /// - Returns: Whether the breaker opened.
    public mutating func refused(at now: Instant, random: UInt32) -> Bool {
        guard mode == .automatic, state == .closed else { return false }
        open(at: now, random: random)
        return true
    }

    /// Lets the breaker probe where its time has come.
    ///
    /// - Returns: Whether the caller is to send a probe now, one, whose outcome it reports with ``generation``.
    public mutating func beginProbe(at now: Instant) -> Bool {
        guard mode == .automatic, state == .open, now >= probeInstant else { return false }
        state = .halfOpen
        generation &+= 1
        return true
    }

    /// Takes note that a connection is made while callers are turned away: the `PING` of its greeting is the probe.
    ///
    /// - Returns: Whether it is; its outcome is then reported with ``generation``.
    public mutating func beginGreeting() -> Bool {
        guard mode == .automatic, state == .open else { return false }
        state = .halfOpen
        generation &+= 1
        return true
    }

    /// Takes note that the server answers: a probe was answered, or a new connection was greeted.
    ///
    /// - Returns: Whether the breaker closed.
    public mutating func answered() -> Bool {
        guard mode == .automatic, state != .closed else { return false }
        close()
        return true
    }

    /// Takes note that a probe was not answered.
    ///
    /// - Returns: Whether the breaker opened again.
    public mutating func probeFailed(generation: UInt32, at now: Instant, random: UInt32) -> Bool {
        guard generation == self.generation, state == .halfOpen else { return false }
        open(at: now, random: random)
        return true
    }

    /// Hands the decision to an operator, or back.
    public mutating func set(_ mode: Mode, at now: Instant) {
        self.mode = mode
        switch mode {
        case .forcedOpen:
            state = .open
            generation &+= 1
            probeInstant = .distantFuture
        case .forcedClosed:
            close()
        case .automatic:
            // An opening by hand ends with a probe, as every other.
            if state == .open { probeInstant = now }
        }
    }

    private mutating func open(at now: Instant, random: UInt32) {
        state = .open
        generation &+= 1
        openings += 1
        // Equal jitter: at least half of the delay, so that a server is never probed without pause.
        let jitter = 0.5 + 0.5 * Double(random) / Double(UInt32.max)
        probeInstant = now.advanced(by: opening * jitter)
        opening = min(opening * 2, configuration.longestOpening)
    }

    private mutating func close() {
        state = .closed
        generation &+= 1
        opening = configuration.firstOpening
        probeInstant = .distantFuture
        buckets = [Bucket](repeating: Bucket(), count: buckets.count)
    }

    private mutating func bucket(_ now: Instant) -> Int {
        let second = now.nanoseconds / 1_000_000_000
        let index = Int(second % CircuitBreaker.windowSeconds)
        if buckets[index].second != second { buckets[index] = Bucket(second: second) }
        return index
    }
}
