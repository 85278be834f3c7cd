public import Bytes
import CLinux
import Glibc

/// Sends datagrams to a Unix socket that another program may close and open anew at any time; it never waits.
public final class DatagramSender: Sendable {
    private let descriptor: FileDescriptor
    private let path: [UInt8]

    /// Prepares to send to the socket at `path`, which need not be there yet.
    ///
    /// - Throws: ``SystemError`` of socket(2).
    public init(path: String) throws(SystemError) {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = socket(AF_UNIX, type, 0)
        guard number >= 0 else { throw .current("socket") }
        descriptor = FileDescriptor(owning: number)
        self.path = Array(path.utf8)
    }

    /// Sends one datagram.
    ///
    /// - Returns: Whether it was taken: not where nobody listens, where the receiver is behind, or where it is too long.
    public func send(_ datagram: ByteView) -> Bool {
        let number = descriptor.number
        return path.withByteView { path in
            unsafe path.withUnsafeBytes { name, nameLength in
                unsafe datagram.withUnsafeBytes { bytes, count in
                    retryingInterrupts { unsafe squire_unix_send(number, name, nameLength, bytes, count) } >= 0
                }
            }
        }
    }
}
