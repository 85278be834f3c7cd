/// Where a Valkey server is and as whom to speak to it.
public struct Endpoint: Equatable, Sendable {
    /// The server's address.
    public enum Address: Equatable, Sendable {
        /// A Unix socket, at most 107 bytes long.
        case unix(path: String)
        /// A host name or IP address, and a port.
        case tcp(host: String, port: UInt16)
    }

    /// The server's address.
    public var address: Address
    /// The ACL user; nil for the default user.
    public var user: String?
    /// The password; nil where none is asked for.
    public var password: String?
    /// The database's number, at least 0.
    public var database: Int
    /// Whether TLS is spoken; there is no way back to plain text.
    public var isSecure: Bool

    /// Names a server.
    public init(
        address: Address,
        user: String? = nil,
        password: String? = nil,
        database: Int = 0,
        isSecure: Bool = false
    ) {
        self.address = address
        self.user = user
        self.password = password
        self.database = database
        self.isSecure = isSecure
    }

    /// The address in words, without user or password: for logs.
    public var description: String {
        switch address {
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }
}
