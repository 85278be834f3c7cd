/// Why there is no configuration to run with.
public enum ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The command line makes no sense; one line, to be followed by a look at `squired --help`.
    case usage(String)
    /// What was configured cannot be: every fault, at least one.
    case faults([ConfigurationFault])

    /// The error in words: a line for each fault, without a line break at the end.
    public var description: String {
        switch self {
        case .usage(let line): line
        case .faults(let faults): faults.map(\.description).joined(separator: "\n")
        }
    }
}

/// One thing that is wrong with a configuration.
public struct ConfigurationFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line with the option's name and what it may be, such as
    /// `limits.depth_max must be an integer from 2 to 512`; never a secret.
    public let description: String

    /// A fault that one line describes.
    init(_ description: String) {
        self.description = description
    }
}
