public import Bytes
import COpenSSL

/// AES-256-GCM (NIST SP 800-38D), by OpenSSL: encryption that notices every change of what it sealed.
///
/// A key and a nonce are used together for one text only. The memory of one value is used again for each text, so it
/// belongs to one thread.
@safe
public final class AEAD {
    /// Length of a key in bytes.
    public static let keyBytes = 32
    /// Length of a nonce in bytes.
    public static let nonceBytes = 12
    /// Length of what is added to a text, in bytes.
    public static let tagBytes = 16

    private let sealing: OpaquePointer
    private let opening: OpaquePointer

    /// Makes a cipher.
    public init() {
        guard let sealing = unsafe squire_gcm_context(1), let opening = unsafe squire_gcm_context(0) else {
            fatalError("OpenSSL has no AES-256-GCM")
        }
        unsafe self.sealing = unsafe sealing
        unsafe self.opening = unsafe opening
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(sealing)
        unsafe EVP_CIPHER_CTX_free(opening)
    }

    /// Appends `text`, encrypted, and the tag: ``tagBytes`` more than `text` has.
    ///
    /// - Parameters:
    ///   - text: The plaintext.
    ///   - key: ``keyBytes`` bytes.
    ///   - nonce: ``nonceBytes`` bytes, never used with this key before.
    ///   - associated: What is authenticated with the text without being part of it; both parts, one after the other.
    ///   - output: Receives the ciphertext and the tag.
    public func seal(
        _ text: ByteView,
        key: ByteView,
        nonce: ByteView,
        associated: (ByteView, ByteView),
        to output: inout ByteBuffer
    ) {
        precondition(key.count == AEAD.keyBytes && nonce.count == AEAD.nonceBytes, "a key or nonce of another length")
        unsafe _ = output.withSpareCapacity(text.count + AEAD.tagBytes) { memory, _ in
            let status = unsafe squire_gcm_seal(
                sealing,
                key.bytes.base,
                nonce.bytes.base,
                associated.0.bytes,
                associated.1.bytes,
                text.bytes,
                memory,
                memory + text.count
            )
            precondition(status == 1, "AES-256-GCM failed")
            return text.count + AEAD.tagBytes
        }
    }

    /// Appends what `sealed` holds, where nothing about it was changed.
    ///
    /// - Parameters:
    ///   - sealed: Ciphertext and tag.
    ///   - key: ``keyBytes`` bytes.
    ///   - nonce: ``nonceBytes`` bytes.
    ///   - associated: As when it was sealed.
    ///   - output: Receives the plaintext; left as it is where the result is false.
    /// - Returns: Whether text, key, nonce and associated bytes belong together.
    public func open(
        _ sealed: ByteView,
        key: ByteView,
        nonce: ByteView,
        associated: (ByteView, ByteView),
        to output: inout ByteBuffer
    ) -> Bool {
        precondition(key.count == AEAD.keyBytes && nonce.count == AEAD.nonceBytes, "a key or nonce of another length")
        guard sealed.count >= AEAD.tagBytes else { return false }
        let count = sealed.count - AEAD.tagBytes
        var isGenuine = false
        // OpenSSL is given a byte to write to even where the text has none.
        unsafe _ = output.withSpareCapacity(count + 1) { memory, _ in
            isGenuine =
                unsafe squire_gcm_open(
                    opening,
                    key.bytes.base,
                    nonce.bytes.base,
                    associated.0.bytes,
                    associated.1.bytes,
                    sealed.prefix(count).bytes,
                    sealed.dropFirst(count).bytes.base,
                    memory
                ) == 1
            if !isGenuine { unsafe OPENSSL_cleanse(memory, count + 1) }
            return isGenuine ? count : 0
        }
        return isGenuine
    }
}
