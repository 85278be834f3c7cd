public import Bytes

extension ByteBuffer {
    /// Appends `text`, which must be UTF-8, as a JSON string with its quotes.
    ///
    /// Quote, backslash and control characters are escaped; everything else is written as it is.
    public mutating func append(jsonString text: ByteView) {
        append(UInt8(ascii: "\""))
        var start = 0
        for index in 0..<text.count {
            let byte = text[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
            append(text[start..<index])
            append(escapeOf: byte)
            start = index + 1
        }
        append(text.dropFirst(start))
        append(UInt8(ascii: "\""))
    }

    /// Appends `text` as a JSON string with its quotes.
    public mutating func append(jsonString text: String) {
        text.withByteView { append(jsonString: $0) }
    }

    /// Appends a value that was scanned, on one line: newlines between its tokens become spaces.
    ///
    /// Inside a string a newline is always escaped, so every raw one stands between tokens.
    public mutating func append(jsonText text: ByteView) {
        let start = count
        append(text)
        for newline in [UInt8(ascii: "\n"), UInt8(ascii: "\r")] {
            var from = 0
            while let index = text.firstIndex(of: newline, from: from) {
                replace(at: start + index, with: UInt8(ascii: " "))
                from = index + 1
            }
        }
    }

    /// Appends `true` or `false`.
    public mutating func append(jsonBoolean value: Bool) {
        append(value ? "true" : "false")
    }

    private mutating func append(escapeOf byte: UInt8) {
        append(UInt8(ascii: "\\"))
        switch byte {
        case 0x08: append(UInt8(ascii: "b"))
        case 0x09: append(UInt8(ascii: "t"))
        case 0x0a: append(UInt8(ascii: "n"))
        case 0x0c: append(UInt8(ascii: "f"))
        case 0x0d: append(UInt8(ascii: "r"))
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(byte)
        default:
            append("u00")
            append(Hexadecimal.digit(byte >> 4))
            append(Hexadecimal.digit(byte & 15))
        }
    }
}
