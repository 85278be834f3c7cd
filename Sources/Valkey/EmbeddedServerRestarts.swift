import Linux
import Resilience

/// When a server that ended by itself is started again, and whether people are told.
///
/// Pure: the clock and the random number are passed in.
struct EmbeddedServerRestarts {
    /// What to do about an end.
    struct Decision {
        /// How long to wait before the next start.
        var delay: Duration
        /// Whether it is worth a record in the log.
        var isReported: Bool
    }

    /// A server that ran so long was healthy: what went before is forgotten.
    static let healthyUptime = Duration.seconds(10)
    /// Ends in a row for one reason that are reported each.
    static let reportsMax = 5
    /// Time between the reports that follow.
    static let reportInterval = Duration.seconds(60)

    private var backoff = Backoff(first: .milliseconds(50), longest: .seconds(5))
    private var reason: String?
    private var repetitions = 0
    private var reported = Instant(nanoseconds: 0)

    /// Takes note of an end.
    ///
    /// - Parameters:
    ///   - reason: Why, in words that are the same whenever the cause is.
    ///   - uptime: How long the server ran; zero where it could not be started.
    ///   - now: The present moment.
    ///   - random: Evenly distributed over all of its values.
    /// - Returns: What to do.
    mutating func ended(_ reason: String, uptime: Duration, now: Instant, random: UInt32) -> Decision {
        let wasHealthy = uptime >= Self.healthyUptime
        if wasHealthy { backoff.reset() }
        repetitions = wasHealthy || reason != self.reason ? 1 : repetitions + 1
        self.reason = reason
        let isReported = repetitions <= Self.reportsMax || reported.advanced(by: Self.reportInterval) <= now
        if isReported { reported = now }
        return Decision(delay: backoff.next(random: random), isReported: isReported)
    }
}
