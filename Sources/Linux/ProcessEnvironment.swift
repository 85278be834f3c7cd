import CLinux
import Glibc

/// The environment variables that a program was started with, or a made-up set of them.
public struct ProcessEnvironment: Sendable {
    private let lookup: @Sendable (String) -> String?

    /// The variables of this process.
    public static var current: ProcessEnvironment {
        ProcessEnvironment { name in
            guard let value = unsafe getenv(name) else { return nil }
            return unsafe String(cString: value)
        }
    }

    /// An environment of exactly these variables.
    public init(_ variables: [String: String]) {
        lookup = { variables[$0] }
    }

    private init(lookup: @escaping @Sendable (String) -> String?) {
        self.lookup = lookup
    }

    /// The value of the variable `name`; nil where it is not set or empty, which programs treat alike.
    public subscript(name: String) -> String? {
        guard let value = lookup(name), !value.isEmpty else { return nil }
        return value
    }
}
