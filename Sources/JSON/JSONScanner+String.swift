import Bytes
import CBytes

extension JSONScanner {
    /// Scans the string that begins here with its quote.
    ///
    /// Sixteen bytes are looked at together until one of them is a quote, a backslash, a control character or the
    /// beginning of a longer character.
    public mutating func scanString() throws(JSONFault) -> JSONString {
        try expect(UInt8(ascii: "\""))
        let start = position
        let end = JSONScanner.endOfPlainBytes(text, from: start)
        guard end < text.count, text[end] == UInt8(ascii: "\"") else {
            return try scanString(from: start, plainTo: end)
        }
        position = end + 1
        return JSONString(raw: text[start..<end], hasEscapes: false)
    }

    /// Scans the rest of a string that is not plain bytes and a quote alone.
    @inline(never)
    private mutating func scanString(from start: Int, plainTo end: Int) throws(JSONFault) -> JSONString {
        position = end
        var hasEscapes = false
        while true {
            guard position < text.count else { throw JSONFault(.unexpectedEnd, at: position) }
            let byte = text[position]
            if byte == UInt8(ascii: "\"") {
                let string = JSONString(raw: text[start..<position], hasEscapes: hasEscapes)
                position += 1
                return string
            } else if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                try passEscape()
            } else if byte >= 0x80 {
                guard let length = UTF8Validation.sequenceLength(text, at: position) else {
                    throw JSONFault(.invalidUTF8, at: position)
                }
                position += length
            } else {
                throw JSONFault(.controlCharacter, at: position)
            }
            position = JSONScanner.endOfPlainBytes(text, from: position)
        }
    }

    /// The first offset from `start` on at which a byte needs attention, or the end of the text.
    @inline(__always)
    private static func endOfPlainBytes(_ text: ByteView, from start: Int) -> Int {
        unsafe text.withUnsafeBytes { base, count in unsafe start + squire_plain_prefix(base + start, count - start) }
    }

    private mutating func passEscape() throws(JSONFault) {
        let start = position
        position += 1
        guard let kind = next else { throw JSONFault(.unexpectedEnd, at: position) }
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            for _ in 0..<4 {
                guard let digit = next else { throw JSONFault(.unexpectedEnd, at: position) }
                guard Hexadecimal.value(inEitherCase: digit) != nil else { throw JSONFault(.invalidEscape, at: start) }
                position += 1
            }
        default:
            throw JSONFault(.invalidEscape, at: start)
        }
    }
}
