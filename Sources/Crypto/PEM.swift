import Bytes
import COpenSSL

/// Certificates and keys as text (RFC 7468).
enum PEM {
    /// Hands on every certificate of a text.
    ///
    /// - Parameters:
    ///   - text: The text; what is no certificate is passed over.
    ///   - code: Code of the error.
    ///   - body: Takes a certificate over, and tells whether it could use it.
    /// - Returns: How many certificates there were.
    /// - Throws: ``TLSError`` where one of them is broken or cannot be used.
    static func forEachCertificate(
        in text: [UInt8],
        _ code: TLSError.Code,
        _ body: (OpaquePointer) -> Bool
    ) throws(TLSError) -> Int {
        ERR_clear_error()
        let result = text.withByteView { view in
            unsafe withMemory(view) { memory in
                var count = 0
                while let certificate = unsafe squire_pem_certificate(memory) {
                    count += 1
                    guard unsafe body(certificate) else { return -1 }
                }
                return count
            }
        }
        let isEnd = result >= 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
        let reason = TLSError.takeReason()
        guard isEnd else { throw TLSError(code, "holds a certificate that cannot be used: \(reason ?? "broken")") }
        return result
    }

    /// The private key of a text, owned by the caller; nil where there is none that can be read without a password.
    static func key(_ text: [UInt8]) -> OpaquePointer? {
        let key = unsafe text.withByteView { view in
            unsafe withMemory(view) { memory in unsafe squire_pem_key(memory) }
        }
        ERR_clear_error()
        return unsafe key
    }

    private static func withMemory<Result>(_ view: ByteView, _ body: (OpaquePointer) -> Result) -> Result {
        unsafe view.withUnsafeBytes { pointer, count in
            guard let memory = unsafe BIO_new_mem_buf(pointer, Int32(clamping: count)) else {
                fatalError("out of memory")
            }
            defer { unsafe BIO_free(memory) }
            return unsafe body(memory)
        }
    }
}
