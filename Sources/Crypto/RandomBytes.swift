public import Bytes
import COpenSSL

/// Random bytes that nobody can foresee, by OpenSSL's generator.
public enum RandomBytes {
    /// Appends `count` random bytes.
    ///
    /// Traps where the generator fails: there is no honest way on without it.
    public static func append(_ count: Int, to buffer: inout ByteBuffer) {
        unsafe _ = buffer.withSpareCapacity(count) { memory, _ in
            precondition(unsafe RAND_bytes(memory, Int32(count)) == 1, "the random generator failed")
            return count
        }
    }

    /// `count` random bytes.
    public static func make(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        precondition(unsafe RAND_bytes(&bytes, Int32(count)) == 1, "the random generator failed")
        return bytes
    }

    /// `count` random bytes as a secret.
    public static func secret(_ count: Int) -> SecretBytes {
        let secret = SecretBytes(count: count)
        unsafe secret.withUnsafeMutableBytes { memory, count in
            precondition(unsafe RAND_priv_bytes(memory, Int32(count)) == 1, "the random generator failed")
        }
        return secret
    }
}
