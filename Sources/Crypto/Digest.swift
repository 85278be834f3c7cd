public import Bytes
import COpenSSL

/// Message digests, by OpenSSL.
public enum Digest {
    /// SHA-1 (FIPS 180-4) in lower-case hexadecimal: the name by which Valkey knows a script, and nothing else.
    ///
    /// - Parameter view: Any bytes.
    /// - Returns: 40 digits.
    public static func sha1Hexadecimal(_ view: ByteView) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 20)
        var length: UInt32 = 0
        let status = unsafe view.withUnsafeBytes { pointer, count in
            unsafe EVP_Digest(pointer, count, &digest, &length, EVP_sha1(), nil)
        }
        precondition(status == 1 && length == 20, "SHA-1 failed")
        return Hexadecimal.digits(of: digest)
    }
}
