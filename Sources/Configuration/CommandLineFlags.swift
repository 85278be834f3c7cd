import Bytes

/// The flags that a command line gives.
struct CommandLineFlags: Equatable, Sendable {
    /// The flags that take a value, with it; where one is given twice the last counts.
    private(set) var values: [Flag: String] = [:]
    /// The flags that take none.
    private(set) var switches: Set<Flag> = []

    /// No flag.
    init() {}

    /// Reads the words behind the program's name: `--flag`, `--flag value` or `--flag=value`.
    ///
    /// - Throws: ``ConfigurationError/usage(_:)``, which never repeats a value.
    init(_ arguments: [String]) throws(ConfigurationError) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let flag = try Self.flag(parts.first ?? "")
            guard flag.placeholder != nil else {
                guard parts.count == 1 else { throw .usage("\(flag.rawValue) takes no value") }
                switches.insert(flag)
                continue
            }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
                throw .usage("\(flag.rawValue) needs a value: \(flag.usage)")
            }
            values[flag] = value
        }
    }

    private static func flag(_ word: String) throws(ConfigurationError) -> Flag {
        if let flag = Flag(rawValue: word == "-h" ? "--help" : word) { return flag }
        // Anything else may be a URL whose flag was forgotten, with a password in it.
        let isFlag = word.hasPrefix("-") && word.utf8.allSatisfy { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: "@") }
        guard isFlag else { throw .usage("squired takes flags only; --help shows them") }
        let close = Suggestion.closest(to: word, among: Flag.allCases.map(\.rawValue))
        let question = close.isEmpty ? "--help shows the flags" : "did you mean \(close.joined(separator: " or "))?"
        throw .usage("there is no flag \(Printable.text(word)); \(question)")
    }
}
