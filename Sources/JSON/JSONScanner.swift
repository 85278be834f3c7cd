public import Bytes

/// Reads JSON text once, from left to right: checks it against RFC 8259 and hands out slices.
///
/// Nothing is copied and nothing is allocated. Strings are checked to be UTF-8 (RFC 3629), numbers are kept as written,
/// nesting is bounded. A value that was scanned is valid; its slice can be stored or sent as it is.
public struct JSONScanner {
    /// The text.
    public let text: ByteView
    /// Offset of the next byte, 0...`text.count`.
    public var position = 0
    /// Deepest nesting of arrays and objects accepted, at least 1.
    public let depthMax: Int

    /// Begins at the first byte of `text`.
    @inlinable
    public init(_ text: ByteView, depthMax: Int) {
        self.text = text
        self.depthMax = depthMax
    }

    /// Scans a text that is one value with white space around it.
    ///
    /// - Throws: ``JSONFault``, the first one from the left.
    public static func scan(_ text: ByteView, depthMax: Int) throws(JSONFault) -> JSONValue {
        var scanner = JSONScanner(text, depthMax: depthMax)
        scanner.skipWhiteSpace()
        let value = try scanner.scanValue(depth: 0)
        try scanner.finish()
        return value
    }

    /// Passes over white space to the end of the text.
    ///
    /// - Throws: ``JSONFault`` `.trailingBytes` where something else follows.
    public mutating func finish() throws(JSONFault) {
        skipWhiteSpace()
        if position < text.count { throw JSONFault(.trailingBytes, at: position) }
    }

    /// The next byte, or nil at the end.
    @inlinable public var next: UInt8? { position < text.count ? text[position] : nil }

    /// Passes over space, tab, newline and carriage return.
    @inlinable @inline(__always)
    public mutating func skipWhiteSpace() {
        guard position < text.count, text[position] <= UInt8(ascii: " ") else { return }
        passWhiteSpace()
    }

    @inline(never)
    @usableFromInline
    mutating func passWhiteSpace() {
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): position += 1
            default: return
            }
        }
    }

    /// Passes over `byte`, which must come next.
    @inlinable @inline(__always)
    public mutating func expect(_ byte: UInt8) throws(JSONFault) {
        guard position < text.count else { throw JSONFault(.unexpectedEnd, at: position) }
        guard text[position] == byte else { throw JSONFault(.unexpectedByte, at: position) }
        position += 1
    }

    /// Passes over `byte` if it comes next.
    ///
    /// - Returns: Whether it did.
    @inlinable @inline(__always)
    public mutating func accept(_ byte: UInt8) -> Bool {
        guard position < text.count, text[position] == byte else { return false }
        position += 1
        return true
    }

    /// Passes over `literal` if the text goes on so, byte for byte.
    ///
    /// - Returns: Whether it did.
    @inlinable @inline(__always)
    public mutating func accept(_ literal: StaticString) -> Bool {
        guard text.has(literal, at: position) else { return false }
        position += literal.utf8CodeUnitCount
        return true
    }

    /// Scans the value that begins here, without white space before it.
    ///
    /// - Parameter depth: Number of arrays and objects around it.
    /// - Returns: The value, a slice of the text.
    /// - Throws: ``JSONFault``, the first one from the left.
    public mutating func scanValue(depth: Int) throws(JSONFault) -> JSONValue {
        let start = position
        guard position < text.count else { throw JSONFault(.unexpectedEnd, at: position) }
        let kind: JSONKind
        switch text[position] {
        case UInt8(ascii: "\""):
            let string = try scanString()
            return JSONValue(kind: .string, text: text[start..<position], hasEscapes: string.hasEscapes)
        case UInt8(ascii: "{"):
            kind = .object
            try passObject(depth: depth + 1)
        case UInt8(ascii: "["):
            kind = .array
            try passArray(depth: depth + 1)
        case UInt8(ascii: "t"):
            kind = .true
            try passWord("true")
        case UInt8(ascii: "f"):
            kind = .false
            try passWord("false")
        case UInt8(ascii: "n"):
            kind = .null
            try passWord("null")
        default:
            kind = .number
            try passNumber()
        }
        return JSONValue(kind: kind, text: text[start..<position], hasEscapes: false)
    }

    private mutating func passObject(depth: Int) throws(JSONFault) {
        guard depth <= depthMax else { throw JSONFault(.tooDeep, at: position) }
        position += 1
        skipWhiteSpace()
        if accept(UInt8(ascii: "}")) { return }
        while true {
            _ = try scanString()
            try passColon()
            _ = try scanValue(depth: depth)
            if try passSeparator(end: UInt8(ascii: "}")) { return }
        }
    }

    private mutating func passArray(depth: Int) throws(JSONFault) {
        guard depth <= depthMax else { throw JSONFault(.tooDeep, at: position) }
        position += 1
        skipWhiteSpace()
        if accept(UInt8(ascii: "]")) { return }
        while true {
            _ = try scanValue(depth: depth)
            if try passSeparator(end: UInt8(ascii: "]")) { return }
        }
    }

    /// Passes over the colon between a member's name and its value, and the white space around it.
    @inlinable @inline(__always)
    public mutating func passColon() throws(JSONFault) {
        skipWhiteSpace()
        try expect(UInt8(ascii: ":"))
        skipWhiteSpace()
    }

    /// Passes over a comma, or over `end`, and the white space around it.
    ///
    /// - Returns: Whether it was `end`.
    @inlinable @inline(__always)
    public mutating func passSeparator(end: UInt8) throws(JSONFault) -> Bool {
        skipWhiteSpace()
        if accept(end) { return true }
        try expect(UInt8(ascii: ","))
        skipWhiteSpace()
        return false
    }

    private mutating func passWord(_ word: StaticString) throws(JSONFault) {
        let letters = ByteView(word)
        for index in 0..<letters.count { try expect(letters[index]) }
    }

    private mutating func passNumber() throws(JSONFault) {
        let start = position
        _ = accept(UInt8(ascii: "-"))
        guard let first = next else { throw JSONFault(.unexpectedEnd, at: position) }
        guard isDigit(first) else {
            throw JSONFault(position == start ? .unexpectedByte : .invalidNumber, at: position)
        }
        position += 1
        if first != UInt8(ascii: "0") {
            passDigits()
        } else if let second = next, isDigit(second) {
            throw JSONFault(.invalidNumber, at: position)
        }
        // Most are integers, and end here.
        guard let end = next, end == UInt8(ascii: ".") || end | 0x20 == UInt8(ascii: "e") else { return }
        try passFraction()
    }

    /// Passes over what a number has behind its integer: a fraction, an exponent, or both.
    private mutating func passFraction() throws(JSONFault) {
        if accept(UInt8(ascii: ".")) {
            try passSomeDigits()
        }
        if accept(UInt8(ascii: "e")) || accept(UInt8(ascii: "E")) {
            if !accept(UInt8(ascii: "+")) { _ = accept(UInt8(ascii: "-")) }
            try passSomeDigits()
        }
    }

    private mutating func passSomeDigits() throws(JSONFault) {
        guard let first = next else { throw JSONFault(.unexpectedEnd, at: position) }
        guard isDigit(first) else { throw JSONFault(.invalidNumber, at: position) }
        passDigits()
    }

    private mutating func passDigits() {
        var index = position
        while index < text.count, isDigit(text[index]) { index += 1 }
        position = index
    }

    private func isDigit(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") <= 9
    }
}
