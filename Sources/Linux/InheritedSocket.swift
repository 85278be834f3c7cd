import Bytes
import CLinux
import Glibc

/// A listening socket that a service manager opened and handed over (sd_listen_fds(3)).
public struct InheritedSocket: Equatable, Sendable {
    /// Number of the descriptor, which nobody owns yet.
    public let number: Int32
    /// What the manager calls it (`FileDescriptorName=`, systemd.socket(5)); empty where it says nothing.
    public let name: String
    /// The path that it is bound to; nil for one without a path.
    public let path: String?

    /// Why a descriptor is not served.
    public struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
        /// Number of the descriptor.
        public let number: Int32
        /// What is wrong with it, in words.
        public let description: String
    }

    /// Number of the first descriptor handed over (`SD_LISTEN_FDS_START`).
    private static let first: Int32 = 3
    /// Most descriptors that are looked at.
    private static let countMax = 64

    /// The sockets that were handed over to this process.
    ///
    /// - Parameter environment: `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` are read. Without them, or where they
    ///   speak of another process, there is none.
    /// - Returns: The sockets in the manager's order; each is non-blocking and closed on exec.
    /// - Throws: ``Fault`` for a descriptor that is no listening stream socket of the Unix domain.
    public static func all(_ environment: ProcessEnvironment) throws(Fault) -> [InheritedSocket] {
        guard environment["LISTEN_PID"].flatMap({ Int32($0) }) == getpid(),
            let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }), count > 0
        else { return [] }
        guard count <= countMax else {
            throw Fault(number: first, description: "LISTEN_FDS must be at most \(countMax)")
        }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        var sockets: [InheritedSocket] = []
        for index in 0..<count {
            let name = Int(index) < names.count ? String(names[Int(index)]) : ""
            sockets.append(try InheritedSocket(adopting: first + index, name: name))
        }
        return sockets
    }

    private init(adopting number: Int32, name: String) throws(Fault) {
        switch squire_is_unix_listener(number) {
        case 1: break
        case 0: throw Fault(number: number, description: "is no listening stream socket of the Unix domain")
        default: throw Fault(number: number, description: "cannot be used: \(SystemError.current("getsockopt").reason)")
        }
        guard squire_adopt(number) == 0 else {
            throw Fault(number: number, description: "cannot be used: \(SystemError.current("fcntl").reason)")
        }
        self.number = number
        self.name = name
        var bytes = [UInt8](repeating: 0, count: Socket.pathBytesMax)
        let length = unsafe bytes.withUnsafeMutableBufferPointer { memory in
            unsafe squire_unix_path(number, memory.baseAddress, memory.count)
        }
        path = length > 0 ? String(decoding: bytes.prefix(Int(length)), as: UTF8.self) : nil
    }
}
