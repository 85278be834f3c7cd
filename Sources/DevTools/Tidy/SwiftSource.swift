/// One Swift file: its lines as written, and the same lines with nothing but code in them.
struct SwiftSource {
    /// Path of the file.
    let path: String
    /// The lines as written.
    let lines: [Substring]
    /// The lines with comments and the content of string literals replaced by spaces.
    let code: [Substring]

    /// Takes a file's text apart.
    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        var eraser = Eraser()
        let bare = eraser.code(of: [UInt8](text.utf8))
        code = String(decoding: bare, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The file's name without directories and `.swift`.
    var name: Substring {
        (path.split(separator: "/").last ?? "").dropLast(6)
    }

    /// Name of the target: the directory below `Sources` or `Tests`.
    var target: String {
        let names = path.split(separator: "/")
        return names.count > 1 ? String(names[1]) : ""
    }

    /// Words of the code of a line, split at blanks, without the attributes that stand in front.
    func words(ofLine index: Int) -> [Substring] {
        Array(code[index].split(separator: " ").drop { $0.hasPrefix("@") })
    }

    /// A fault at a line, which counts from 0.
    func fault(_ index: Int, _ reason: String) -> String {
        "\(path):\(index + 1): \(reason)"
    }
}

/// Follows Swift's lexical structure as far as it takes to tell code from comments and strings.
private struct Eraser {
    /// What a byte belongs to.
    private enum Mode: Equatable {
        /// Code, inside so many parentheses of the interpolation that it stands in.
        case code(parentheses: Int)
        /// A comment up to the end of the line.
        case comment
        /// A string with so many number signs around it.
        case string(signs: Int, isMultiline: Bool)
    }

    private var modes = [Mode.code(parentheses: 0)]
    private var index = 0

    /// The text with everything but code and line breaks replaced by spaces; as many bytes as before.
    mutating func code(of text: [UInt8]) -> [UInt8] {
        var code = text
        while index < text.count {
            let start = index
            let isCode = advance(text)
            if !isCode {
                for position in start..<index where text[position] != UInt8(ascii: "\n") {
                    code[position] = UInt8(ascii: " ")
                }
            }
        }
        return code
    }

    /// Passes one byte, or a few that belong together; tells whether they are code.
    private mutating func advance(_ text: [UInt8]) -> Bool {
        guard let mode = modes.last else { preconditionFailure("an interpolation ended that did not begin") }
        switch mode {
        case .code(let parentheses): return advanceCode(text, parentheses)
        case .comment:
            if text[index] == UInt8(ascii: "\n") { modes.removeLast() }
            index += 1
            return false
        case .string(let signs, let isMultiline):
            advanceString(text, signs, isMultiline)
            return false
        }
    }

    private mutating func advanceCode(_ text: [UInt8], _ parentheses: Int) -> Bool {
        if matches(text, "//") {
            modes.append(.comment)
            return false
        }
        let signs = text[index...].prefix { $0 == UInt8(ascii: "#") }.count
        if index + signs < text.count, text[index + signs] == UInt8(ascii: "\"") {
            index += signs
            let isMultiline = matches(text, "\"\"\"")
            index += isMultiline ? 3 : 1
            modes.append(.string(signs: signs, isMultiline: isMultiline))
            return false
        }
        switch text[index] {
        case UInt8(ascii: "("):
            modes[modes.count - 1] = .code(parentheses: parentheses + 1)
        case UInt8(ascii: ")") where parentheses == 0 && modes.count > 1:
            // Its opening one was erased as part of the string.
            modes.removeLast()
            index += 1
            return false
        case UInt8(ascii: ")"):
            modes[modes.count - 1] = .code(parentheses: parentheses - 1)
        default:
            break
        }
        index += 1
        return true
    }

    private mutating func advanceString(_ text: [UInt8], _ signs: Int, _ isMultiline: Bool) {
        let padding = String(repeating: "#", count: signs)
        let end = (isMultiline ? "\"\"\"" : "\"") + padding
        let escape = "\\" + padding
        if matches(text, escape + "(") {
            index += escape.utf8.count + 1
            modes.append(.code(parentheses: 0))
        } else if matches(text, escape) {
            index += escape.utf8.count + 1
        } else if matches(text, end) {
            index += end.utf8.count
            modes.removeLast()
        } else {
            index += 1
        }
    }

    private func matches(_ text: [UInt8], _ piece: String) -> Bool {
        text[index...].starts(with: piece.utf8)
    }
}
