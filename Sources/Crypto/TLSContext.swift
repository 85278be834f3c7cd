import Bytes
import COpenSSL

/// What the TLS connections to one server share: whom they trust, who they are, and which versions they speak.
///
/// It does not change once it is made: new certificates are a new context. OpenSSL is initialised by the first one, and
/// takes memory only then.
@safe
public final class TLSContext: Sendable {
    /// OpenSSL locks what it changes in a context; this class changes nothing after its initializer.
    nonisolated(unsafe) let context: OpaquePointer
    /// Whether there is a certificate of our own.
    let hasCertificate: Bool

    /// Makes a context.
    ///
    /// - Parameters:
    ///   - authorities: Certificates of the CAs that are trusted, in PEM; nil for those that the system trusts.
    ///   - identity: Our own certificate, for servers that ask for one; nil for none.
    ///   - versionMin: The oldest version that is spoken.
    /// - Throws: ``TLSError`` `badAuthorities`, `badCertificate` or `badKey`, in words without a subject.
    /// - Complexity: About 0.1 ms for each certificate.
    public init(authorities: [UInt8]?, identity: TLSIdentity?, versionMin: TLSVersion) throws(TLSError) {
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { fatalError("out of memory") }
        unsafe self.context = unsafe context
        hasCertificate = identity != nil
        unsafe SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        unsafe squire_tls_set_modes(context)
        guard unsafe squire_tls_set_version_min(context, versionMin.number) == 1 else {
            throw TLSError(.failed, "OpenSSL on this host does not speak TLS \(versionMin.rawValue)")
        }
        if let authorities {
            try trust(authorities)
        } else {
            guard unsafe SSL_CTX_set_default_verify_paths(context) == 1 else {
                throw TLSError(.badAuthorities, TLSError.takeReason() ?? "the system's CAs cannot be found")
            }
        }
        if let identity { try use(identity) }
    }

    deinit {
        unsafe SSL_CTX_free(context)
    }

    private func trust(_ authorities: [UInt8]) throws(TLSError) {
        let store = unsafe SSL_CTX_get_cert_store(context)
        let count = try unsafe PEM.forEachCertificate(in: authorities, .badAuthorities) { certificate in
            defer { unsafe X509_free(certificate) }
            return unsafe X509_STORE_add_cert(store, certificate) == 1
        }
        guard count > 0 else { throw TLSError(.badAuthorities, "holds no certificate in PEM") }
    }

    private func use(_ identity: TLSIdentity) throws(TLSError) {
        var isFirst = true
        let count = try unsafe PEM.forEachCertificate(in: identity.certificates, .badCertificate) { certificate in
            if isFirst {
                isFirst = false
                defer { unsafe X509_free(certificate) }
                return unsafe SSL_CTX_use_certificate(context, certificate) == 1
            }
            if unsafe squire_tls_add_chain_certificate(context, certificate) == 1 { return true }
            unsafe X509_free(certificate)
            return false
        }
        guard count > 0 else { throw TLSError(.badCertificate, "holds no certificate in PEM") }
        guard let key = unsafe PEM.key(identity.key) else {
            throw TLSError(.badKey, "holds no private key in PEM, or one that is encrypted")
        }
        defer { unsafe EVP_PKEY_free(key) }
        guard unsafe SSL_CTX_use_PrivateKey(context, key) == 1 else {
            ERR_clear_error()
            throw TLSError(.badKey, "does not belong to the certificate")
        }
    }
}

/// A certificate with its key.
public struct TLSIdentity: Sendable {
    /// The certificate in PEM, then those between it and a CA that the server trusts.
    let certificates: [UInt8]
    /// The certificate's private key in PEM, not encrypted.
    let key: [UInt8]

    /// Puts a certificate and its key together.
    ///
    /// - Parameters:
    ///   - certificates: The certificate in PEM, then those between it and a CA that the server trusts.
    ///   - key: The certificate's private key in PEM, not encrypted.
    public init(certificates: [UInt8], key: [UInt8]) {
        self.certificates = certificates
        self.key = key
    }
}
