import Bytes
import JSON

/// What a string parameter must look like, beyond being text.
///
/// The rules stand for `minLength`, `pattern` and `contentEncoding` of the schemas in `proto/`; each is one pass over
/// the bytes.
enum StringRule {
    /// Any text.
    case any
    /// At least one byte.
    case nonEmpty
    /// A name of the caller's choice: 1 to 128 bytes.
    case identifier
    /// A namespace: `^[a-z0-9_.-]{1,64}$`, written without escapes, so that its raw bytes are the namespace.
    case namespace
    /// Base64 with padding (RFC 4648 section 4). It may have escapes: some writers put `\/` for `/`.
    case base64
    /// A trace context: `^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$` (W3C Trace Context section 3.2), written
    /// without escapes.
    case traceparent

    /// What a string that does not follow the rule is told to be.
    var requirement: String {
        switch self {
        case .any: "must be a string of Unicode text"
        case .nonEmpty: "must be a string of at least one character"
        case .identifier: "must be a string of 1 to 128 bytes"
        case .namespace: "must be 1 to 64 characters of a-z, 0-9, '_', '.' and '-', without escapes"
        case .base64: "must be Base64 with padding"
        case .traceparent: "must be a W3C trace context, such as 00-<32 hex digits>-<16 hex digits>-01"
        }
    }

    /// Tells whether `string` is text that follows the rule.
    ///
    /// - Complexity: O(n); memory is allocated only where Base64 has escapes.
    func allows(_ string: JSONString) -> Bool {
        switch self {
        case .any: string.isText
        case .nonEmpty: !string.raw.isEmpty && string.isText
        case .identifier: !string.raw.isEmpty && string.isText && string.isShort
        // A backslash is in neither alphabet.
        case .namespace: (1...64).contains(string.raw.count) && string.raw.allBytes(\.isNamespaceCharacter)
        case .traceparent: string.raw.isTraceparent
        case .base64: string.isBase64
        }
    }
}

extension JSONString {
    /// Whether the string means Base64.
    fileprivate var isBase64: Bool {
        guard hasEscapes else { return raw.isBase64 }
        var decoded = ByteBuffer()
        guard (try? append(to: &decoded)) != nil else { return false }
        return decoded.view.isBase64
    }

    /// Whether the string means text: no escape in it is half of a surrogate pair, which JSON allows and UTF-8 does not.
    ///
    /// - Complexity: O(n) where it has escapes, else O(1).
    fileprivate var isText: Bool {
        guard hasEscapes else { return true }
        var index = 0
        while let backslash = raw.firstIndex(of: UInt8(ascii: "\\"), from: index) {
            switch surrogate(at: backslash) {
            case nil:
                index = backslash + 2
            case .high where surrogate(at: backslash + 6) == .low:
                index = backslash + 12
            case .high, .low:
                return false
            }
        }
        return true
    }

    /// Whether the string means at most 128 bytes.
    fileprivate var isShort: Bool {
        guard hasEscapes else { return raw.count <= 128 }
        var decoded = ByteBuffer()
        return (try? append(to: &decoded)) != nil && decoded.count <= 128
    }

    private enum Surrogate {
        case high
        case low
    }

    private func surrogate(at index: Int) -> Surrogate? {
        guard index + 6 <= raw.count, raw[index..<(index + 2)].equals("\\u"), raw[index + 2] | 0x20 == UInt8(ascii: "d")
        else { return nil }
        switch raw[index + 3] | 0x20 {
        case UInt8(ascii: "8")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "b"): return .high
        case UInt8(ascii: "c")...UInt8(ascii: "f"): return .low
        default: return nil
        }
    }
}

extension ByteView {
    /// Whether `test` holds for every byte.
    fileprivate func allBytes(_ test: (UInt8) -> Bool) -> Bool {
        for index in 0..<count where !test(self[index]) { return false }
        return true
    }

    /// Whether the bytes are Base64: groups of four digits, padded at the end only, no bit lost in the padding.
    fileprivate var isBase64: Bool {
        guard !isEmpty else { return true }
        guard count % 4 == 0 else { return false }
        let equals = UInt8(ascii: "=")
        let padding = self[count - 1] != equals ? 0 : self[count - 2] != equals ? 1 : 2
        let digits = prefix(count - padding)
        guard digits.allBytes(\.isBase64Digit) else { return false }
        // With padding the last digit carries 4 or 2 bits of content; the others must be zero.
        switch (padding, digits[digits.count - 1]) {
        case (1, let last): return ByteView("AEIMQUYcgkosw048").firstIndex(of: last) != nil
        case (2, let last): return ByteView("AQgw").firstIndex(of: last) != nil
        default: return true
        }
    }

    /// Whether the bytes are four groups of 2, 32, 16 and 2 hexadecimal digits with `-` between them.
    fileprivate var isTraceparent: Bool {
        guard count == 55 else { return false }
        for index in 0..<count {
            let isDash = self[index] == UInt8(ascii: "-")
            switch index {
            case 2, 35, 52: if !isDash { return false }
            default: if Hexadecimal.value(self[index]) == nil { return false }
            }
        }
        return true
    }
}

extension UInt8 {
    private var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }
    private var isLowercase: Bool { self >= UInt8(ascii: "a") && self <= UInt8(ascii: "z") }
    private var isUppercase: Bool { self >= UInt8(ascii: "A") && self <= UInt8(ascii: "Z") }

    fileprivate var isNamespaceCharacter: Bool {
        isLowercase || isDigit || self == UInt8(ascii: "_") || self == UInt8(ascii: ".") || self == UInt8(ascii: "-")
    }

    fileprivate var isBase64Digit: Bool {
        isLowercase || isUppercase || isDigit || self == UInt8(ascii: "+") || self == UInt8(ascii: "/")
    }
}
