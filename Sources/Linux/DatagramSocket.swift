public import Bytes
import CLinux
import Glibc

/// Sends datagrams to the Unix socket of another program, and never waits for it.
public struct DatagramSocket: ~Copyable, Sendable {
    private let descriptor: FileDescriptor
    private let path: [UInt8]

    /// What became of a datagram.
    public enum Outcome: Equatable, Sendable {
        /// The kernel took it.
        case sent
        /// The receiver's queue is full: it may be taken later.
        case full
        /// Nobody receives there, or the kernel refuses it.
        case failed(SystemError)
    }

    /// Makes a socket that sends to `path`.
    ///
    /// - Parameter path: A path, or `@` and a name of the abstract namespace (unix(7)).
    /// - Throws: ``SystemError`` of socket(2).
    public init(to path: String) throws(SystemError) {
        let number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw .current("socket") }
        descriptor = FileDescriptor(owning: number)
        self.path = Array(path.utf8)
    }

    /// Sends one datagram; may be called on any thread.
    public borrowing func send(_ datagram: ByteView) -> Outcome {
        let number = descriptor.number
        let sent = path.withByteView { path in
            unsafe path.withUnsafeBytes { path, length in
                unsafe datagram.withUnsafeBytes { bytes, count in
                    retryingInterrupts { unsafe squire_unix_send(number, path, length, bytes, count) }
                }
            }
        }
        if sent >= 0 { return .sent }
        return errno == EAGAIN || errno == ENOBUFS ? .full : .failed(.current("send to a datagram socket"))
    }
}
