import CLinux
import Glibc

/// A system call that failed.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The error number (`errno`), such as `ECONNREFUSED`.
    public let code: Int32
    /// The call, such as `connect`.
    public let operation: String

    /// Records that `operation` failed with `code`.
    public init(code: Int32, operation: String) {
        self.code = code
        self.operation = operation
    }

    /// Records that `operation` failed with the thread's current error number.
    public static func current(_ operation: String) -> SystemError {
        SystemError(code: errno, operation: operation)
    }

    /// Whether accept(2) failed for that one connection, or had none to give: the next call may succeed.
    public var isTransientForAccept: Bool {
        [EAGAIN, ECONNABORTED, EPROTO, EPERM].contains(code)
    }

    /// The C library's words for the code, such as "Connection refused".
    public var reason: String {
        guard let text = unsafe strerror(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }

    /// The call and the reason, such as "connect: Connection refused".
    public var description: String { "\(operation): \(reason)" }
}

/// Runs `call` again while a signal interrupts it.
///
/// - Parameters:
///   - number: A descriptor that whoever started the program may have opened: open, but for reading alone or for writing
///     alone, which is `EBADF` as well, it is their doing and no confusion.
///   - call: Calls, and leaves the reason in `errno`.
/// - Returns: What `call` returned last: a value ≥ 0, or -1 with the reason in `errno`.
/// - Important: Traps on `EBADF` and `EFAULT`: both mean that this program confused a descriptor or an address, and
///   going on would do to one connection what was meant for another.
func retryingInterrupts<Value: SignedInteger>(on number: Int32? = nil, _ call: () -> Value) -> Value {
    while true {
        let value = call()
        if value >= 0 { return value }
        switch errno {
        case EINTR: continue
        case EBADF where number.map(isOpen) == true:
            errno = EBADF
            return value
        case EBADF, EFAULT: preconditionFailure("a system call got a bad descriptor or address")
        default: return value
        }
    }
}

/// Whether a descriptor is open at all.
func isOpen(_ number: Int32) -> Bool { fcntl(number, F_GETFD) >= 0 }
