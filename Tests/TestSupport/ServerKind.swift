import Linux

/// The servers that Squire works with.
package enum ServerKind: String, CaseIterable, Sendable {
    /// Valkey.
    case valkey = "valkey-server"
    /// Redis.
    case redis = "redis-server"

    /// Path of the program, nil where it is not installed.
    package var program: String? { Executable.find(rawValue) }

    /// Those installed on this host, for the arguments of a test.
    package static var installed: [ServerKind] { allCases.filter { $0.program != nil } }

    /// What a test uses to which it does not matter: Valkey where it is installed.
    package static var preferred: ServerKind { installed.first ?? .valkey }
}
