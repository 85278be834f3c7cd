import CLinux
import Glibc

/// The environment variables that a program was started with, or a made-up set of them.
public struct ProcessEnvironment: Sendable {
    private let lookup: @Sendable (String) -> String?
    private let list: @Sendable () -> [String]

    /// The variables of this process.
    public static var current: ProcessEnvironment {
        ProcessEnvironment(
            lookup: { name in
                guard let value = unsafe getenv(name) else { return nil }
                return unsafe String(cString: value)
            },
            list: {
                ProcessWords.environment.compactMap { entry in
                    entry.split(separator: UInt8(ascii: "="), maxSplits: 1).first.flatMap { name in
                        ProcessWords.text(Array(name))
                    }
                }
            }
        )
    }

    /// An environment of exactly these variables.
    public init(_ variables: [String: String]) {
        lookup = { variables[$0] }
        list = { Array(variables.keys) }
    }

    private init(lookup: @escaping @Sendable (String) -> String?, list: @escaping @Sendable () -> [String]) {
        self.lookup = lookup
        self.list = list
    }

    /// The names that begin with `prefix` of variables that are set and not empty, in order.
    public func names(withPrefix prefix: String) -> [String] {
        list().filter { $0.hasPrefix(prefix) && self[$0] != nil }.sorted()
    }

    /// The value of the variable `name`; nil where it is not set or empty, which programs treat alike.
    public subscript(name: String) -> String? {
        guard let value = lookup(name), !value.isEmpty else { return nil }
        return value
    }
}
