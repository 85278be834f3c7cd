/// A pattern over names: `*` for any run of characters, also none, `?` for one byte, everything else for itself.
public struct NamePattern: Equatable, Sendable {
    /// The pattern as written.
    public let text: String
    private let pattern: [UInt8]

    private static let any = UInt8(ascii: "*")
    private static let one = UInt8(ascii: "?")

    /// Takes a pattern.
    public init(_ text: String) {
        self.text = text
        pattern = Array(text.utf8)
    }

    /// Whether it stands for every name.
    public var matchesAll: Bool { pattern == [NamePattern.any] }

    /// Whether it has neither `*` nor `?`.
    public var isLiteral: Bool { !pattern.contains { $0 == NamePattern.any || $0 == NamePattern.one } }

    /// Whether it stands for `name`.
    ///
    /// - Complexity: O(*n* × *m*) for *n* bytes of the name and *m* of the pattern: no pattern takes longer.
    public func matches(_ name: String) -> Bool {
        let name = Array(name.utf8)
        var (position, index) = (0, 0)
        // Where to go on when what follows the last `*` does not fit: the `*` then takes one byte more.
        var retry: (index: Int, position: Int)?
        while position < name.count {
            if index < pattern.count, pattern[index] == NamePattern.any {
                retry = (index, position)
                index += 1
            } else if index < pattern.count, pattern[index] == NamePattern.one || pattern[index] == name[position] {
                index += 1
                position += 1
            } else if let (start, taken) = retry {
                retry = (start, taken + 1)
                index = start + 1
                position = taken + 1
            } else {
                return false
            }
        }
        return pattern[index...].allSatisfy { $0 == NamePattern.any }
    }

    /// Whether every name that a client's own pattern stands for is surely one of this pattern's.
    ///
    /// Told apart are the patterns for which that is plain: this one stands for everything, is the same, or is a text
    /// with one `*` at its end that the other one begins with.
    ///
    /// - Parameter other: A pattern of Valkey's kind: `*`, `?`, `[…]` and `\` are not literal.
    /// - Returns: Whether that is sure.
    public func covers(pattern other: String) -> Bool {
        // Byte by byte, as Valkey compares: Swift's texts are the same in every way to write an accent.
        if matchesAll || pattern.elementsEqual(other.utf8) && !pattern.contains(where: { "[\\".utf8.contains($0) }) {
            return true
        }
        let beginning = pattern.dropLast()
        guard pattern.last == NamePattern.any, beginning.allSatisfy({ $0 != NamePattern.any && $0 != NamePattern.one })
        else { return false }
        let literal = other.utf8.prefix { !"*?[\\".utf8.contains($0) }
        return literal.starts(with: beginning)
    }

    /// Whether both are the same, byte by byte.
    public static func == (left: NamePattern, right: NamePattern) -> Bool {
        left.pattern == right.pattern
    }
}
