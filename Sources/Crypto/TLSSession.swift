public import Bytes
import COpenSSL

/// The client's side of TLS over one connected, non-blocking socket, which somebody else owns and waits for.
///
/// A server that does not prove who it is ends the handshake: nothing is ever sent or taken in the clear.
///
/// What ``write(_:)`` took counts as sent: it may have left in part, and the rest goes first.
///
/// - Important: The process has to ignore `SIGPIPE`. OpenSSL's error queue belongs to the thread, so each call empties
///   it before it begins.
@safe
public final class TLSSession {
    /// Where a call leads.
    public enum Progress: Equatable {
        /// It did what it could: so many bytes were read or taken, none by a handshake or a flush.
        case done(Int)
        /// It goes on when the socket is readable.
        case wantRead
        /// It goes on when the socket is writable.
        case wantWrite
        /// The server will send nothing more.
        case end
        /// The connection is of no more use.
        case failed(TLSError)
    }

    /// Most bytes that are taken at once: what fits into one record (RFC 8446 section 5.1).
    private static let pieceBytesMax = 16 << 10

    private let session: OpaquePointer
    private let context: TLSContext
    private let name: String
    private var unsent = ByteBuffer()
    private var isEstablished = false

    /// Prepares a handshake.
    ///
    /// - Parameters:
    ///   - context: Whom to trust, and who we are.
    ///   - descriptor: The socket's number; it stays open as long as the session is used.
    ///   - serverName: Whom the server's certificate has to name: a host name, which is told to the server too (SNI), or
    ///     an IP address.
    ///   - ticket: What an earlier session with the same server, under the same context, left.
    /// - Throws: ``TLSError`` `badServerName`.
    public init(
        _ context: TLSContext,
        descriptor: Int32,
        serverName: String,
        ticket: TLSTicket?
    ) throws(TLSError) {
        guard let session = unsafe SSL_new(context.context) else { fatalError("out of memory") }
        unsafe self.session = unsafe session
        self.context = context
        name = serverName
        guard unsafe SSL_set_fd(session, descriptor) == 1 else { fatalError("out of memory") }
        unsafe SSL_set_connect_state(session)
        if let ticket { unsafe SSL_set_session(session, ticket.session) }
        guard name(serverName) else {
            ERR_clear_error()
            throw TLSError(.badServerName, "the name \(serverName) cannot stand in a certificate")
        }
    }

    deinit {
        // A session that ends without these marks would be taken for a broken one, and not be resumed.
        unsafe SSL_set_shutdown(session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        unsafe SSL_free(session)
    }

    /// Has the certificate checked for `serverName`, and names it to the server where it is no address (RFC 6066).
    private func name(_ serverName: String) -> Bool {
        let parameters = unsafe SSL_get0_param(session)
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(parameters, serverName) == 1 { return true }
        unsafe SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        return unsafe SSL_set1_host(session, serverName) == 1
            && squire_tls_set_server_name(session, serverName) == 1
    }

    /// The version spoken, such as `TLSv1.3`.
    public var version: String {
        unsafe SSL_get_version(session).map { unsafe String(cString: $0) } ?? "TLS"
    }

    /// Whether the handshake resumed an earlier session.
    public var isResumed: Bool { unsafe SSL_session_reused(session) == 1 }

    /// Whether anything came from the server.
    public var hasReceived: Bool { unsafe BIO_number_read(SSL_get_rbio(session)) > 0 }

    /// Whether bytes came that ``read(into:count:)`` has not handed out: the kernel does not tell of them any more.
    public var hasPending: Bool { unsafe SSL_has_pending(session) == 1 }

    /// Whether bytes that were taken have not left.
    public var hasUnsent: Bool { !unsent.isEmpty }

    /// What the server has left by now to resume the session with, nil where it cannot be.
    public var ticket: TLSTicket? {
        guard isEstablished, let ticket = unsafe SSL_get1_session(session) else { return nil }
        let owned = unsafe TLSTicket(owning: ticket)
        return unsafe SSL_SESSION_is_resumable(ticket) == 1 ? owned : nil
    }
}

extension TLSSession {
    /// Goes on with the handshake.
    ///
    /// - Returns: ``Progress/done(_:)`` where the server has proved who it is.
    public func shakeHands() -> Progress {
        ERR_clear_error()
        let status = unsafe SSL_do_handshake(session)
        guard status != 1 else {
            isEstablished = true
            return .done(0)
        }
        let progress = progress(status)
        guard case .failed = progress else {
            guard progress == .end else { return progress }
            return .failed(
                TLSError(.failed, "it closed the connection during the TLS handshake: check that it speaks TLS there")
            )
        }
        return progress
    }

    /// Reads once into `memory`.
    ///
    /// - Parameters:
    ///   - memory: Receives the bytes.
    ///   - count: Room there, at least 1; beyond 16 KiB there is no use in more.
    /// - Returns: ``Progress/done(_:)`` with the number of bytes read, at least 1.
    @unsafe
    public func read(into memory: UnsafeMutablePointer<UInt8>, count: Int) -> Progress {
        ERR_clear_error()
        let status = unsafe SSL_read(session, memory, Int32(clamping: count))
        return status > 0 ? .done(Int(status)) : progress(status)
    }

    /// Takes the first bytes of `view`.
    ///
    /// - Returns: ``Progress/done(_:)`` with how many; some of them may wait for ``flush()``.
    public func write(_ view: ByteView) -> Progress {
        let flushed = flush()
        guard case .done = flushed, !view.isEmpty else { return flushed }
        let piece = view.prefix(min(view.count, TLSSession.pieceBytesMax))
        let progress = send(piece)
        switch progress {
        case .wantRead, .wantWrite:
            // The record is made, and may have left in part: nothing else can be sent in its place.
            unsent.append(piece)
            return .done(piece.count)
        case .done, .end, .failed:
            return progress
        }
    }

    /// Sends what was taken and has not left.
    ///
    /// - Returns: ``Progress/done(_:)`` where nothing waits any more.
    public func flush() -> Progress {
        guard !unsent.isEmpty else { return .done(0) }
        let progress = send(unsent.view)
        guard case .done(let count) = progress else { return progress }
        unsent.consume(count)
        return unsent.isEmpty ? .done(0) : .wantWrite
    }

    private func send(_ piece: ByteView) -> Progress {
        ERR_clear_error()
        let status = unsafe piece.withUnsafeBytes { pointer, count in
            unsafe SSL_write(session, pointer, Int32(count))
        }
        return status > 0 ? .done(Int(status)) : progress(status)
    }

    /// What a call that returned `status` leads to.
    private func progress(_ status: Int32) -> Progress {
        switch unsafe SSL_get_error(session, status) {
        case SSL_ERROR_WANT_READ: return .wantRead
        case SSL_ERROR_WANT_WRITE: return .wantWrite
        case SSL_ERROR_ZERO_RETURN: return .end
        case SSL_ERROR_SYSCALL where ERR_peek_error() == 0: return .end
        default: break
        }
        if let error = verificationError {
            ERR_clear_error()
            return .failed(error)
        }
        let error = ERR_peek_error()
        if ERR_GET_LIB(error) == ERR_LIB_SSL, ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING {
            // Replies tell their own length, so that an end without a farewell can cut none short unnoticed.
            ERR_clear_error()
            return .end
        }
        return .failed(.taken(name: name, hasCertificate: context.hasCertificate))
    }

    private var verificationError: TLSError? {
        isEstablished ? nil : .verification(unsafe SSL_get_verify_result(session), name: name)
    }
}
