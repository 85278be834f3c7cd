import JSON

/// Names that came from outside, made fit for a line of text.
enum Printable {
    /// Most characters of a name that are repeated.
    private static let charactersMax = 80

    /// The name as it is, or as a JSON string where it would break the line; a very long one is cut.
    static func text(_ name: String) -> String {
        let short = name.count <= charactersMax ? name : String(name.prefix(charactersMax)) + "…"
        let isPlain = !short.isEmpty && short.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
        return isPlain ? short : Document.string(short).text(style: .compact)
    }
}
