public import Bytes
import COpenSSL

/// SHA-256 (FIPS 180-4), by OpenSSL, for callers who want many digests: its memory is used again for each.
@safe
public final class SHA256 {
    /// Length of a digest in bytes.
    public static let count = 32
    private let context: OpaquePointer

    /// Makes a hasher.
    public init() {
        guard let context = unsafe squire_sha256_context() else { fatalError("OpenSSL has no SHA-256") }
        unsafe self.context = unsafe context
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    /// Writes the digest of `view` to ``count`` bytes at `output`.
    @unsafe
    public func digest(of view: ByteView, into output: UnsafeMutablePointer<UInt8>) {
        precondition(unsafe squire_sha256(context, view.bytes, output) == 1, "SHA-256 failed")
    }

    /// The digest of `view`.
    public func digest(of view: ByteView) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: SHA256.count)
        unsafe digest(of: view, into: &output)
        return output
    }
}
