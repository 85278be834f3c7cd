/// An option of `rpc`; reading the command line, help, completion and manual page all come from here.
public enum CommandOption: String, CaseIterable, Sendable {
    case socket = "--socket"
    case timeout = "--timeout"
    case wait = "--wait"
    case watch = "--watch"
    case count = "--count"
    case duration = "--for"
    case command = "--exec"
    case params = "--params"
    case field = "--field"
    case raw = "--raw"
    case graph = "--graph"
    case help = "--help"
    case version = "--version"

    /// What stands for its value in the usage; nil for an option that takes none.
    public var placeholder: String? {
        switch self {
        case .socket: "PATH"
        case .timeout: "5s"
        case .wait: "10s"
        case .watch: "1s"
        case .count: "N"
        case .duration: "5s"
        case .command: "CMD"
        case .params: "JSON"
        case .field: "PATH"
        case .raw, .graph, .help, .version: nil
        }
    }

    /// What it does.
    public var summary: String {
        switch self {
        case .socket: "the agent's socket; else SQUIRE_SOCKET, else the default places"
        case .timeout: "how long the call may take"
        case .wait: "wait so long for an agent that is not there yet"
        case .watch: "repeat the call; counters of cache.stats and response.stats with their rates"
        case .count: "end after so many messages of a subscription, which are printed a line each"
        case .duration: "end a subscription after so long"
        case .command: "give each message of a subscription to a shell command; one of a topic is acked by status 0"
        case .params: "params as a JSON object or array; @FILE and - as above"
        case .field: "print one member of the answer, such as value.items.0"
        case .raw: "print strings without quotes"
        case .graph: "draw the locks of lock.list, who holds them and who waits, as text"
        case .help: "this text, or what a method does, takes and returns"
        case .version: "the version"
        }
    }

    /// The option as it stands in the usage, such as `--timeout 5s`.
    public var usage: String { placeholder.map { "\(rawValue) \($0)" } ?? rawValue }
}
