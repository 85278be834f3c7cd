import Glibc
public import Linux

/// Ports of the loopback interface.
public enum LoopbackPort {
    /// A port that was free a moment ago; another process may take it before it is used.
    ///
    /// - Throws: `SystemError` of the call that failed.
    public static func free() throws(SystemError) -> UInt16 {
        let number = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw .current("socket") }
        let descriptor = FileDescriptor(owning: number)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard unsafe bind(descriptor.number, address, length) == 0 else { return Int32(-1) }
                return unsafe getsockname(descriptor.number, address, &length)
            }
        }
        guard status == 0 else { throw .current("bind") }
        return UInt16(bigEndian: address.sin_port)
    }
}
