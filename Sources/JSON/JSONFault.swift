/// Why a text is not the JSON that is accepted here.
public struct JSONFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Reason: Sendable {
        /// The text ends inside a value.
        case unexpectedEnd
        /// A byte that no rule of RFC 8259 allows at this place.
        case unexpectedByte
        /// Bytes that are not UTF-8 (RFC 3629), inside a string.
        case invalidUTF8
        /// A control character inside a string that should have been escaped.
        case controlCharacter
        /// A backslash that begins no escape of RFC 8259 section 7.
        case invalidEscape
        /// A number that RFC 8259 section 6 does not allow, such as `01` or `1.`.
        case invalidNumber
        /// Arrays and objects nested deeper than the limit.
        case tooDeep
        /// More text after the value.
        case trailingBytes
        /// A string with half of a surrogate pair, which is no text, where text is needed.
        case loneSurrogate
    }

    /// What is wrong.
    public let reason: Reason
    /// Where, in bytes from the beginning of the text.
    public let offset: Int

    /// Records a fault at `offset`.
    public init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// The fault in words, such as "unexpected byte at offset 7".
    public var description: String { "\(words) at offset \(offset)" }

    private var words: String {
        switch reason {
        case .unexpectedEnd: "unexpected end of text"
        case .unexpectedByte: "unexpected byte"
        case .invalidUTF8: "invalid UTF-8"
        case .controlCharacter: "unescaped control character"
        case .invalidEscape: "invalid escape"
        case .invalidNumber: "invalid number"
        case .tooDeep: "nesting too deep"
        case .trailingBytes: "unexpected text after the value"
        case .loneSurrogate: "half of a surrogate pair"
        }
    }
}
