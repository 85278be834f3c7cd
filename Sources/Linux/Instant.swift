import CLinux
import Glibc

/// A moment on the host's monotonic clock, in nanoseconds; comparable only within one boot.
///
/// The clock goes on while the host is suspended: a lease that ran out meanwhile has run out.
public struct Instant: Comparable, Hashable, Sendable {
    /// Nanoseconds since an arbitrary beginning.
    public let nanoseconds: Int64

    /// The moment `nanoseconds` after the clock's beginning.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The present moment (`CLOCK_BOOTTIME`).
    public static var now: Instant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// A moment that never comes.
    public static var distantFuture: Instant { Instant(nanoseconds: .max) }

    /// Orders by time.
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The moment `milliseconds` later; ``distantFuture`` where that overflows.
    public func advanced(milliseconds: Int64) -> Instant {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? .distantFuture : advanced(nanoseconds: product)
    }

    /// The moment `nanoseconds` later; ``distantFuture`` where that overflows.
    public func advanced(nanoseconds: Int64) -> Instant {
        let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return overflow ? .distantFuture : Instant(nanoseconds: sum)
    }

    /// The moment `duration` later.
    public func advanced(by duration: Duration) -> Instant {
        advanced(nanoseconds: duration.wholeNanoseconds)
    }

    /// Nanoseconds from `earlier` to this moment, negative where it lies behind.
    public func nanoseconds(since earlier: Instant) -> Int64 {
        nanoseconds.subtractingReportingOverflow(earlier.nanoseconds).partialValue
    }

    /// Milliseconds from `earlier` to this moment, rounded towards zero.
    public func milliseconds(since earlier: Instant) -> Int64 {
        nanoseconds(since: earlier) / 1_000_000
    }
}

extension Duration {
    /// The duration in nanoseconds, `Int64.max` where it is longer than 292 years.
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, carry) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carry ? .max : sum
    }

    /// The duration in milliseconds, rounded towards zero.
    public var wholeMilliseconds: Int64 { wholeNanoseconds / 1_000_000 }
}

/// The calendar clock.
public enum WallClock {
    /// Unix time in milliseconds.
    public static var milliseconds: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
