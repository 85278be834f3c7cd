public import Bytes
import Crypto
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
        for shift in stride(from: UInt16(12), through: 0, by: -4) { buffer.append(digit(UInt8(tag >> shift & 15))) }
    }

    /// Appends two hexadecimal digits for each byte; there are a multiple of eight bytes.
    public static func append(hexadecimal bytes: ByteView, to buffer: inout ByteBuffer) {
        assert(bytes.count % 8 == 0)
        unsafe _ = buffer.withSpareCapacity(2 * bytes.count) { memory, _ in
            let output = UnsafeMutableRawPointer(memory)
            for index in stride(from: 0, to: bytes.count, by: 8) {
                let word = UInt64(bigEndian: bytes.word(at: index))
                let (high, low) = (digits(word >> 32).bigEndian, digits(word & 0xffff_ffff).bigEndian)
                unsafe output.storeBytes(of: high, toByteOffset: 2 * index, as: UInt64.self)
                unsafe output.storeBytes(of: low, toByteOffset: 2 * index + 8, as: UInt64.self)
            }
            return 2 * bytes.count
        }
    }

    /// The eight hexadecimal digits of a number of 32 bits, all at once: half of a byte is spread to each byte, and those
    /// above nine, which carry into the upper half when six is added, become letters.
    private static func digits(_ number: UInt64) -> UInt64 {
        var spread = (number << 16 | number) & 0x0000_ffff_0000_ffff
        spread = (spread << 8 | spread) & 0x00ff_00ff_00ff_00ff
        spread = (spread << 4 | spread) & 0x0f0f_0f0f_0f0f_0f0f
        let letters = (spread &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return spread &+ 0x3030_3030_3030_3030 &+ letters &* 39
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value &+ (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
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
