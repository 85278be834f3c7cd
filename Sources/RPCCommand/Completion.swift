import JSON
import Linux
import RPCClient
import RPCUsage

/// What may follow on an unfinished command line of `rpc`: methods, parameters and their values, options and files.
struct Completion {
    /// A word that may stand where the cursor is.
    struct Candidate: Equatable {
        /// The whole word.
        ///
        /// More may follow without a blank where it ends with `=`, `.`, `/` or `@`.
        let word: String
        /// What it is, in a few words; may be empty.
        let summary: String
    }

    private let catalogue: Catalogue

    /// Completes with the methods of a catalogue.
    init(_ catalogue: Catalogue) {
        self.catalogue = catalogue
    }

    /// What a line holds before the word that is completed.
    private struct Context {
        /// Words that are no options, without the program's name.
        var words: [String] = []
        /// The option whose value is completed.
        var option: CommandOption?
        /// Whether no options are read any more.
        var isLiteral = false
    }

    /// The words that may stand at the end of `line`, which begins with the program's name.
    ///
    /// Words are told apart by blanks alone, whatever the shell's quotes: what is in quotes is never completed.
    func candidates(for line: String) -> [Candidate] {
        var words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard words.count > 1 else { return [] }
        let current = words.removeLast()
        let context = Self.context(words.dropFirst().filter { !$0.isEmpty })
        let found = context.option.map { values(of: $0, current, context) } ?? candidates(current, context)
        return found.filter { $0.word.hasPrefix(current) }
    }

    private static func context(_ words: [String]) -> Context {
        var context = Context()
        for word in words {
            if context.option != nil {
                context.option = nil
            } else if context.isLiteral || !word.hasPrefix("-") || word == "-" {
                context.words.append(word)
            } else if word == "--" {
                context.isLiteral = true
            } else {
                context.option = CommandOption(rawValue: word).flatMap { $0.placeholder == nil ? nil : $0 }
            }
        }
        return context
    }

    private func candidates(_ current: String, _ context: Context) -> [Candidate] {
        if current.hasPrefix("-"), context.words.first == Subcommand.bench.rawValue {
            return BenchOptions.Option.allCases.map { Candidate(word: $0.rawValue, summary: "") }
        }
        if current.hasPrefix("-"), !context.isLiteral {
            guard let equals = current.firstIndex(of: "=") else { return options }
            guard let option = CommandOption(rawValue: String(current[..<equals])) else { return [] }
            let value = String(current[current.index(after: equals)...])
            return values(of: option, value, context).map {
                Candidate(word: "\(option.rawValue)=\($0.word)", summary: $0.summary)
            }
        }
        guard let first = context.words.first else { return commands + methods }
        switch Subcommand(rawValue: first) {
        case .describe, .template, .help: return context.words.count == 1 ? methods : []
        case .list: return context.words.count == 1 ? namespaces : []
        case .completion:
            return context.words.count == 1 ? Shell.allCases.map { Candidate(word: $0.rawValue, summary: "") } : []
        case .dump, .load: return context.words.count == 1 ? files(current) : []
        case .verifyAudit: return files(current)
        case .lockExec: return parameters(ofMethod: "lock.acquire", current, context)
        case .leaderExec: return parameters(ofMethod: "leader.campaign", current, context)
        case .bench, .stream: return []
        case nil: return parameters(ofMethod: first, current, context)
        }
    }

    private func parameters(ofMethod name: String, _ current: String, _ context: Context) -> [Candidate] {
        catalogue.method(name).map { parameters(of: $0, current, Array(context.words.dropFirst())) } ?? []
    }

    private var options: [Candidate] {
        CommandOption.allCases.map { Candidate(word: $0.rawValue, summary: $0.summary) }
    }

    private var commands: [Candidate] {
        Subcommand.allCases.filter { $0 != .stream }.map { Candidate(word: $0.rawValue, summary: $0.summary) }
    }

    private var methods: [Candidate] {
        catalogue.names.map { Candidate(word: $0, summary: catalogue.method($0)?.summary ?? "") }
    }

    private var namespaces: [Candidate] {
        catalogue.names.map { $0.prefix { $0 != "." } }
            .reduce(into: [Substring]()) { if $0.last != $1 { $0.append($1) } }
            .map { Candidate(word: "\($0).", summary: "") }
    }
}

extension Completion {
    private func values(of option: CommandOption, _ current: String, _ context: Context) -> [Candidate] {
        switch option {
        case .socket: files(current)
        case .params: current.hasPrefix("@") ? files(String(current.dropFirst()), prefix: "@") : []
        case .field: members(of: context.words.first.flatMap { catalogue.method($0) })
        case .timeout, .wait, .watch, .count, .duration, .command, .raw, .graph, .help, .version: []
        }
    }

    /// The members of a method's answer.
    private func members(of method: MethodDescription?) -> [Candidate] {
        (method?.document["result"]?["schema"]?["properties"]?.members ?? []).map { name, schema in
            Candidate(word: name, summary: Self.short(schema["description"]?.string ?? ""))
        }
    }

    /// The parameters that are not given yet, those that are needed first; or the values of the one that is begun.
    private func parameters(of method: MethodDescription, _ current: String, _ words: [String]) -> [Candidate] {
        if let equals = current.firstIndex(of: "=") {
            var name = current[..<equals]
            if name.hasSuffix(":") { name.removeLast() }
            let prefix = String(current[...equals])
            let value = String(current[current.index(after: equals)...])
            if value.hasPrefix("@") { return files(String(value.dropFirst()), prefix: prefix + "@") }
            guard let parameter = method.parameter(String(name)) else { return [] }
            return Self.values(of: parameter).map { Candidate(word: prefix + $0, summary: "") }
        }
        let given = words.map { $0.prefix { $0 != "=" && $0 != ":" } }
        let left = method.parameters.filter { !given.contains(Substring($0.name)) }
        return (left.filter(\.isRequired) + left.filter { !$0.isRequired }).map {
            Candidate(word: "\($0.name)=", summary: Self.short($0.description))
        }
    }

    /// The values that a parameter's schema names.
    private static func values(of parameter: Parameter) -> [String] {
        if let values = parameter.schema?["enum"]?.elements { return values.map { $0.string ?? $0.text } }
        if parameter.type == .any { return [] }
        var values: [String] = []
        if parameter.type.contains(.boolean) { values += ["true", "false"] }
        if let value = parameter.schema?["default"], value.kind != .true, value.kind != .false {
            values.append(value.string ?? value.text)
        }
        if parameter.type.contains(.null), !values.contains("null") { values.append("null") }
        return values
    }

    /// Files whose paths begin with `path`; hidden ones only where that is asked for.
    private func files(_ path: String, prefix: String = "") -> [Candidate] {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        let name = path.dropFirst(directory.count)
        return Directory.names(in: directory.isEmpty ? "." : directory)
            .filter { $0.hasPrefix(name) && (name.hasPrefix(".") || !$0.hasPrefix(".")) }
            .sorted()
            .map { found in
                let isDirectory = (try? Directory.status(directory + found)) != nil
                return Candidate(word: prefix + directory + found + (isDirectory ? "/" : ""), summary: "")
            }
    }

    /// The first sentence of a description.
    private static func short(_ description: String) -> String {
        guard let end = description.firstRange(of: ". ") else { return description }
        return String(description[..<end.upperBound].dropLast())
    }
}
