import Bytes
import RPCUsage

/// The words of `rpc cache.load` and `rpc cache.dump`: a file, and options `name=value`.
struct TransferOptions: Equatable {
    /// The file; nil where none is named.
    let file: String?
    private let values: [String: String]

    /// Reads the words after the command's name.
    ///
    /// - Parameters:
    ///   - words: The words.
    ///   - method: The command, for messages.
    ///   - names: Options that there are.
    /// - Throws: ``CommandError`` `.usage`.
    init(_ words: [String], method: String, names: [String]) throws(CommandError) {
        var file: String?
        var values: [String: String] = [:]
        for word in words {
            if let equals = word.firstIndex(of: "="), names.contains(String(word[..<equals])) {
                let name = String(word[..<equals])
                guard values[name] == nil else { throw .usage("\(method): \(name) is given twice") }
                values[name] = String(word[word.index(after: equals)...])
                continue
            }
            // A path may hold an equals sign where it is written with a slash.
            if let equals = word.firstIndex(of: "="), !word[..<equals].contains("/") {
                let name = String(word[..<equals])
                throw CommandError(
                    .usage,
                    "\(method) takes no \(name)",
                    advice: Suggestion.question(about: name, among: names) + [
                        "rpc \(method) --help shows what it takes."
                    ]
                )
            }
            guard file == nil else {
                throw .usage("\(method) takes one file", "rpc \(method) --help shows what it takes.")
            }
            file = word
        }
        self.file = file
        self.values = values
    }

    /// The value of an option.
    subscript(name: String) -> String? { values[name] }
}
