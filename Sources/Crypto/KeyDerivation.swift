public import Bytes
import COpenSSL

/// Keys and keyed hashes made of other keys, by OpenSSL.
public enum KeyDerivation {
    /// Writes a key that HKDF-SHA256 (RFC 5869) makes of another one.
    ///
    /// - Parameters:
    ///   - key: The input keying material.
    ///   - salt: Random bytes that need not be secret; may be none.
    ///   - info: What the new key is for.
    ///   - output: Receives the key.
    ///   - count: Its length in bytes, 1...8160.
    @unsafe
    public static func hkdf(
        key: ByteView,
        salt: ByteView,
        info: ByteView,
        into output: UnsafeMutablePointer<UInt8>,
        count: Int
    ) {
        let status = unsafe squire_hkdf_sha256(key.bytes, salt.bytes, info.bytes, output, count)
        precondition(status == 1, "HKDF failed")
    }

    /// A key that HKDF-SHA256 (RFC 5869) makes of another one; see ``hkdf(key:salt:info:into:count:)``.
    public static func hkdf(key: ByteView, salt: ByteView, info: ByteView, count: Int) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: count)
        unsafe hkdf(key: key, salt: salt, info: info, into: &output, count: count)
        return output
    }

    /// HMAC-SHA256 (RFC 2104).
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - view: Any bytes.
    /// - Returns: 32 bytes.
    public static func hmac(key: ByteView, _ view: ByteView) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: 32)
        precondition(unsafe squire_hmac_sha256(key.bytes, view.bytes, &output) == 1, "HMAC failed")
        return output
    }
}

extension ByteView {
    /// The bytes as the C functions take them, lent like the view.
    var bytes: squire_bytes {
        unsafe withUnsafeBytes { base, count in unsafe squire_bytes(base: base, count: count) }
    }
}
