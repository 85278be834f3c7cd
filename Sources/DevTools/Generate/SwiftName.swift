/// Names in Swift for names on the wire.
enum SwiftName {
    /// Words that Swift writes otherwise than with one capital.
    private static let words = ["ttl": "TTL", "id": "ID", "ms": "Milliseconds"]

    private static let keywords: Set<String> = [
        "as", "case", "class", "default", "defer", "do", "else", "enum", "extension", "false", "for", "func", "guard",
        "if", "import", "in", "init", "is", "let", "nil", "operator", "protocol", "repeat", "return", "self", "static",
        "struct", "super", "switch", "throw", "true", "try", "var", "where", "while",
    ]

    /// `cache.get_many` becomes `CacheGetMany`.
    static func type(_ name: String) -> String {
        pieces(name).map(capitalized).joined()
    }

    /// `with_ttl` becomes `withTTL`; a word of the language gets backticks.
    static func member(_ name: String) -> String {
        let pieces = pieces(name)
        let text = String(pieces.first ?? "") + pieces.dropFirst().map(capitalized).joined()
        return keywords.contains(text) ? "`\(text)`" : text
    }

    /// `entries` becomes `Entry`.
    static func singularType(_ name: String) -> String {
        let type = type(name)
        if type.hasSuffix("ies") { return String(type.dropLast(3)) + "y" }
        return type.hasSuffix("s") ? String(type.dropLast()) : type + "Element"
    }

    private static func pieces(_ name: String) -> [Substring] {
        name.split { $0 == "." || $0 == "_" }
    }

    private static func capitalized(_ word: Substring) -> String {
        words[String(word)] ?? word.prefix(1).uppercased() + word.dropFirst()
    }
}
