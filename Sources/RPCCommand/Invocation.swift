import Bytes
import Linux
import RPCUsage

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
        case completion(Shell)
        case candidates(line: String)
        case call(method: String, words: [String])
        case stream
        case verifyAudit(words: [String])
        case execute(method: String, words: [String], command: [[UInt8]])
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

    /// The shell command that each message of a subscription is given to; nil prints them.
    var command: String?

    /// Whether the answer is drawn as text.
    var isGraph = false

    /// Whether something is asked that only subscriptions have.
    var isForSubscription: Bool { count != nil || duration != nil || command != nil }
}

extension Invocation {
    /// Reads a command line.
    ///
    /// Options may stand anywhere before `--`. The command behind it is handed on byte for byte.
    ///
    /// - Parameter arguments: The words after the program's name.
    /// - Throws: ``CommandError`` `.usage`, also where a word of `rpc` itself is not UTF-8.
    init(_ arguments: [[UInt8]]) throws(CommandError) {
        var words: [String] = []
        var command: [[UInt8]]?
        var rest = arguments[...]
        var wantsHelp = false
        var wantsVersion = false
        while let word = try Self.nextText(&rest) {
            if word == "--" {
                if Subcommand(rawValue: words.first ?? "")?.runsCommand == true {
                    command = Array(rest)
                } else {
                    while let word = try Self.nextText(&rest) { words.append(word) }
                }
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
            case .graph: isGraph = true
            default:
                guard let value = parts.count == 2 ? parts[1] : try Self.nextText(&rest) else {
                    throw .usage("\(option.rawValue) needs a value")
                }
                try set(option, value)
            }
            if parts.count == 2, option.placeholder == nil { throw .usage("\(option.rawValue) takes no value") }
        }
        action = wantsVersion ? .version : try Self.action(words, command, wantsHelp: wantsHelp)
        if isGraph {
            guard case .call(method: "lock.list", words: _) = action, field == nil, watch == nil else {
                throw .usage("--graph goes with lock.list")
            }
        }
        if isForSubscription, watch != nil {
            throw .usage("--watch repeats a call; a subscription goes on by itself with --count, --for and --exec")
        }
        if action == .stream, params != nil || field != nil || isRaw || watch != nil || isForSubscription {
            throw .usage("rpc - carries requests and replies as they are: --socket, --wait and --timeout go with it")
        }
    }

    /// Takes the first of the words, as text.
    ///
    /// - Returns: The word; nil where none is left.
    /// - Throws: ``CommandError`` `.usage` where it is not UTF-8: made into text it would be another one.
    private static func nextText(_ rest: inout ArraySlice<[UInt8]>) throws(CommandError) -> String? {
        let number = rest.startIndex + 1
        guard let word = rest.popFirst() else { return nil }
        if let text = ProcessWords.text(word) { return text }
        let parts = word.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        let name = parts.count == 2 ? ProcessWords.text(Array(parts[0])) : nil
        throw .usage(
            "word \(number) of the command line\(name.map { ", \($0)=," } ?? "") is not UTF-8",
            "Names, values and paths are UTF-8. Where a method takes base64=, that carries any bytes."
        )
    }

    private static func option(_ word: String) throws(CommandError) -> CommandOption {
        if let option = CommandOption(rawValue: word == "-h" ? "--help" : word) { return option }
        throw CommandError(
            .usage,
            "there is no option \(word)",
            advice: Suggestion.question(about: word, among: CommandOption.allCases.map(\.rawValue))
                + ["rpc --help shows the options."]
        )
    }

    private mutating func set(_ option: CommandOption, _ value: String) throws(CommandError) {
        switch option {
        case .socket: socket = value
        case .timeout: timeout = try Self.duration(value, of: option)
        case .wait: wait = try Self.duration(value, of: option)
        case .watch: watch = try Self.duration(value, of: option)
        case .params: params = value
        case .field: field = value
        case .count: count = try Self.count(value, of: option)
        case .duration: duration = try Self.duration(value, of: option)
        case .command: command = value
        case .raw, .help, .version, .graph: return
        }
    }

    private static func count(_ text: String, of option: CommandOption) throws(CommandError) -> Int {
        guard let count = Int(text), count > 0 else {
            throw .usage("\(option.rawValue) takes a number of messages of at least 1, not '\(text)'")
        }
        return count
    }

    private static func duration(_ text: String, of option: CommandOption) throws(CommandError) -> Duration {
        guard let milliseconds = Quantity.milliseconds(text), milliseconds > 0 else {
            throw .usage("\(option.rawValue) takes a duration like 5s, 250ms or 1m, not '\(text)'")
        }
        return .milliseconds(milliseconds)
    }

    private static func action(
        _ words: [String],
        _ command: [[UInt8]]?,
        wantsHelp: Bool
    ) throws(CommandError) -> Action {
        guard let first = words.first else {
            guard wantsHelp else { throw .usage("which method?", "rpc list shows all; rpc --help shows the rest.") }
            return .help
        }
        let others = Array(words.dropFirst())
        // The one method that people call with nothing but a name.
        if first == "auth.explain", let name = others.first, !name.contains("=") {
            return .call(method: first, words: ["method=\(name)"] + others.dropFirst())
        }
        let subcommand = Subcommand(rawValue: first)
        if wantsHelp, subcommand != .help {
            // What carries cache entries is told from a method by its help alone.
            return [nil, .dump, .load].contains(subcommand) ? .methodHelp(method: first) : .help
        }
        switch subcommand {
        case .lockExec, .leaderExec:
            guard let command, !command.isEmpty else {
                throw .usage("which command? It stands behind --", "rpc \(first) name=value … -- COMMAND ARGUMENT …")
            }
            return .execute(method: first, words: others, command: command)
        case .stream:
            guard others.isEmpty else { throw .usage("rpc - takes its requests from standard input alone") }
            return .stream
        case .list: return .list(prefix: others.isEmpty ? nil : try only(others, after: first))
        case .describe: return .describe(method: try only(others, after: first))
        case .template: return .template(method: try only(others, after: first))
        case .help: return others.isEmpty ? .help : .methodHelp(method: try only(others, after: first))
        case .completion: return try completion(others)
        case .verifyAudit: return .verifyAudit(words: others)
        case .dump, .load, .bench, nil: return .call(method: first, words: others)
        }
    }

    private static func completion(_ words: [String]) throws(CommandError) -> Action {
        if words.count == 2, ["completion", words[0]].joined(separator: " ") == Shell.request {
            return .candidates(line: words[1])
        }
        guard words.count == 1, let shell = Shell(rawValue: words[0]) else {
            let shells = Shell.allCases.map(\.rawValue).joined(separator: ", ")
            throw .usage(
                "rpc completion takes the name of a shell: \(shells)",
                "For example: rpc completion bash > ~/.local/share/bash-completion/completions/rpc"
            )
        }
        return .completion(shell)
    }

    private static func only(_ words: [String], after command: String) throws(CommandError) -> String {
        guard words.count == 1 else {
            throw .usage("rpc \(command) takes one name", "rpc list shows the methods.")
        }
        return words[0]
    }
}
