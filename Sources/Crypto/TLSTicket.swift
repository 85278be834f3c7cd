import COpenSSL

/// What a server left us with to resume a session: the next handshake is shorter, and needs no certificate.
@safe
public final class TLSTicket {
    let session: OpaquePointer

    /// Takes over one reference to an `SSL_SESSION`.
    init(owning session: OpaquePointer) {
        unsafe self.session = unsafe session
    }

    deinit {
        unsafe SSL_SESSION_free(session)
    }
}
