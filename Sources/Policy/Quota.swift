/// Bounds on what a caller may ask and hold; nil for no bound.
public struct Quota: Equatable, Sendable {
    /// Calls begun in a second, of any method.
    public var requestsPerSecond: Int?
    /// Calls that run at once.
    public var inFlight: Int?
    /// Bytes of the parameters of calls begun in a second.
    public var bytesPerSecond: Int?
    /// Subscriptions held at once.
    public var subscriptions: Int?
    /// Locks, permits and other leases held at once.
    public var locks: Int?

    /// No bound.
    public init() {}

    /// Whether there is no bound.
    public var isUnbounded: Bool { self == Quota() }

    /// The stricter of each bound.
    func merged(_ other: Quota) -> Quota {
        var merged = Quota()
        merged.requestsPerSecond = Quota.stricter(requestsPerSecond, other.requestsPerSecond)
        merged.inFlight = Quota.stricter(inFlight, other.inFlight)
        merged.bytesPerSecond = Quota.stricter(bytesPerSecond, other.bytesPerSecond)
        merged.subscriptions = Quota.stricter(subscriptions, other.subscriptions)
        merged.locks = Quota.stricter(locks, other.locks)
        return merged
    }

    private static func stricter(_ left: Int?, _ right: Int?) -> Int? {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }
}
