public import Linux

/// What one caller has used of a quota, over all its connections.
///
/// Rates are token buckets of one second's worth: who was silent for a second may use a second's worth at once.
public final class QuotaAccount {
    /// Why a call must wait.
    public struct Refusal: Equatable, Sendable {
        /// The bound, as the policy names it, such as `requests_per_second`.
        public let bound: StaticString
        /// Its value.
        public let limit: Int
        /// When the call may be tried again, in milliseconds; nil where that depends on the caller.
        public let retryAfterMilliseconds: Int64?

        /// Compares bound, value and time.
        public static func == (left: Refusal, right: Refusal) -> Bool {
            "\(left.bound)" == "\(right.bound)" && left.limit == right.limit
                && left.retryAfterMilliseconds == right.retryAfterMilliseconds
        }
    }

    /// The bounds; what was used stays when they change.
    public var quota: Quota
    /// Calls that run.
    public private(set) var inFlight = 0
    private var requests: Bucket
    private var bytes: Bucket

    /// Begins an account at `now`.
    public init(_ quota: Quota, now: Instant) {
        self.quota = quota
        requests = Bucket(now: now)
        bytes = Bucket(now: now)
    }

    /// Begins a call, which ``end()`` closes, unless it must wait.
    ///
    /// - Parameters:
    ///   - size: Bytes of the call's parameters.
    ///   - now: The present moment.
    /// - Returns: Nil where the call may run; a call that is refused has used nothing.
    public func begin(bytes size: Int, now: Instant) -> Refusal? {
        if let limit = quota.inFlight, inFlight >= limit {
            return Refusal(bound: "in_flight", limit: limit, retryAfterMilliseconds: nil)
        }
        if let limit = quota.requestsPerSecond, let wait = requests.wait(for: 1, rate: limit, now) {
            return Refusal(bound: "requests_per_second", limit: limit, retryAfterMilliseconds: wait)
        }
        if let limit = quota.bytesPerSecond, let wait = bytes.wait(for: size, rate: limit, now) {
            return Refusal(bound: "bytes_per_second", limit: limit, retryAfterMilliseconds: wait)
        }
        if quota.requestsPerSecond != nil { requests.take(1) }
        if quota.bytesPerSecond != nil { bytes.take(size) }
        inFlight += 1
        return nil
    }

    /// Whether a new account would let the same calls run: everything that was used of rates is made up for.
    public func isSettled(at now: Instant) -> Bool {
        (quota.requestsPerSecond.map { requests.isEmpty(rate: $0, now) } ?? true)
            && (quota.bytesPerSecond.map { bytes.isEmpty(rate: $0, now) } ?? true)
    }

    /// Ends a call that ``begin(bytes:now:)`` let run.
    public func end() {
        inFlight -= 1
    }
}

/// A token bucket that holds what one second brings.
private struct Bucket {
    /// What was taken and has not been made up for by the passing of time.
    private var debt = 0.0
    private var last: Instant

    init(now: Instant) {
        last = now
    }

    /// Whether nothing is owed.
    func isEmpty(rate: Int, _ now: Instant) -> Bool {
        debt <= Double(rate) * Double(now.nanoseconds(since: last)) / 1e9
    }

    /// How long until `amount` may be taken, in milliseconds and at least 1; nil for at once.
    ///
    /// An amount above the rate may be taken from a bucket that is full: it is paid for afterwards.
    mutating func wait(for amount: Int, rate: Int, _ now: Instant) -> Int64? {
        let rate = Double(rate)
        debt = max(0, debt - rate * Double(now.nanoseconds(since: last)) / 1e9)
        last = now
        let excess = debt + min(Double(amount), rate) - rate
        guard excess > 1e-6 else { return nil }
        return max(1, Int64((excess / rate * 1000 - 1e-6).rounded(.up)))
    }

    mutating func take(_ amount: Int) {
        debt += Double(amount)
    }
}
