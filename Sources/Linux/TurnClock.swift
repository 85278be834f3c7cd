/// The moment at which the present turn of a loop began: a reading of the clock that costs nothing.
///
/// The loop that owns it sets it; it is not to be shared between threads.
public final class TurnClock {
    /// When the present turn began.
    public var now: Instant

    /// A clock that shows `now` until it is set.
    public init(_ now: Instant = .now) {
        self.now = now
    }
}
