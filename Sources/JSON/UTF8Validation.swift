public import Bytes

/// Tells UTF-8 from other bytes (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
public enum UTF8Validation {
    /// Whether all of `view` is UTF-8.
    public static func isValid(_ view: ByteView) -> Bool {
        var index = 0
        while index < view.count {
            if index + 8 <= view.count, view.word(at: index) & 0x8080_8080_8080_8080 == 0 {
                index += 8
            } else if view[index] < 0x80 {
                index += 1
            } else if let length = sequenceLength(view, at: index) {
                index += length
            } else {
                return false
            }
        }
        return true
    }

    /// Length of the character of two to four bytes that begins at `index`, or nil where none does.
    static func sequenceLength(_ view: ByteView, at index: Int) -> Int? {
        let first = view[index]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch first {
        case 0xc2...0xdf: length = 2
        case 0xe0:
            length = 3
            second = 0xa0...0xbf
        case 0xed:
            length = 3
            second = 0x80...0x9f
        case 0xe1...0xef: length = 3
        case 0xf0:
            length = 4
            second = 0x90...0xbf
        case 0xf1...0xf3: length = 4
        case 0xf4:
            length = 4
            second = 0x80...0x8f
        default: return nil
        }
        guard index + length <= view.count, second.contains(view[index + 1]) else { return nil }
        for offset in 2..<max(length, 2) where view[index + offset] & 0xc0 != 0x80 {
            return nil
        }
        return length
    }
}
