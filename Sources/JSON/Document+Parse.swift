public import Bytes
import CJansson

extension Document {
    /// Arrays and objects within each other, at most.
    ///
    /// Twice what a message may hold (64), so that a reply can be shown around whatever value it carries.
    public static let depthMax = 128

    /// Reads a document: any JSON value with nothing but white space around it (RFC 8259).
    ///
    /// - Parameter bytes: UTF-8 without a byte order mark; jansson needs up to 80 bytes of heap for each of them.
    /// - Returns: The tree, members in the order written.
    /// - Throws: ``DocumentError`` where the text is not JSON, a name stands twice in an object, a name holds U+0000,
    ///   a number is beyond 64 bits or a double's range, or more than ``depthMax`` values lie within each other.
    public static func parse(_ bytes: ByteView) throws(DocumentError) -> Document {
        try checkDepth(bytes)
        try checkZeroBytes(bytes)
        var fault = json_error_t()
        let flags = size_t(JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)
        let root = unsafe bytes.withUnsafeBytes { base, count in
            unsafe base.withMemoryRebound(to: CChar.self, capacity: count) { text in
                unsafe json_loadb(text, count, flags, &fault)
            }
        }
        guard let root = unsafe root else { throw DocumentError(fault) }
        let value = unsafe JanssonValue(owning: root)
        return value.document
    }

    /// Reads a document; see ``parse(_:)-(ByteView)``.
    public static func parse(_ bytes: [UInt8]) throws(DocumentError) -> Document {
        try bytes.withByteView { view throws(DocumentError) in try parse(view) }
    }

    /// Reads a document; see ``parse(_:)-(ByteView)``.
    public static func parse(_ text: String) throws(DocumentError) -> Document {
        try text.withByteView { view throws(DocumentError) in try parse(view) }
    }

    /// Refuses a zero byte, which stands nowhere in JSON: jansson passes over one behind a number or a word.
    private static func checkZeroBytes(_ bytes: ByteView) throws(DocumentError) {
        guard let position = bytes.firstIndex(of: 0) else { return }
        throw DocumentError(message: "a zero byte", at: position, of: bytes)
    }

    /// Counts brackets outside of strings, because jansson recurses for each, up to 2048 deep.
    private static func checkDepth(_ bytes: ByteView) throws(DocumentError) {
        var depth = 0
        var isString = false
        var isEscaped = false
        for position in 0..<bytes.count {
            switch bytes[position] {
            case _ where isEscaped:
                isEscaped = false
            case UInt8(ascii: "\\"):
                isEscaped = isString
            case UInt8(ascii: "\""):
                isString.toggle()
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                guard !isString else { continue }
                depth += 1
                if depth > depthMax {
                    throw DocumentError(message: "nested deeper than \(depthMax)", at: position, of: bytes)
                }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if !isString { depth -= 1 }
            default:
                break
            }
        }
    }
}

extension DocumentError {
    /// A fault at the byte `position` of `bytes`.
    fileprivate init(message: String, at position: Int, of bytes: ByteView) {
        var line = 1
        var column = 1
        for index in 0..<position {
            if bytes[index] == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if bytes[index] & 0xC0 != 0x80 {
                column += 1
            }
        }
        self.init(message: message, line: line, column: column, position: position)
    }

    /// jansson's fault, without the piece of the text that it quotes behind "near".
    fileprivate init(_ fault: json_error_t) {
        let text = unsafe withUnsafeBytes(of: fault.text) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        var message = text
        if text.hasSuffix(" near end of file") {
            message = "unexpected end of the text"
        } else if let quote = text.firstRange(of: " near ") {
            message = String(text[..<quote.lowerBound])
        }
        self.init(
            message: message,
            line: max(1, Int(fault.line)),
            column: max(1, Int(fault.column)),
            position: max(0, Int(fault.position))
        )
    }
}
