import JSON

/// Names that came from outside, made fit for a line of text.
enum Printable {
    /// Most characters of a name that are repeated.
    private static let charactersMax = 80

    /// The name as it is, or as a JSON string where it would break the line; a very long one is cut.
    static func text(_ name: String) -> String {
        let short = name.count <= charactersMax ? name : String(name.prefix(charactersMax)) + "…"
        return isPlain(short) ? short : Document.string(short).text(style: .compact)
    }

    /// Whether the text has neither blanks nor control characters, and is not empty.
    static func isPlain(_ text: String) -> Bool {
        !text.isEmpty && text.unicodeScalars.allSatisfy { $0.value > 0x20 && !(0x7F...0x9F).contains($0.value) }
    }
}
