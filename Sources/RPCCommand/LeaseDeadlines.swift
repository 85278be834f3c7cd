import Linux

/// When a command that runs under a lease must end: a clock of the program's own, which needs nobody's word.
///
/// A life counts from before the request for it left. It is what the agent says that can be relied on, which has the
/// margin for two clocks that run at different rates taken off. At its end is the grace, in which the command may end by
/// itself. Pure: it is told the time.
struct LeaseDeadlines {
    /// Part of a life that the command has to end in: one in so many.
    private static let graceDivisor: Int64 = 4
    /// Lives are renewed after one in so many parts of them.
    private static let renewalDivisor: Int64 = 3
    /// Most time that the command has to end in, in nanoseconds.
    private static let graceMax: Int64 = 10_000_000_000

    private var sent: Instant
    private var life: Int64
    /// When the next renewal is due.
    private(set) var nextRenewal: Instant

    /// The deadlines of a life that was given.
    ///
    /// - Parameters:
    ///   - life: The life that can be relied on, in milliseconds, at least 1.
    ///   - sent: When the request for it left, or a moment before.
    init(life: Int64, sent: Instant) {
        self.sent = sent
        self.life = life * 1_000_000
        nextRenewal = sent.advanced(nanoseconds: self.life / Self.renewalDivisor)
    }

    /// Takes note of a renewal.
    mutating func renewed(life: Int64, sent: Instant) {
        guard sent > self.sent else { return }
        self = LeaseDeadlines(life: life, sent: sent)
    }

    /// Takes note of a renewal that failed: the next is tried soon.
    mutating func renewalFailed(at now: Instant) {
        nextRenewal = now.advanced(nanoseconds: max(life / 50, 1_000_000))
    }

    /// Whether so much of the life is over at `now` that it had better be renewed before anything relies on it.
    func isWorn(at now: Instant) -> Bool { now.nanoseconds(since: sent) > life / 10 }

    /// When the command is asked to end, unless a renewal came by then.
    var termination: Instant { killing.advanced(nanoseconds: -grace) }

    /// When what is left of the command is ended by force: before others can hold the lease.
    var killing: Instant { sent.advanced(nanoseconds: life) }

    /// When what is left is ended by force, where the command is asked to end at `now`.
    func killing(askedAt now: Instant) -> Instant { min(killing, now.advanced(nanoseconds: grace)) }

    private var grace: Int64 { min(life / Self.graceDivisor, Self.graceMax) }
}
