/// Where the value of an option comes from, the strongest last.
public enum Origin: String, Comparable, Sendable {
    /// Nobody gave one.
    case `default`
    /// The configuration file.
    case file
    /// An environment variable.
    case environment
    /// A flag of the command line.
    case flag

    /// Orders by strength, weakest first.
    public static func < (left: Origin, right: Origin) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .default: 0
        case .file: 1
        case .environment: 2
        case .flag: 3
        }
    }
}
