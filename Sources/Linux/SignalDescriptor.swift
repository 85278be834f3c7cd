import CLinux
import Glibc

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

    /// Blocks `signals` in the calling thread, and so in the threads that it starts later; they wait until they are read.
    ///
    /// The kernel gives a signal of the process to any thread that does not block it. So a program that reads signals
    /// blocks them before its first thread is started.
    public static func block(_ signals: [Int32]) {
        unsafe signals.withUnsafeBufferPointer { pointer in
            unsafe squire_block_signals(pointer.baseAddress, Int32(pointer.count))
        }
    }

    /// Ignores `signal` in this process, such as `SIGPIPE`.
    public static func ignore(_ signal: Int32) {
        squire_ignore_signal(signal)
    }
}
