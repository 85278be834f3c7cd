import CLinux
import Glibc

/// The address of a TCP peer, IPv4 or IPv6.
@safe
public struct SocketAddress: Sendable {
    private let storage: sockaddr_storage
    private let length: socklen_t

    /// `AF_INET` or `AF_INET6`.
    var family: Int32 { Int32(storage.ss_family) }

    /// Looks up `host`, which blocks while the name servers are asked: never call it on the event loop.
    ///
    /// - Parameters:
    ///   - host: A name, or an IPv4 or IPv6 address without brackets.
    ///   - port: 1...65535.
    /// - Returns: At least one address, in the system's order of preference (RFC 6724).
    /// - Throws: ``ResolutionError``.
    public static func resolve(host: String, port: UInt16) throws(ResolutionError) -> [SocketAddress] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        var status = unsafe getaddrinfo(host, String(port), &hints, &list)
        if status == EAI_NONAME || status == SQUIRE_EAI_ADDRFAMILY {
            // A host that has only the loopback interface configures no address family that AI_ADDRCONFIG counts.
            unsafe hints.ai_flags = 0
            status = unsafe getaddrinfo(host, String(port), &hints, &list)
        }
        guard status == 0 else {
            throw ResolutionError(host: host, reason: unsafe String(cString: gai_strerror(status)))
        }
        defer { unsafe freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = unsafe list
        while let entry = unsafe next {
            if let address = unsafe entry.pointee.ai_addr {
                unsafe addresses.append(SocketAddress(address, entry.pointee.ai_addrlen))
            }
            unsafe next = entry.pointee.ai_next
        }
        guard !addresses.isEmpty else { throw ResolutionError(host: host, reason: "no address") }
        return addresses
    }

    private init(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) {
        var storage = sockaddr_storage()
        unsafe memcpy(&storage, address, min(Int(length), MemoryLayout<sockaddr_storage>.size))
        self.storage = storage
        self.length = length
    }

    func connect(_ number: Int32) -> Int32 {
        unsafe withUnsafePointer(to: storage) { unsafe squire_connect(number, $0, length) }
    }
}

/// A host name that could not be turned into an address.
public struct ResolutionError: Error, Equatable, Sendable {
    /// The name asked for.
    public let host: String
    /// The resolver's words, such as "Name or service not known".
    public let reason: String
}
