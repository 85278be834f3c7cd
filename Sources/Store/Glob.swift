public import Bytes

/// Valkey's glob patterns.
public enum Glob {
    /// `bytes` with a backslash before every byte that a pattern gives a meaning.
    public static func escaped(_ bytes: [UInt8]) -> [UInt8] {
        bytes.flatMap { byte in
            switch byte {
            case UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "\\"):
                [UInt8(ascii: "\\"), byte]
            default: [byte]
            }
        }
    }

    /// Whether `pattern` matches all of `text`, as Valkey's own matcher does (`stringmatchlen` in its util.c).
    ///
    /// - Complexity: O(pattern · text): a star that turns out to match too little goes on from where it stood, and only
    ///   the last one ever has to.
    public static func matches(_ pattern: ByteView, _ text: ByteView) -> Bool {
        var position = 0
        var index = 0
        var star: (position: Int, index: Int)?
        while index < text.count {
            if position < pattern.count, pattern[position] == UInt8(ascii: "*") {
                star = (position + 1, index)
                position += 1
            } else if let next = step(pattern, position, text[index]) {
                position = next
                index += 1
            } else if let last = star {
                star = (last.position, last.index + 1)
                position = last.position
                index = last.index + 1
            } else {
                return false
            }
        }
        while position < pattern.count, pattern[position] == UInt8(ascii: "*") { position += 1 }
        return position == pattern.count
    }

    /// Where the pattern goes on behind what stands at `position` and matches one byte; nil where it does not match.
    private static func step(_ pattern: ByteView, _ position: Int, _ byte: UInt8) -> Int? {
        guard position < pattern.count else { return nil }
        switch pattern[position] {
        case UInt8(ascii: "?"): return position + 1
        case UInt8(ascii: "["): return stepOverSet(pattern, position + 1, byte)
        case UInt8(ascii: "\\") where position + 1 < pattern.count:
            return pattern[position + 1] == byte ? position + 2 : nil
        default: return pattern[position] == byte ? position + 1 : nil
        }
    }

    /// The same for a set, whose first byte behind the bracket is at `start`; one without an end reaches to the end.
    private static func stepOverSet(_ pattern: ByteView, _ start: Int, _ byte: UInt8) -> Int? {
        var position = start
        let isNegated = position < pattern.count && pattern[position] == UInt8(ascii: "^")
        if isNegated { position += 1 }
        var isMember = false
        while position < pattern.count, pattern[position] != UInt8(ascii: "]") {
            if pattern[position] == UInt8(ascii: "\\"), position + 1 < pattern.count {
                isMember = isMember || pattern[position + 1] == byte
                position += 2
            } else if position + 2 < pattern.count, pattern[position + 1] == UInt8(ascii: "-") {
                let bounds = [pattern[position], pattern[position + 2]]
                isMember = isMember || bounds.min() ?? 0 <= byte && byte <= bounds.max() ?? 0
                position += 3
            } else {
                isMember = isMember || pattern[position] == byte
                position += 1
            }
        }
        return isMember != isNegated ? min(position + 1, pattern.count) : nil
    }
}
