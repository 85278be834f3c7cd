/// A server that a load is put on.
public struct LoadTarget: Sendable, Equatable {
    /// Where it listens.
    public enum Address: Sendable, Equatable {
        /// A Unix socket.
        case unix(path: String)
        /// A host and a port.
        case tcp(host: String, port: UInt16)
    }

    /// What it speaks.
    public enum Language: Sendable, Equatable {
        /// JSON-RPC, a message a line; replies are told apart by their ids.
        case calls
        /// Lines that are answered by lines in the same order, whatever stands in them.
        case lines
        /// Valkey's protocol.
        case commands
    }

    /// Where it listens.
    public let address: Address
    /// What it speaks.
    public let language: Language
    /// As whom to speak to a Valkey.
    var user: String?
    var password: String?
    var database = 0

    /// An agent, or with ``Language/lines`` a server that answers lines.
    public init(socketPath: String, language: Language = .calls) {
        address = .unix(path: socketPath)
        self.language = language
    }

    /// A Valkey, or what speaks its protocol.
    ///
    /// - Parameter url: `valkey://[[user]:password@]host[:port][/db]`, `redis://` likewise, or `unix:///path[?db=N]`;
    ///   a password is taken as it stands.
    /// - Throws: ``LoadError`` where the URL is of another form.
    public init(url: String) throws(LoadError) {
        language = .commands
        if url.hasPrefix("unix://") {
            let parts = url.dropFirst(7).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts[0].hasPrefix("/") else { throw LoadError("a unix:// URL has an absolute path") }
            address = .unix(path: String(parts[0]))
            guard parts.count == 2 else { return }
            guard parts[1].hasPrefix("db=") else { throw LoadError("after ? a unix:// URL has db=N only") }
            database = try Self.number(parts[1].dropFirst(3), "the database")
            return
        }
        guard let scheme = ["valkey://", "redis://"].first(where: url.hasPrefix) else {
            throw LoadError("the URL must begin with valkey://, redis:// or unix://; TLS is not measured")
        }
        var rest = url.dropFirst(scheme.count)
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw LoadError("before @ stands user:password or :password") }
            user = parts[0].isEmpty ? nil : String(parts[0])
            password = String(parts[1])
            rest = rest[rest.index(after: at)...]
        }
        if let slash = rest.firstIndex(of: "/") {
            let digits = rest[rest.index(after: slash)...]
            if !digits.isEmpty { database = try Self.number(digits, "the database") }
            rest = rest[..<slash]
        }
        var host = rest
        var port = 6379
        let bracket = rest.lastIndex(of: "]") ?? rest.startIndex
        if let colon = rest[bracket...].lastIndex(of: ":") {
            host = rest[..<colon]
            port = try Self.number(rest[rest.index(after: colon)...], "the port")
        }
        if host.hasPrefix("[") { host = host.dropFirst().dropLast() }
        guard let port = UInt16(exactly: port), port > 0 else { throw LoadError("the port must be 1 to 65535") }
        address = .tcp(host: host.isEmpty ? "localhost" : String(host), port: port)
    }

    private static func number(_ text: Substring, _ name: String) throws(LoadError) -> Int {
        guard let value = Int(text), value >= 0 else { throw LoadError("\(name) must be a number") }
        return value
    }

    /// The commands that a connection to a Valkey begins with, words by words.
    var greeting: [[String]] {
        var commands: [[String]] = []
        if let password { commands.append(["AUTH"] + (user.map { [$0] } ?? []) + [password]) }
        if database != 0 { commands.append(["SELECT", String(database)]) }
        return commands
    }
}
