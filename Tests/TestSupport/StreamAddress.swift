import Glibc
public import Linux

/// Where a stream socket of a test listens.
public enum StreamAddress: Hashable, Sendable {
    /// A Unix socket at this path.
    case unix(String)
    /// This port of the loopback interface.
    case loopback(port: UInt16)

    /// How Squire's command line names a Valkey there.
    public var url: String {
        switch self {
        case .unix(let path): "unix://\(path)"
        case .loopback(let port): "valkey://127.0.0.1:\(port)"
        }
    }

    /// Begins to connect.
    ///
    /// - Returns: The socket, which over TCP may still be connecting.
    /// - Throws: `SystemError` of connect(2).
    public func connect() throws -> FileDescriptor {
        switch self {
        case .unix(let path): try Socket.connect(unixPath: path)
        case .loopback(let port): try Socket.connect(to: SocketAddress.resolve(host: "127.0.0.1", port: port)[0])
        }
    }

    /// Listens there; a file that is left from before is removed.
    ///
    /// - Returns: The listening socket, and the port that it got where the one asked for was 0.
    /// - Throws: `SystemError` of the call that failed.
    func listen() throws(SystemError) -> (descriptor: Int32, address: StreamAddress) {
        switch self {
        case .unix(let path):
            unsafe unlink(path)
            return (try Socket.listen(unixPath: path, backlog: 4096).release(), self)
        case .loopback(let port):
            let (descriptor, port) = try StreamAddress.listen(port: port)
            return (descriptor, .loopback(port: port))
        }
    }

    private static func listen(port: UInt16) throws(SystemError) -> (descriptor: Int32, port: UInt16) {
        // A port that was asked for by its number stays the socket's while it does not listen (shutdown(2)), one that
        // the kernel chose does not. So the kernel's choice is held until a second socket has asked for it.
        let chosen = try socket(port: port, isShared: port != 0)
        let port = try localPort(of: chosen)
        share(chosen)
        let listener = try socket(port: port, isShared: true)
        guard Glibc.listen(listener.number, 4096) == 0 else { throw .current("listen") }
        return (listener.release(), port)
    }

    /// Lets other sockets have the port of `descriptor` too, as long as none of them listens.
    private static func share(_ descriptor: borrowing FileDescriptor) {
        var enabled: Int32 = 1
        unsafe setsockopt(descriptor.number, SOL_SOCKET, SO_REUSEADDR, &enabled, socklen_t(MemoryLayout<Int32>.size))
    }

    /// A socket that has `port`; 0 for one of the kernel's choice, which takes none that another has unless it is shared.
    private static func socket(port: UInt16, isShared: Bool) throws(SystemError) -> FileDescriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let number = Glibc.socket(AF_INET, type, 0)
        guard number >= 0 else { throw .current("socket") }
        let descriptor = FileDescriptor(owning: number)
        if isShared { share(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(number, address, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw .current("bind") }
        return descriptor
    }

    private static func localPort(of descriptor: borrowing FileDescriptor) throws(SystemError) -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let number = descriptor.number
        let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe getsockname(number, address, &length)
            }
        }
        guard status == 0 else { throw .current("getsockname") }
        return UInt16(bigEndian: address.sin_port)
    }
}
