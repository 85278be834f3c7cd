import CLinux
import Glibc

/// A counter that wakes a waiting thread (eventfd(2)).
public struct EventCounter: ~Copyable, Sendable {
    /// The descriptor: readable after ``signal()``.
    public let descriptor: FileDescriptor

    /// Makes a counter at zero.
    public init() throws(SystemError) {
        let number = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard number >= 0 else { throw .current("eventfd") }
        descriptor = FileDescriptor(owning: number)
    }

    /// Makes the descriptor readable; may be called on any thread.
    public borrowing func signal() {
        var one: UInt64 = 1
        let number = descriptor.number
        _ = retryingInterrupts { unsafe write(number, &one, 8) }
    }

    /// Makes the descriptor unreadable again.
    public borrowing func reset() {
        var value: UInt64 = 0
        let number = descriptor.number
        _ = retryingInterrupts { unsafe read(number, &value, 8) }
    }
}

/// An alarm on the monotonic clock (timerfd_create(2)).
public struct AlarmDescriptor: ~Copyable, Sendable {
    /// The descriptor: readable once the alarm rang.
    public let descriptor: FileDescriptor

    /// Makes an alarm that is not set.
    public init() throws(SystemError) {
        let number = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_NONBLOCK | TFD_CLOEXEC))
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

/// Signals read as data (signalfd(2)).
public struct SignalDescriptor: ~Copyable, Sendable {
    /// The descriptor: readable when a signal waits.
    public let descriptor: FileDescriptor

    /// Blocks `signals` in the calling thread, and so in the threads that it starts later, and collects them.
    public init(_ signals: [Int32]) throws(SystemError) {
        let number = unsafe signals.withUnsafeBufferPointer { pointer in
            unsafe squire_signal_descriptor(pointer.baseAddress, Int32(pointer.count))
        }
        guard number >= 0 else { throw .current("signalfd") }
        descriptor = FileDescriptor(owning: number)
    }

    /// The next signal's number, or nil when none waits.
    public borrowing func next() -> Int32? {
        let signal = squire_next_signal(descriptor.number)
        return signal < 0 ? nil : signal
    }

    /// Ignores `signal` in this process, such as `SIGPIPE`.
    public static func ignore(_ signal: Int32) {
        squire_ignore_signal(signal)
    }
}
