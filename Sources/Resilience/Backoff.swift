/// How long to wait before the next attempt: doubling, bounded, with full jitter.
///
/// Pure: the random number is passed in. Full jitter draws each delay evenly from nothing up to the bound, so agents
/// that lost the same server do not come back together.
public struct Backoff: Sendable {
    private let first: Duration
    private let longest: Duration
    private var bound: Duration

    /// Begins at `first` and doubles up to `longest`.
    public init(first: Duration = .milliseconds(50), longest: Duration = .seconds(5)) {
        self.first = first
        self.longest = longest
        bound = first
    }

    /// The delay before the next attempt.
    ///
    /// - Parameter random: Evenly distributed over all of its values.
    /// - Returns: From zero to the present bound, which doubles for the next call.
    public mutating func next(random: UInt32) -> Duration {
        let delay = bound * (Double(random) / Double(UInt32.max))
        bound = min(bound * 2, longest)
        return delay
    }

    /// Begins again, after a time of health.
    public mutating func reset() {
        bound = first
    }
}
