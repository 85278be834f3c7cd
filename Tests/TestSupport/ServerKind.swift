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

    /// What a test uses to which it does not matter: the one that `SQUIRE_TEST_SERVER` names, else Valkey where it is
    /// installed.
    public static var preferred: ServerKind { chosen ?? installed.first ?? .valkey }

    /// The one that `SQUIRE_TEST_SERVER` names: `valkey`, `redis` or `newest`.
    ///
    /// With it every test runs against that server which does not run against all of them, and agents take it for the
    /// servers of their own.
    public static let chosen: ServerKind? = {
        guard let name = ProcessEnvironment.current["SQUIRE_TEST_SERVER"], !name.isEmpty else { return nil }
        let names: [String: ServerKind] = ["valkey": .valkey, "redis": .redis, "newest": .newestValkey]
        guard let kind = names[name], kind.program != nil else {
            preconditionFailure("SQUIRE_TEST_SERVER must be valkey, redis or newest, and installed; it is \(name)")
        }
        return kind
    }()

    /// What tells an agent to take the chosen server for the servers of its own.
    static var agentEnvironment: [String: String] {
        guard let program = chosen?.program else { return [:] }
        return ["SQUIRE_EMBEDDED_EXECUTABLE": program]
    }

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
