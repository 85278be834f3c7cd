public import Linux

/// Tells a few damaged sessions from a mishap, such as the deployment of a wrong key.
///
/// Pure: it is told the time.
public struct CorruptionAlarm: Sendable {
    /// Faults within ``windowNanoseconds`` that are not yet a mishap.
    public static let faultsMax = 20
    /// How close together faults count.
    public static let windowNanoseconds: Int64 = 10_000_000_000
    /// How long after the last fault too many the alarm stands.
    public static let standNanoseconds: Int64 = 60_000_000_000

    /// When the last faults were found, in a ring.
    private var times = [Instant](repeating: Instant(nanoseconds: .min), count: CorruptionAlarm.faultsMax + 1)
    private var next = 0
    private var raisedAt: Instant?

    /// No fault so far.
    public init() {}

    /// Takes note of a fault.
    ///
    /// - Returns: Whether the alarm is raised by it, not having stood before.
    public mutating func record(at now: Instant) -> Bool {
        times[next] = now
        next = (next + 1) % times.count
        let oldest = times[next]
        guard oldest.nanoseconds > .min, now.nanoseconds(since: oldest) <= CorruptionAlarm.windowNanoseconds else {
            return false
        }
        let wasRaised = isRaised(at: now)
        raisedAt = now
        return !wasRaised
    }

    /// Whether the alarm stands.
    public func isRaised(at now: Instant) -> Bool {
        guard let raisedAt else { return false }
        return now.nanoseconds(since: raisedAt) <= CorruptionAlarm.standNanoseconds
    }
}
