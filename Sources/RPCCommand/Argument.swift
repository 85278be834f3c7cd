import JSON
import Linux
import RPCClient
import RPCUsage

/// One `name=value` word of a call.
struct Argument: Equatable {
    /// Where the value comes from.
    enum Source: Equatable {
        case text(String)
        case file(String)
        case standardInput
    }

    /// Most bytes that are read from a file; the agent takes messages of 8 MiB unless configured otherwise.
    static let fileBytesMax = 64 << 20

    /// The parameter's name.
    let name: String
    /// Whether the value is JSON whatever the parameter takes (`name:=JSON`).
    let isJSON: Bool
    /// Where the value comes from.
    let source: Source

    /// Reads a word.
    ///
    /// - Throws: ``CommandError`` `.usage` where it is not `name=value`.
    init(_ word: String) throws(CommandError) {
        guard let equals = word.firstIndex(of: "=") else {
            throw .usage(
                "'\(word)' is not a parameter",
                "Parameters are written name=value, or name:=JSON; --params takes them all as JSON."
            )
        }
        var name = word[..<equals]
        isJSON = name.hasSuffix(":")
        if isJSON { name.removeLast() }
        guard !name.isEmpty else {
            throw .usage("'\(word)' lacks a name before the '='", "Parameters are written name=value, or name:=JSON.")
        }
        self.name = String(name)
        source = Self.source(String(word[word.index(after: equals)...]))
    }

    /// Where the text of a value or of `--params` comes from: `@FILE`, `-`, or the text itself.
    static func source(_ text: String) -> Source {
        if text == "-" { return .standardInput }
        return text.hasPrefix("@") ? .file(String(text.dropFirst())) : .text(text)
    }

    /// The value as JSON.
    ///
    /// - Parameters:
    ///   - parameter: What the method says about the parameter.
    ///   - console: Where standard input is read.
    /// - Returns: The value, as the user wrote it where it is JSON.
    /// - Throws: ``CommandError`` `.usage` where a file cannot be read or the parameter takes nothing of the kind.
    func value(for parameter: Parameter, _ console: Console) throws(CommandError) -> JSONFragment {
        let text = try Self.read(source, console)
        return isJSON ? try Self.json(text, of: name) : try parameter.convert(text)
    }

    /// Reads the bytes that `source` names.
    ///
    /// - Throws: ``CommandError`` `.usage` where they cannot be read.
    static func read(_ source: Source, _ console: Console) throws(CommandError) -> [UInt8] {
        do throws(SystemError) {
            switch source {
            case .text(let text): return [UInt8](text.utf8)
            case .standardInput:
                return try console.withInput { (input) throws(SystemError) in try input.readAll(limit: fileBytesMax) }
            case .file(let path): return try FileDescriptor.open(path, flags: 0).readAll(limit: fileBytesMax)
            }
        } catch {
            let place = if case .file(let path) = source { path } else { "standard input" }
            throw .usage("\(place) cannot be read: \(error.reason)")
        }
    }

    /// Checks that `text` is JSON.
    ///
    /// - Throws: ``CommandError`` `.usage` which says where it is not.
    static func json(_ text: [UInt8], of name: String) throws(CommandError) -> JSONFragment {
        do throws(JSONFault) {
            return try JSONFragment(scanning: text)
        } catch {
            throw .usage("\(name) is not JSON: \(error)", "A string needs its quotes: name:='\"text\"', or name=text.")
        }
    }
}
