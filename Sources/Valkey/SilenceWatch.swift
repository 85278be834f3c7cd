import Linux

/// Tells a connection on which nothing has to be said from one that is dead.
///
/// Pure: it is told the time and when bytes came last.
struct SilenceWatch {
    /// What to do now.
    enum Step: Equatable {
        /// Look again then.
        case wait(until: Instant)
        /// Ask the server whether it is there, and look again then.
        case ping(next: Instant)
        /// It is taken for dead.
        case dead(milliseconds: Int64)
    }

    /// Silence after which the server is asked.
    static let beforePing: Int64 = 1_000_000_000
    /// Silence after which it is asked where nothing waits for it: so a server that hangs is known before a call waits.
    static let beforeIdlePing: Int64 = 5_000_000_000
    /// Silence after which it is dead, where nothing else is said.
    static let usualMax: Int64 = 3_000_000_000

    private let max: Int64
    private var pingedAt: Instant?

    /// Takes a connection for dead after `max` nanoseconds of silence.
    init(max: Int64 = SilenceWatch.usualMax) {
        self.max = max
    }

    /// Judges the silence of a server that is asked by others.
    func judge(at now: Instant, receivedAt: Instant) -> Step {
        let silence = now.nanoseconds(since: receivedAt)
        return silence < max
            ? .wait(until: receivedAt.advanced(nanoseconds: max)) : .dead(milliseconds: silence / 1_000_000)
    }

    /// Forgets what was asked over a connection that ended.
    mutating func reset() {
        pingedAt = nil
    }

    /// Judges the silence.
    ///
    /// A server is never taken for dead that was not asked, with time to answer: the agent itself may have stood still.
    mutating func look(at now: Instant, receivedAt: Instant) -> Step {
        if let pingedAt, pingedAt < receivedAt { self.pingedAt = nil }
        let silence = now.nanoseconds(since: receivedAt)
        guard let pingedAt else {
            guard silence >= SilenceWatch.beforePing else {
                return .wait(until: receivedAt.advanced(nanoseconds: SilenceWatch.beforePing))
            }
            self.pingedAt = now
            return .ping(next: now.advanced(nanoseconds: max - SilenceWatch.beforePing))
        }
        let end = Swift.max(
            receivedAt.advanced(nanoseconds: max),
            pingedAt.advanced(nanoseconds: max - SilenceWatch.beforePing)
        )
        return now < end ? .wait(until: end) : .dead(milliseconds: silence / 1_000_000)
    }
}
