import Bytes
import Linux

/// What a command line asks for.
struct Invocation: Equatable {
    /// What to do.
    enum Action: Equatable {
        case help
        case version
        case list(prefix: String?)
        case describe(method: String)
        case template(method: String)
        case methodHelp(method: String)
        case call(method: String, words: [String])
        case stream
        case verifyAudit(words: [String])
    }

    /// What to do.
    var action = Action.help
    /// Path of the agent's socket, where the user named one.
    var socket: String?
    /// How long the call may take.
    var timeout: Duration?
    /// How long to wait for the socket.
    var wait: Duration?
    /// Time between two calls, where the call is repeated.
    var watch: Duration?
    /// Params as JSON text, `@FILE` or `-`.
    var params: String?
    /// The member of the result to print.
    var field: String?
    /// Whether a string is printed without its quotes.
    var isRaw = false
    /// How many messages of a subscription are printed; nil for no end.
    var count: Int?
    /// How long a subscription is listened to; nil for no end.
    var duration: Duration?

    /// Whether something is asked that only subscriptions have.
    var isForSubscription: Bool { count != nil || duration != nil }
}

extension Invocation {
    private enum Option: String, CaseIterable {
        case socket = "--socket"
        case timeout = "--timeout"
        case wait = "--wait"
        case watch = "--watch"
        case params = "--params"
        case field = "--field"
        case raw = "--raw"
        case help = "--help"
        case version = "--version"
        case count = "--count"
        case duration = "--for"

        var takesValue: Bool { self != .raw && self != .help && self != .version }
    }

    /// Words in the place of a method that are commands of a later version.
    private static let laterCommands = ["completion"]

    /// Reads a command line.
    ///
    /// Options may stand anywhere before `--`.
    ///
    /// - Parameter arguments: The words after the program's name.
    /// - Throws: ``CommandError`` `.usage`.
    init(_ arguments: [String]) throws(CommandError) {
        var words: [String] = []
        var rest = arguments[...]
        var wantsHelp = false
        var wantsVersion = false
        while let word = rest.popFirst() {
            if word == "--" {
                words += rest
                break
            }
            guard word.hasPrefix("-"), word != "-" else {
                words.append(word)
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let option = try Self.option(parts[0])
            switch option {
            case .help: wantsHelp = true
            case .version: wantsVersion = true
            case .raw: isRaw = true
            default:
                guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                    throw .usage("\(option.rawValue) needs a value")
                }
                try set(option, value)
            }
            if parts.count == 2, !option.takesValue { throw .usage("\(option.rawValue) takes no value") }
        }
        action = wantsVersion ? .version : try Self.action(words, wantsHelp: wantsHelp)
        if isForSubscription, watch != nil {
            throw .usage("--watch repeats a call; a subscription goes on by itself with --count and --for")
        }
        if action == .stream, params != nil || field != nil || isRaw || watch != nil || isForSubscription {
            throw .usage("rpc - carries requests and replies as they are: --socket, --wait and --timeout go with it")
        }
    }

    private static func option(_ word: String) throws(CommandError) -> Option {
        if let option = Option(rawValue: word == "-h" ? "--help" : word) { return option }
        throw CommandError(
            .usage,
            "there is no option \(word)",
            advice: Suggestion.question(about: word, among: Option.allCases.map(\.rawValue))
                + ["rpc --help shows the options."]
        )
    }

    private mutating func set(_ option: Option, _ value: String) throws(CommandError) {
        switch option {
        case .socket: socket = value
        case .timeout: timeout = try Self.duration(value, of: option)
        case .wait: wait = try Self.duration(value, of: option)
        case .watch: watch = try Self.duration(value, of: option)
        case .params: params = value
        case .field: field = value
        case .count: count = try Self.count(value, of: option)
        case .duration: duration = try Self.duration(value, of: option)
        case .raw, .help, .version: return
        }
    }

    private static func count(_ text: String, of option: Option) throws(CommandError) -> Int {
        guard let count = Int(text), count > 0 else {
            throw .usage("\(option.rawValue) takes a number of messages of at least 1, not '\(text)'")
        }
        return count
    }

    private static func duration(_ text: String, of option: Option) throws(CommandError) -> Duration {
        guard let milliseconds = Quantity.milliseconds(text), milliseconds > 0 else {
            throw .usage("\(option.rawValue) takes a duration like 5s, 250ms or 1m, not '\(text)'")
        }
        return .milliseconds(milliseconds)
    }

    private static func action(_ words: [String], wantsHelp: Bool) throws(CommandError) -> Action {
        guard let first = words.first else {
            guard wantsHelp else { throw .usage("which method?", "rpc list shows all; rpc --help shows the rest.") }
            return .help
        }
        let others = Array(words.dropFirst())
        if laterCommands.contains(first) { throw later("rpc \(first)") }
        if first == "help" { return others.isEmpty ? .help : .methodHelp(method: try only(others, after: first)) }
        if wantsHelp { return isCommand(first) ? .help : .methodHelp(method: first) }
        switch first {
        case "-":
            guard others.isEmpty else { throw .usage("rpc - takes its requests from standard input alone") }
            return .stream
        case "list": return .list(prefix: others.isEmpty ? nil : try only(others, after: first))
        case "describe": return .describe(method: try only(others, after: first))
        case "template": return .template(method: try only(others, after: first))
        case "audit.verify": return .verifyAudit(words: others)
        // The one method that people call with nothing but a name.
        case "auth.explain" where others.first?.contains("=") == false:
            return .call(method: first, words: ["method=\(others[0])"] + others.dropFirst())
        default: return .call(method: first, words: others)
        }
    }

    private static func isCommand(_ word: String) -> Bool {
        ["-", "list", "describe", "template", "audit.verify"].contains(word)
    }

    private static func only(_ words: [String], after command: String) throws(CommandError) -> String {
        guard words.count == 1 else {
            throw .usage("rpc \(command) takes one name", "rpc list shows the methods.")
        }
        return words[0]
    }
}

private func later(_ what: String) -> CommandError {
    .usage("\(what) comes with a later version", "rpc --help shows what this one does.")
}
