import Linux

/// The servers that Squire works with.
public enum ServerKind: String, CaseIterable, Sendable {
    /// Valkey.
    case valkey = "valkey-server"
    /// Redis.
    case redis = "redis-server"

    /// Path of the program, nil where it is not installed.
    public var program: String? { Executable.find(rawValue) }

    /// Those installed on this host, for the arguments of a test.
    public static var installed: [ServerKind] { allCases.filter { $0.program != nil } }

    /// What a test uses to which it does not matter: Valkey where it is installed.
    public static var preferred: ServerKind { installed.first ?? .valkey }
}
