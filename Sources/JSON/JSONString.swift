public import Bytes

/// A JSON string that was scanned: what stands between its quotes, and whether it has escapes to resolve.
public struct JSONString {
    /// The text between the quotes, as written.
    public let raw: ByteView
    /// Whether a backslash occurs in it.
    public let hasEscapes: Bool

    /// Takes a string's text, which must have been scanned.
    @inlinable
    public init(raw: ByteView, hasEscapes: Bool) {
        self.raw = raw
        self.hasEscapes = hasEscapes
    }

    /// Whether the string means `literal`, which is compared as UTF-8.
    @inlinable @inline(__always)
    public func equals(_ literal: StaticString) -> Bool {
        hasEscapes ? means(literal) : raw.equals(literal)
    }

    /// Whether the string, which has escapes, means `literal`.
    @inline(never)
    public func means(_ literal: StaticString) -> Bool {
        var decoded = ByteBuffer()
        guard (try? append(to: &decoded)) != nil else { return false }
        return decoded.view.equals(literal)
    }

    /// Appends the string's meaning as UTF-8.
    ///
    /// - Throws: ``JSONFault`` `.loneSurrogate` where an escape is half of a pair: valid JSON, but no text. Its offset
    ///   counts from the first byte after the quote, and `buffer` holds what came before.
    public func append(to buffer: inout ByteBuffer) throws(JSONFault) {
        guard hasEscapes else {
            buffer.append(raw)
            return
        }
        var index = 0
        while index < raw.count {
            let backslash = raw.firstIndex(of: UInt8(ascii: "\\"), from: index) ?? raw.count
            buffer.append(raw[index..<backslash])
            guard backslash < raw.count else { return }
            index = try appendEscape(at: backslash, to: &buffer)
        }
    }

    /// The string's meaning, for messages and configuration; U+FFFD stands for half of a surrogate pair.
    public func decoded() -> String {
        var buffer = ByteBuffer()
        var rest = self
        while true {
            do throws(JSONFault) {
                try rest.append(to: &buffer)
                return buffer.view.text()
            } catch {
                buffer.append("\u{fffd}")
                let escapeLength = 6
                rest = JSONString(raw: rest.raw.dropFirst(error.offset + escapeLength), hasEscapes: true)
            }
        }
    }

    private func appendEscape(at backslash: Int, to buffer: inout ByteBuffer) throws(JSONFault) -> Int {
        let kind = raw[backslash + 1]
        switch kind {
        case UInt8(ascii: "b"): buffer.append(0x08)
        case UInt8(ascii: "f"): buffer.append(0x0c)
        case UInt8(ascii: "n"): buffer.append(0x0a)
        case UInt8(ascii: "r"): buffer.append(0x0d)
        case UInt8(ascii: "t"): buffer.append(0x09)
        case UInt8(ascii: "u"): return try appendUnicodeEscape(at: backslash, to: &buffer)
        default: buffer.append(kind)
        }
        return backslash + 2
    }

    private func appendUnicodeEscape(at backslash: Int, to buffer: inout ByteBuffer) throws(JSONFault) -> Int {
        let high = codeUnit(at: backslash + 2)
        if high & 0xf800 != 0xd800 {
            buffer.append(scalar: high)
            return backslash + 6
        }
        let next = backslash + 6
        guard high < 0xdc00, next + 6 <= raw.count, raw[next..<(next + 2)].equals("\\u") else {
            throw JSONFault(.loneSurrogate, at: backslash)
        }
        let low = codeUnit(at: next + 2)
        guard low & 0xfc00 == 0xdc00 else { throw JSONFault(.loneSurrogate, at: backslash) }
        buffer.append(scalar: 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff))
        return next + 6
    }

    private func codeUnit(at index: Int) -> UInt32 {
        var value: UInt32 = 0
        for offset in 0..<4 {
            guard let digit = Hexadecimal.value(inEitherCase: raw[index + offset]) else {
                preconditionFailure("the string was not scanned")
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}

extension ByteBuffer {
    /// Appends the UTF-8 of a Unicode scalar value.
    fileprivate mutating func append(scalar: UInt32) {
        if scalar < 0x80 {
            append(UInt8(scalar))
            return
        }
        if scalar < 0x800 {
            append(UInt8(0xc0 | scalar >> 6))
        } else {
            if scalar < 0x10000 {
                append(UInt8(0xe0 | scalar >> 12))
            } else {
                append(UInt8(0xf0 | scalar >> 18))
                append(UInt8(0x80 | (scalar >> 12 & 0x3f)))
            }
            append(UInt8(0x80 | (scalar >> 6 & 0x3f)))
        }
        append(UInt8(0x80 | (scalar & 0x3f)))
    }
}
