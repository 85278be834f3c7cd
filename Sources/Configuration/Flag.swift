/// A flag of `squired`.
public enum Flag: String, CaseIterable, Sendable {
    /// Names the configuration file.
    case config = "--config"
    /// Sets `socket.path`.
    case socket = "--socket"
    /// Sets `state_directory`.
    case stateDirectory = "--state-dir"
    /// Sets `valkey.cache_url`.
    case valkey = "--valkey"
    /// Sets `valkey.state_url`.
    case state = "--state"
    /// Reads the configuration and stops there.
    case checkConfig = "--check-config"
    /// Prints the configuration in force.
    case printConfig = "--print-config"
    /// Prints the version.
    case version = "--version"
    /// Prints the usage.
    case help = "--help"

    /// What stands for its value in the usage; nil for a flag that takes none.
    public var placeholder: String? {
        switch self {
        case .config: "FILE"
        case .socket: "PATH"
        case .stateDirectory: "DIR"
        case .valkey, .state: "URL"
        case .checkConfig, .printConfig, .version, .help: nil
        }
    }

    /// What it does.
    public var summary: String {
        switch self {
        case .config: "The configuration file."
        case .checkConfig: "Read the configuration, say what is wrong with it, and end."
        case .printConfig: "Print every option, its value and where that comes from, and end."
        case .version: "Print the version."
        case .help: "Print this text."
        case .socket, .stateDirectory, .valkey, .state: Option.all.first { $0.flag == self }?.summary ?? ""
        }
    }

    /// The flag as it stands in the usage, such as `--config FILE`.
    public var usage: String {
        placeholder.map { "\(rawValue) \($0)" } ?? rawValue
    }

    /// What `squired --help` prints.
    static var helpText: String {
        let width = allCases.map(\.usage.count).max() ?? 0
        let lines = allCases.map { "  " + $0.usage.padded(to: width) + "   " + $0.summary + "\n" }
        return """
            squired is the Squire agent of this host: it keeps what clients store in Valkey.

            Usage: squired [options]

            \(lines.joined())
            URLs are valkey://[user[:password]@]host[:port][/db], valkeys://… for TLS, or unix:///path[?db=N]. Without
            one the agent starts servers of its own. A password is better put into a file that valkey.password_file
            names, since every user of the host sees command lines.

            """
    }
}
