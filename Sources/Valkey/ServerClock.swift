public import Linux

/// What a server's clock shows, estimated from its answers to `TIME`, with the bound of the estimate's error.
///
/// The server read its clock somewhere between the question and its answer, so an answer is exact to half of the round
/// trip (Cristian 1989). From then on the host's monotonic clock carries the estimate, and the error grows by what two
/// clocks may drift apart. Pure: it is told the answers.
public struct ServerClock: Sendable {
    /// What the clock shows.
    public struct Reading: Equatable, Sendable {
        /// Unix time in milliseconds.
        public let milliseconds: Int64
        /// By how much the server's clock may be ahead or behind, in milliseconds, rounded up.
        public let errorMilliseconds: Int64

        /// Latest time that the server's clock may show.
        public var latest: Int64 { milliseconds + errorMilliseconds }
    }

    /// Age from which an estimate is to be refreshed.
    static let refreshNanoseconds: Int64 = 10_000_000_000
    /// By how much two clocks may drift apart: 1 in this many (500 ppm, what the kernel slews at most).
    private static let driftDivisor: Int64 = 2000

    private var server: Int64 = 0
    private var local = Instant(nanoseconds: 0)
    private var error = Int64.max

    /// A clock of which nothing is known.
    public init() {}

    /// Whether anything is known.
    public var isKnown: Bool { error < .max }

    /// Takes in an answer; a worse one than what is known is dropped, unless the server's clock was set anew.
    ///
    /// - Parameters:
    ///   - microseconds: What the server said, Unix time.
    ///   - sent: A moment at or before the question left.
    ///   - received: When the answer came.
    public mutating func sample(_ microseconds: Int64, sent: Instant, received: Instant) {
        let trip = max(received.nanoseconds(since: sent), 0)
        let estimate = microseconds &* 1000 &+ trip / 2
        if isKnown {
            let known = nanoseconds(at: received)
            let isConsistent = abs(estimate - known) <= trip / 2 + error(at: received)
            if isConsistent, error(at: received) <= trip / 2 { return }
        }
        server = estimate
        local = received
        error = trip / 2
    }

    /// What the clock shows at `instant`, or nil where nothing is known.
    public func reading(at instant: Instant) -> Reading? {
        guard isKnown else { return nil }
        return Reading(
            milliseconds: nanoseconds(at: instant) / 1_000_000,
            errorMilliseconds: (error(at: instant) + 999_999) / 1_000_000
        )
    }

    /// Whether the server should be asked again.
    func isStale(at instant: Instant) -> Bool {
        !isKnown || instant.nanoseconds(since: local) >= ServerClock.refreshNanoseconds
    }

    private func nanoseconds(at instant: Instant) -> Int64 {
        server &+ instant.nanoseconds(since: local)
    }

    private func error(at instant: Instant) -> Int64 {
        error + abs(instant.nanoseconds(since: local)) / ServerClock.driftDivisor
    }
}
