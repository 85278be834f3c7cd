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
