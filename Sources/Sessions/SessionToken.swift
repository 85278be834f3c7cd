public import Bytes
public import Crypto
import Sealing

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

    /// The slot tag of a text that may be a token, or nil where its length or beginning is not that of one.
    ///
    /// Whatever follows the tag is hashed as it is: what was never made names no session.
    public static func tag(of token: ByteView) -> UInt16? {
        token.count == byteCount ? readTag(token) : nil
    }

    /// The handle of the session that a token names, or nil where the text cannot be a token.
    public static func handle(of token: ByteView, _ hasher: SHA256) -> [UInt8]? {
        guard let tag = tag(of: token) else { return nil }
        return SessionKey(tag: tag, digest: hasher.digest(of: token), namespace: nil).handle
    }

    /// The slot tag and the digest that a handle names, or nil where the text is no handle.
    public static func read(handle: ByteView) -> (tag: UInt16, digest: [UInt8])? {
        guard handle.count == handleBytes, let tag = readTag(handle) else { return nil }
        guard let digest = Hexadecimal.bytes(of: handle.dropFirst(tagBytes)) else { return nil }
        return (tag, digest)
    }

    /// Appends a slot tag: four hexadecimal digits.
    public static func append(tag: UInt16, to buffer: inout ByteBuffer) {
        for shift in stride(from: UInt16(12), through: 0, by: -4) {
            buffer.append(Hexadecimal.digit(UInt8(tag >> shift & 15)))
        }
    }

    private static func readTag(_ text: ByteView) -> UInt16? {
        var tag: UInt16 = 0
        for index in 0..<tagBytes {
            guard let digit = Hexadecimal.value(text[index]) else { return nil }
            tag = tag << 4 | UInt16(digit)
        }
        return tag < tags ? tag : nil
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
