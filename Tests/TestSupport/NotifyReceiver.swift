import Bytes
import Glibc
import Linux

/// A service manager's notify socket (sd_notify(3)) that keeps what it is told.
public final class NotifyReceiver {
    /// Its path, for `NOTIFY_SOCKET`.
    public let path: String
    /// What was told so far, a datagram each, in order.
    public private(set) var messages: [String] = []
    private let descriptor: FileDescriptor

    /// Receives at `path`, which must not exist.
    public init(_ path: String) throws {
        self.path = path
        let number = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard number >= 0 else { throw SystemError.current("socket") }
        descriptor = FileDescriptor(owning: number)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw SystemError.current("bind \(path)") }
    }

    /// Takes in what has come.
    ///
    /// - Returns: All that was told so far.
    @discardableResult
    public func receive() -> [String] {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
                guard let base = memory.baseAddress else { return Transfer.end }
                return unsafe descriptor.read(into: base, count: memory.count)
            }
            guard case .bytes(let count) = transfer else { return messages }
            messages.append(String(decoding: chunk.prefix(count), as: UTF8.self))
        }
    }

    /// How many messages have the line `line`.
    public func count(of line: String) -> Int {
        receive().count { $0.split(separator: "\n").contains { $0 == line } }
    }
}
