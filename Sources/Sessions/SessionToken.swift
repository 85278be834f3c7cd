public import Bytes
import Crypto

/// The text by which a client shows that a session is its own, and the handle by which others may name it.
///
/// A token is four hexadecimal digits, the slot tag, and 32 random bytes in base64url without padding: 47 characters.
/// Valkey sees the SHA-256 of all 47. A handle is the slot tag and that digest in hexadecimal, 68 digits: it says under
/// which key the session lies, and no more.
public enum SessionToken {
    /// Length of a token in bytes.
    public static let byteCount = 47
    /// Length of a handle in bytes.
    public static let handleBytes = 68
    /// Length of a slot tag in bytes.
    public static let tagBytes = 4
    /// Number of slot tags: as many as a Cluster has slots.
    public static let tags: UInt16 = 1 << 14

    /// Makes a token of 32 new random bytes.
    public static func make(tag: UInt16) -> [UInt8] {
        var buffer = ByteBuffer()
        append(tag: tag, to: &buffer)
        var random = RandomBytes.make(32)
        random.withByteView { appendBase64URL($0, to: &buffer) }
        random.wipe()
        return buffer.view.copy()
    }

    /// The slot tag of a text that has the form of a token, or nil.
    public static func tag(of token: ByteView) -> UInt16? {
        guard token.count == byteCount, let tag = readTag(token) else { return nil }
        for index in tagBytes..<byteCount where !isBase64URL(token[index]) { return nil }
        return tag
    }

    /// The slot tag and the digest that a handle names, or nil where the text is no handle.
    public static func read(handle: ByteView) -> (tag: UInt16, digest: [UInt8])? {
        guard handle.count == handleBytes, let tag = readTag(handle) else { return nil }
        var digest: [UInt8] = []
        for index in stride(from: tagBytes, to: handleBytes, by: 2) {
            guard let high = hexDigit(handle[index]), let low = hexDigit(handle[index + 1]) else { return nil }
            digest.append(high << 4 | low)
        }
        return (tag, digest)
    }

    /// Appends a slot tag: four hexadecimal digits.
    public static func append(tag: UInt16, to buffer: inout ByteBuffer) {
        append(hexadecimal: UInt8(tag >> 8), to: &buffer)
        append(hexadecimal: UInt8(tag & 0xff), to: &buffer)
    }

    /// Appends two hexadecimal digits for each byte.
    public static func append(hexadecimal bytes: ByteView, to buffer: inout ByteBuffer) {
        for index in 0..<bytes.count { append(hexadecimal: bytes[index], to: &buffer) }
    }

    private static func append(hexadecimal byte: UInt8, to buffer: inout ByteBuffer) {
        let digits = ByteView("0123456789abcdef")
        buffer.append(digits[Int(byte >> 4)])
        buffer.append(digits[Int(byte & 15)])
    }

    private static func readTag(_ text: ByteView) -> UInt16? {
        var tag: UInt16 = 0
        for index in 0..<tagBytes {
            guard let digit = hexDigit(text[index]) else { return nil }
            tag = tag << 4 | UInt16(digit)
        }
        return tag < tags ? tag : nil
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    private static func isBase64URL(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static func appendBase64URL(_ bytes: ByteView, to buffer: inout ByteBuffer) {
        var padded = ByteBuffer()
        Base64.encode(bytes, to: &padded)
        for index in 0..<padded.count {
            switch padded.view[index] {
            case UInt8(ascii: "+"): buffer.append(UInt8(ascii: "-"))
            case UInt8(ascii: "/"): buffer.append(UInt8(ascii: "_"))
            case UInt8(ascii: "="): break
            case let digit: buffer.append(digit)
            }
        }
    }
}
