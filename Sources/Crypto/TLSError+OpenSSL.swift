import COpenSSL

extension TLSError {
    /// The words of the oldest error that this thread's queue holds, which is then empty.
    ///
    /// - Returns: OpenSSL's reason, such as "wrong version number"; nil where the queue was empty.
    static func takeReason() -> String? {
        let error = ERR_get_error()
        ERR_clear_error()
        guard error != 0 else { return nil }
        guard let text = unsafe ERR_reason_error_string(error) else { return "error \(error)" }
        return unsafe String(cString: text)
    }

    /// The error that the verification of the server's certificate ended with; nil where it succeeded.
    ///
    /// - Parameters:
    ///   - result: One of OpenSSL's `X509_V_…`.
    ///   - name: Whom the certificate has to name.
    /// - Returns: The error, in words for the operator.
    static func verification(_ result: Int, name: String) -> TLSError? {
        let words = unsafe X509_verify_cert_error_string(result).map { unsafe String(cString: $0) } ?? "error \(result)"
        switch Int32(truncatingIfNeeded: result) {
        case X509_V_OK:
            return nil
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_CERT_UNTRUSTED:
            return TLSError(
                .untrusted,
                "it has a certificate that no trusted CA signed (\(words)): put its CA into valkey.tls.ca_file"
            )
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            return TLSError(
                .wrongName,
                "it has a certificate that does not name \(name): use a name that stands in the certificate, in the URL "
                    + "or in valkey.tls.server_name"
            )
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return TLSError(.expired, "it has a certificate that has expired, or whose CA's has: renew it")
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return TLSError(
                .notYetValid,
                "it has a certificate that is not valid yet, or whose CA's is not: check the clocks of both hosts"
            )
        default:
            return TLSError(.untrusted, "it has a certificate that cannot be trusted: \(words)")
        }
    }

    /// The error that OpenSSL's queue of this thread tells of, which is then empty.
    ///
    /// - Parameters:
    ///   - name: Whom the server's certificate has to name.
    ///   - hasCertificate: Whether a certificate of ours was at hand.
    /// - Returns: The error, in words for the operator.
    static func taken(name: String, hasCertificate: Bool) -> TLSError {
        let error = ERR_peek_error()
        let isTLS = ERR_GET_LIB(error) == ERR_LIB_SSL
        let words = takeReason() ?? "the connection broke"
        guard isTLS else { return TLSError(.failed, "TLS failed: \(words)") }
        switch ERR_GET_REASON(error) {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_RECORD_LENGTH_MISMATCH,
            SSL_R_BAD_RECORD_TYPE, SSL_R_UNEXPECTED_MESSAGE:
            return TLSError(.notTLS, "it does not speak TLS there (\(words)): check the port, or use valkey://")
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, SSL_R_VERSION_TOO_LOW,
            SSL_R_WRONG_SSL_VERSION, SSL_R_NO_PROTOCOLS_AVAILABLE:
            return TLSError(.versionTooOld, "it speaks no version of TLS that valkey.tls.version_min allows")
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return .certificateRequired
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE where !hasCertificate:
            // TLS 1.2 has no alert of its own for it (RFC 5246 section 7.4.6).
            return TLSError(
                .certificateRequired,
                "it refused the handshake, perhaps for want of a client certificate: set valkey.tls.certificate_file "
                    + "and valkey.tls.key_file"
            )
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
            SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
            SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_TLSV1_ALERT_ACCESS_DENIED,
            SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
            return TLSError(
                .certificateRefused,
                "it refused the certificate in valkey.tls.certificate_file (\(words)): it must be signed by a CA that "
                    + "the server trusts, and be valid"
            )
        case SSL_R_TLSV1_UNRECOGNIZED_NAME:
            return TLSError(.wrongName, "it does not know the name \(name): set valkey.tls.server_name")
        default:
            return TLSError(.failed, "TLS failed: \(words)")
        }
    }

    /// The server's demand for a certificate where there is none.
    static let certificateRequired = TLSError(
        .certificateRequired,
        "it asks for a client certificate: set valkey.tls.certificate_file and valkey.tls.key_file"
    )
}
