import Bytes
import CLinux
import Glibc

/// Makes and adjusts stream sockets, all of them non-blocking and closed on exec.
public enum Socket {
    /// Longest path of a Unix socket in bytes; the kernel's field has 108 with the closing NUL (unix(7)).
    public static let pathBytesMax = 107

    /// Listens on the Unix socket `path`, which must not exist.
    ///
    /// - Parameters:
    ///   - path: At most ``pathBytesMax`` bytes.
    ///   - backlog: Connections that the kernel keeps until they are accepted.
    /// - Returns: The listening socket.
    /// - Throws: ``SystemError`` of socket(2), bind(2) or listen(2).
    public static func listen(unixPath path: String, backlog: Int32) throws(SystemError) -> FileDescriptor {
        let descriptor = try make(AF_UNIX)
        let bound = path.withByteView { view in
            unsafe view.withUnsafeBytes { unsafe squire_unix_bind(descriptor.number, $0, $1) }
        }
        guard bound == 0 else { throw .current("bind \(path)") }
        guard Glibc.listen(descriptor.number, backlog) == 0 else { throw .current("listen \(path)") }
        return descriptor
    }

    /// Listens on a port of the loopback interface.
    ///
    /// - Parameters:
    ///   - port: 1...65535.
    ///   - isIPv6: Whether on `::1`, else on 127.0.0.1.
    ///   - backlog: Connections that the kernel keeps until they are accepted.
    /// - Returns: The listening socket.
    /// - Throws: ``SystemError`` of socket(2), bind(2) or listen(2), such as `EADDRINUSE`.
    public static func listen(
        loopbackPort port: UInt16,
        isIPv6: Bool,
        backlog: Int32
    ) throws(SystemError) -> FileDescriptor {
        let descriptor = try make(isIPv6 ? AF_INET6 : AF_INET)
        _ = squire_set_option(descriptor.number, SOL_SOCKET, SO_REUSEADDR, 1)
        guard squire_loopback_bind(descriptor.number, isIPv6 ? 1 : 0, port) == 0 else { throw .current("bind") }
        guard Glibc.listen(descriptor.number, backlog) == 0 else { throw .current("listen") }
        return descriptor
    }

    /// Accepts one connection.
    ///
    /// - Returns: The connection's descriptor number, owned by the caller, or the error number as a negative value.
    public static func accept(_ listener: borrowing FileDescriptor) -> Int32 {
        let number = listener.number
        let accepted = retryingInterrupts { squire_accept(number) }
        return accepted >= 0 ? accepted : -errno
    }

    /// Begins to connect to the Unix socket `path`.
    ///
    /// - Returns: The socket, connected: a Unix socket never connects later, but `EAGAIN` means that the listener's
    ///   backlog is full.
    public static func connect(unixPath path: String) throws(SystemError) -> FileDescriptor {
        let descriptor = try make(AF_UNIX)
        let result = path.withByteView { view in
            unsafe view.withUnsafeBytes { pointer, count in
                retryingInterrupts { unsafe squire_unix_connect(descriptor.number, pointer, count) }
            }
        }
        guard result == 0 else { throw .current("connect \(path)") }
        return descriptor
    }

    /// Whether somebody listens at the Unix socket `path`; whose backlog is full does, too.
    public static func isListening(unixPath path: String) -> Bool {
        do throws(SystemError) {
            _ = try connect(unixPath: path)
            return true
        } catch {
            return error.code == EAGAIN
        }
    }

    /// Begins to connect to `address` over TCP, with Nagle's algorithm off.
    ///
    /// - Returns: The socket; once it is writable, ``pendingError(_:)`` tells whether it connected.
    public static func connect(to address: SocketAddress) throws(SystemError) -> FileDescriptor {
        let descriptor = try make(address.family)
        let number = descriptor.number
        let result = retryingInterrupts { address.connect(number) }
        guard result == 0 || errno == EINPROGRESS else { throw .current("connect") }
        _ = squire_set_option(number, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        return descriptor
    }

    /// Lets the kernel notice a dead peer on a silent TCP connection: after 5 s of silence, three probes 1 s apart.
    public static func enableKeepalive(_ descriptor: borrowing FileDescriptor) {
        _ = squire_set_option(descriptor.number, SOL_SOCKET, SO_KEEPALIVE, 1)
        _ = squire_set_option(descriptor.number, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 5)
        _ = squire_set_option(descriptor.number, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 1)
        _ = squire_set_option(descriptor.number, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
    }

    /// The error that a connection attempt ended with, or nil where it succeeded.
    public static func pendingError(_ descriptor: borrowing FileDescriptor) -> SystemError? {
        let code = squire_socket_error(descriptor.number)
        return code == 0 ? nil : SystemError(code: code, operation: "connect")
    }

    /// Tells the other side that nothing more will be sent, while it can still send.
    public static func finishSending(_ descriptor: borrowing FileDescriptor) {
        _ = shutdown(descriptor.number, Int32(SHUT_WR))
    }

    /// Tells the other side that nothing more is taken: what it sent already can still be read, what it sends from now on
    /// fails (`EPIPE`).
    public static func finishReceiving(_ descriptor: borrowing FileDescriptor) {
        _ = shutdown(descriptor.number, Int32(SHUT_RD))
    }

    private static func make(_ family: Int32) throws(SystemError) -> FileDescriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = socket(family, type, 0)
        guard number >= 0 else { throw .current("socket") }
        return FileDescriptor(owning: number)
    }
}
