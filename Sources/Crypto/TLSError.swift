/// Why a connection is not secured, or cannot be.
///
/// The message is for the operator. Its subject is the server: it goes behind "it", and names what to change.
public struct TLSError: Error, Equatable, Sendable {
    /// What happened.
    public enum Code: Sendable {
        /// The CA certificates cannot be used.
        case badAuthorities
        /// The client's own certificate cannot be used.
        case badCertificate
        /// The key of the client's certificate cannot be used.
        case badKey
        /// The server's name cannot be used.
        case badServerName
        /// No CA that is trusted has signed the server's certificate.
        case untrusted
        /// The server's certificate is for another name.
        case wrongName
        /// The server's certificate, or one that it rests on, was valid once.
        case expired
        /// The server's certificate, or one that it rests on, will be valid later.
        case notYetValid
        /// The server speaks older versions of TLS only.
        case versionTooOld
        /// The server wants a certificate of ours.
        case certificateRequired
        /// The server does not accept our certificate.
        case certificateRefused
        /// What the server sent is not TLS.
        case notTLS
        /// The handshake or the connection failed otherwise.
        case failed
    }

    /// What happened.
    public let code: Code
    /// The same in words, without a line break.
    public let message: String

    /// Records a failure.
    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
