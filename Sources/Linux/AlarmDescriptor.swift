import CLinux
import Glibc

/// An alarm on the clock of ``Instant`` (timerfd_create(2)).
public struct AlarmDescriptor: ~Copyable, Sendable {
    /// The descriptor: readable once the alarm rang.
    public let descriptor: FileDescriptor

    /// Makes an alarm that is not set.
    public init() throws(SystemError) {
        let number = timerfd_create(CLOCK_BOOTTIME, Int32(TFD_NONBLOCK | TFD_CLOEXEC))
        guard number >= 0 else { throw .current("timerfd_create") }
        descriptor = FileDescriptor(owning: number)
    }

    /// Sets the alarm and forgets an earlier setting; a moment that has passed rings at once.
    public borrowing func set(_ instant: Instant) {
        var setting = itimerspec()
        let nanoseconds = max(instant.nanoseconds, 1)
        setting.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
        setting.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        let result = unsafe timerfd_settime(descriptor.number, Int32(TFD_TIMER_ABSTIME), &setting, nil)
        precondition(result == 0, "timerfd_settime failed")
    }

    /// Makes the descriptor unreadable again.
    public borrowing func reset() {
        var value: UInt64 = 0
        let number = descriptor.number
        _ = retryingInterrupts { unsafe read(number, &value, 8) }
    }
}
