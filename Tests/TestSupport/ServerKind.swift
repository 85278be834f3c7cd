import Linux

/// The servers that Squire works with.
public enum ServerKind: String, CaseIterable, Sendable {
    /// Valkey as the distribution has it.
    case valkey = "valkey-server"
    /// Redis as the distribution has it.
    case redis = "redis-server"
    /// The newest Valkey, which `scripts/servers` gets; it is built without TLS.
    case newestValkey = "newest valkey-server"

    /// Path of the program, nil where it is not installed.
    public var program: String? {
        switch self {
        case .valkey, .redis: Executable.find(rawValue)
        case .newestValkey: ServerKind.fetched
        }
    }

    /// Whether the program speaks TLS.
    public var speaksTLS: Bool { self != .newestValkey }

    /// Those installed on this host, for the arguments of a test.
    public static var installed: [ServerKind] { allCases.filter { $0.program != nil } }

    /// Those of them that speak TLS.
    public static var speakingTLS: [ServerKind] { installed.filter(\.speaksTLS) }

    /// What a test uses to which it does not matter: Valkey where it is installed.
    public static var preferred: ServerKind { installed.first ?? .valkey }

    /// The server in `servers` of the directory that the tests were built in, some levels above their program.
    private static let fetched: String? = {
        guard let tests = try? File.destination(ofLink: "/proc/self/exe") else { return nil }
        var names = tests.split(separator: "/").dropLast()
        while !names.isEmpty {
            let directory = names.map { "/\($0)" }.joined()
            if let program = Executable.find("\(directory)/servers/valkey-server") { return program }
            names.removeLast()
        }
        return nil
    }()
}
