/// Why a URL names no server that this agent can use.
public enum EndpointFault: Error, Equatable, Sendable {
    /// The URL is not of a form that is understood; the words say what is wrong.
    case malformed(String)
    /// The URL is of a kind that this version does not speak.
    case unsupported(String)

    /// The fault in words.
    public var description: String {
        switch self {
        case .malformed(let reason): reason
        case .unsupported(let reason): reason
        }
    }
}

extension Endpoint {
    /// Reads a URL.
    ///
    /// - Parameter url: `valkey://[user[:password]@]host[:port][/db]`, `valkeys://` likewise for TLS, `redis://` and
    ///   `rediss://` for the same two, or `unix:///path[?db=N]`, which may carry `[user[:password]@]` before the path
    ///   too. User and password are percent-decoded (RFC 3986 section 2.1). The host defaults to localhost, the port
    ///   to 6379, the database to 0.
    /// - Throws: ``EndpointFault``, whose words never repeat a password.
    public init(url: String) throws(EndpointFault) {
        guard let colon = url.firstIndex(of: ":"), url[colon...].hasPrefix("://") else {
            throw .malformed("a URL begins with valkey://, valkeys:// or unix://")
        }
        let scheme = url[..<colon].lowercased()
        let rest = String(url[colon...].dropFirst(3))
        switch scheme {
        case "valkey", "redis":
            self = try Endpoint.tcp(rest)
        case "valkeys", "rediss":
            self = try Endpoint.tcp(rest)
            isSecure = true
        case "unix":
            self = try Endpoint.unix(rest)
        case "sentinel", "cluster":
            throw .unsupported("this version does not speak \(scheme):// yet")
        default:
            throw .malformed("the scheme must be valkey, valkeys, redis, rediss or unix, not \(scheme)")
        }
    }

    private static func tcp(_ text: String) throws(EndpointFault) -> Endpoint {
        var endpoint = Endpoint(address: .tcp(host: "localhost", port: 6379))
        var rest = try endpoint.takeCredentials(text)
        if let slash = rest.firstIndex(of: "/") {
            let number = String(rest[rest.index(after: slash)...])
            if !number.isEmpty { endpoint.database = try database(number) }
            rest = String(rest[..<slash])
        }
        guard !rest.contains("?"), !rest.contains("#") else {
            throw .malformed("a valkey:// URL ends with /db; it has no ? or #")
        }
        let (host, port) = try hostAndPort(rest)
        endpoint.address = .tcp(host: host.isEmpty ? "localhost" : host, port: port)
        return endpoint
    }

    private static func unix(_ text: String) throws(EndpointFault) -> Endpoint {
        var endpoint = Endpoint(address: .unix(path: ""))
        var path = text.hasPrefix("/") ? text : try endpoint.takeCredentials(text)
        if let question = path.firstIndex(of: "?") {
            let query = String(path[path.index(after: question)...])
            guard query.hasPrefix("db=") else { throw .malformed("after ? a unix:// URL has db=N only") }
            endpoint.database = try database(String(query.dropFirst(3)))
            path = String(path[..<question])
        }
        guard path.hasPrefix("/") else {
            throw .malformed("a unix:// URL has an absolute path: unix:///run/valkey.sock")
        }
        guard let decoded = percentDecoded(path) else { throw .malformed("the path has an invalid % sequence") }
        guard decoded.utf8.count <= 107 else { throw .malformed("a socket's path has at most 107 bytes") }
        endpoint.address = .unix(path: decoded)
        return endpoint
    }

    /// Takes `user:password@` off the front of `text`, and gives what is left.
    private mutating func takeCredentials(_ text: String) throws(EndpointFault) -> String {
        guard let at = text.lastIndex(of: "@") else { return text }
        let credentials = text[..<at]
        let parts = credentials.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = Endpoint.percentDecoded(String(parts[0])) else {
            throw .malformed("the user has an invalid % sequence")
        }
        user = name.isEmpty ? nil : name
        if parts.count == 2 {
            guard let secret = Endpoint.percentDecoded(String(parts[1])) else {
                throw .malformed("the password has an invalid % sequence")
            }
            password = secret
        }
        if user != nil, password == nil {
            throw .malformed("a user needs a password: user:password@, or valkey.user and valkey.password_file")
        }
        return String(text[text.index(after: at)...])
    }

    private static func hostAndPort(_ text: String) throws(EndpointFault) -> (String, UInt16) {
        guard text.hasPrefix("[") else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { throw .malformed("an IPv6 address stands in brackets: [::1]:6379") }
            return (String(parts[0]), parts.count == 2 ? try self.port(parts[1]) : 6379)
        }
        guard let end = text.firstIndex(of: "]") else { throw .malformed("the address's ] is missing") }
        let host = String(text[text.index(after: text.startIndex)..<end])
        let tail = text[text.index(after: end)...]
        if tail.isEmpty { return (host, 6379) }
        guard tail.hasPrefix(":") else { throw .malformed("after ] comes :port") }
        return (host, try port(tail.dropFirst()))
    }

    private static func port(_ text: Substring) throws(EndpointFault) -> UInt16 {
        guard let value = UInt16(text), value > 0 else { throw .malformed("the port must be 1 to 65535") }
        return value
    }

    private static func database(_ text: String) throws(EndpointFault) -> Int {
        guard let value = Int(text), value >= 0 else { throw .malformed("the database must be a number from 0") }
        return value
    }

    private static func percentDecoded(_ text: String) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
