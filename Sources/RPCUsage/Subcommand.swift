/// What `rpc` does beside calling a method; the words stand in the method's place.
public enum Subcommand: String, CaseIterable, Sendable {
    case list
    case help
    case describe
    case template
    case stream = "-"
    case dump = "cache.dump"
    case load = "cache.load"
    case lockExec = "lock.exec"
    case leaderExec = "leader.exec"
    case bench
    case verifyAudit = "audit.verify"
    case completion

    /// What follows `rpc` in the usage.
    public var usage: String {
        switch self {
        case .list: "list [PREFIX]"
        case .help: "METHOD --help"
        case .describe: "describe METHOD"
        case .template: "template METHOD"
        case .stream: "-"
        case .dump: "cache.dump [FILE]"
        case .load: "cache.load FILE"
        case .lockExec: "lock.exec name=N … -- CMD"
        case .leaderExec: "leader.exec election=E … -- CMD"
        case .bench: "bench"
        case .verifyAudit: "audit.verify FILE… [key=FILE] [head=SEQUENCE:CODE]…"
        case .completion: "completion bash|zsh|fish"
        }
    }

    /// Whether a command stands behind `--`, which it runs.
    public var runsCommand: Bool { self == .lockExec || self == .leaderExec }

    /// What it does.
    public var summary: String {
        switch self {
        case .list: "the methods, a line each"
        case .help: "what a method does, takes and returns; or help METHOD"
        case .describe: "the same as JSON (OpenRPC)"
        case .template: "its params as JSON, to be filled in"
        case .stream: "requests from standard input, a line each; replies to standard output"
        case .dump: "writes cache entries, a line each; --help says more"
        case .load: "writes the entries of such a file into the cache"
        case .verifyAudit: "tells whether audit files are as the agent wrote them, or the first line that is not"
        case .lockExec: "runs a command while it holds a lock, with SQUIRE_FENCE set"
        case .leaderExec: "runs a command as soon as it leads and as long as it does, with SQUIRE_FENCE set"
        case .bench: "measures the agent under a load; rpc bench --help"
        case .completion: "a script that has the shell complete command lines of rpc"
        }
    }
}
