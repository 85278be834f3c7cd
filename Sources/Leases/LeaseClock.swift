public import Linux

/// When a lease is renewed, and until when it can be relied on: the clock of one lease on the holder's host.
///
/// The server counts a lease's life from a moment after the request left, so counting from when it left is safe
/// whatever the server's clock shows, unless that is set forward meanwhile: then the server ends the lease earlier by as
/// much. From the end a margin is taken for two clocks that run at different rates, and for the holder to stop in. Pure:
/// it is told the time.
public struct LeaseClock: Sendable {
    /// Part of a life that is left when it no longer counts: one in so many.
    private static let marginDivisor: Int64 = 20
    /// Least margin, in nanoseconds.
    private static let marginMin: Int64 = 2_000_000
    /// Lives are renewed after one in so many parts of them.
    private static let renewalDivisor: Int64 = 3

    /// Life that renewing gives, in milliseconds.
    public var lifeMilliseconds: Int64
    /// When whoever holds the lease was heard of last; the agent renews by itself for so long from then on.
    private var holdEnd: Instant
    private let holdMilliseconds: Int64
    private var renewedAt: Instant
    private var renewedLife: Int64

    /// The clock of a lease that is not held yet.
    ///
    /// - Parameters:
    ///   - life: Life that renewing gives, in milliseconds, at least 1.
    ///   - hold: How long the agent renews without hearing from the client, in milliseconds.
    ///   - now: The present moment.
    public init(life: Int64, hold: Int64, at now: Instant) {
        lifeMilliseconds = life
        holdMilliseconds = hold
        holdEnd = now.advanced(milliseconds: hold)
        renewedAt = now
        renewedLife = 0
    }

    /// Takes note of a life that was given.
    ///
    /// - Parameters:
    ///   - life: The life, in milliseconds.
    ///   - sent: When the request left, or a moment before.
    public mutating func renewed(life: Int64, sent: Instant) {
        // A late answer to an earlier request says nothing new.
        guard sent.advanced(milliseconds: life) > renewedAt.advanced(milliseconds: renewedLife) else { return }
        renewedAt = sent
        renewedLife = life
    }

    /// Takes note of a life that the client itself asked for, which may be shorter than the one before.
    public mutating func renewedByClient(life: Int64, sent: Instant) {
        lifeMilliseconds = life
        renewedAt = sent
        renewedLife = life
        holdEnd = sent.advanced(milliseconds: holdMilliseconds)
    }

    /// Takes note that a life which somebody else asked for may have been given, and may be shorter than the one before.
    ///
    /// - Parameters:
    ///   - life: The life, in milliseconds.
    ///   - sent: When the request left, or a moment before.
    public mutating func cut(life: Int64, sent: Instant) {
        guard sent.advanced(milliseconds: life) < end else { return }
        renewedAt = sent
        renewedLife = life
    }

    /// Begins the time for which the agent renews by itself.
    public mutating func heardOfHolder(at now: Instant) {
        holdEnd = now.advanced(milliseconds: holdMilliseconds)
    }

    /// Until when the lease counts.
    public var validUntil: Instant {
        let life = renewedLife * 1_000_000
        return renewedAt.advanced(nanoseconds: life - LeaseClock.margin(life))
    }

    /// When the server ends it, unless it is renewed; it may do so a little later, and earlier only where its clock is
    /// set forward.
    public var end: Instant { renewedAt.advanced(milliseconds: renewedLife) }

    /// When it is to be renewed; never, where that would take it beyond the time for which the agent renews.
    public var nextRenewal: Instant {
        let next = renewedAt.advanced(nanoseconds: renewedLife * 1_000_000 / LeaseClock.renewalDivisor)
        return nextLife(at: next) == nil ? .distantFuture : next
    }

    /// Time after a renewal that failed until the next attempt.
    public var retryDelay: Duration {
        .nanoseconds(min(max(lifeMilliseconds * 1_000_000 / 20, 5_000_000), 500_000_000))
    }

    /// The life to ask for at `now`: cut so that it ends with the time for which the agent renews; nil where what is
    /// left of that would not lengthen it.
    public func nextLife(at now: Instant) -> Int64? {
        let left = min(holdEnd.milliseconds(since: now), lifeMilliseconds)
        guard left > 0, now.advanced(milliseconds: left) > end else { return nil }
        return left
    }

    /// Whether the agent renews no more because it has not heard of the client for too long.
    public func isHoldOver(at now: Instant) -> Bool {
        end >= holdEnd.advanced(milliseconds: -1) || now >= holdEnd
    }

    private static func margin(_ life: Int64) -> Int64 {
        min(max(life / marginDivisor, marginMin), life / 2)
    }
}
