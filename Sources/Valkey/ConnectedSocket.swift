import Bytes
import Crypto
import EventLoop
import Linux

/// A connecting or connected socket with what belongs to it alone: its place in the loop, its TLS session and its
/// half-read reply.
@EventLoop
final class ConnectedSocket {
    /// What reading brought.
    enum Reception {
        /// Bytes, which are in ``received``.
        case bytes
        /// Nothing now.
        case wouldBlock
        /// The server will send nothing more.
        case end
        /// The connection is of no more use; the reason is for the operator.
        case failed(String)
    }

    let descriptor: FileDescriptor
    let reader: ReplyReader
    private let registration: Registration
    private var session: TLSSession?
    private var isWritableWanted = true
    /// Whether reading goes on when the socket is writable.
    private(set) var readsWhenWritable = false
    /// What ended a reading that had brought bytes before.
    private var ending: Reception?
    private static var buffer = ByteBuffer()

    /// Bytes taken from a socket at once.
    private static let receiveBytes = 128 << 10
    /// The same from a TLS session: two full records, which stay in the processor's cache until they are parsed.
    private static let secureReceiveBytes = 2 * recordBytes
    /// What fits into one record.
    private static let recordBytes = 16 << 10

    /// Registers `descriptor` for reading and writing.
    init(
        _ descriptor: consuming FileDescriptor,
        _ configuration: LinkConfiguration,
        handler: any DescriptorHandler
    ) throws(SystemError) {
        reader = ReplyReader(
            replyBytesMax: configuration.replyBytesMax,
            pendingBytesMax: configuration.valueBytesMax
        )
        registration = try EventLoop.reactor.add(descriptor, [.readable, .writable], handler: handler)
        self.descriptor = descriptor
    }

    /// What the last read of any socket brought.
    var received: ByteView { ConnectedSocket.buffer.view }

    /// Whether there is more to read of which the loop will not tell: ``receive()`` is to be called again.
    private(set) var hasMore = false

    /// Reads once; what came is in ``received`` until the next read of any socket.
    func receive() -> Reception {
        ConnectedSocket.buffer.removeAll()
        if let session { return receive(session) }
        var transfer = Transfer.wouldBlock
        _ = unsafe ConnectedSocket.buffer.withSpareCapacity(ConnectedSocket.receiveBytes) { memory, capacity in
            let count = min(capacity, ConnectedSocket.receiveBytes)
            transfer = unsafe descriptor.read(into: memory, count: count)
            if case .bytes(let count) = transfer { return count }
            return 0
        }
        switch transfer {
        case .bytes: return .bytes
        case .wouldBlock: return .wouldBlock
        case .end: return .end
        case .failed(let error): return .failed(error.reason)
        }
    }

    /// Writes once from `view`: gives how many bytes were taken, at least one, or what stands in the way.
    func write(_ view: ByteView) -> Transmission {
        if let session { return transmission(session.write(view)) }
        switch descriptor.write(view) {
        case .bytes(let count): return .taken(count)
        case .wouldBlock: return .wouldBlock
        case .end, .failed: return .broken
        }
    }

    /// Sends what was taken before and has not left.
    func flush() -> Transmission {
        session.map { transmission($0.flush()) } ?? .taken(0)
    }

    /// Says whether the loop is to tell when the socket takes more.
    func wantWritable(_ wanted: Bool) {
        let wanted = wanted || readsWhenWritable || session?.hasUnsent == true
        guard wanted != isWritableWanted else { return }
        isWritableWanted = wanted
        EventLoop.reactor.modify(registration, wanted ? [.readable, .writable] : .readable)
    }

    /// Takes the socket out of the loop; it closes with the last reference.
    func remove() {
        EventLoop.reactor.remove(registration)
    }
}

/// What writing to a socket did.
enum Transmission {
    /// So many bytes count as sent.
    case taken(Int)
    /// Nothing now: wait until the socket is writable.
    case wouldBlock
    /// The connection is of no more use; reading tells why.
    case broken
}

// MARK: TLS

extension ConnectedSocket {
    /// Whether TLS is spoken.
    var isSecure: Bool { session != nil }

    /// How the connection is secured, in words.
    var transport: String {
        guard let session else { return "plain" }
        return session.isResumed ? "\(session.version) resumed" : session.version
    }

    /// Whether the server has sent nothing, not even a part of a handshake.
    var isSilent: Bool { session.map { !$0.hasReceived } ?? true }

    /// What the server has left by now to resume the session with.
    var ticket: TLSTicket? { session?.ticket }

    /// Has everything from now on go through TLS.
    ///
    /// - Throws: `TLSError` where the name cannot be checked.
    func secure(_ context: TLSContext, serverName: String, ticket: TLSTicket?) throws(TLSError) {
        session = try TLSSession(context, descriptor: descriptor.number, serverName: serverName, ticket: ticket)
    }

    /// Goes on with the handshake, and asks the loop for what it waits for.
    ///
    /// - Returns: Nil until it has ended, then nothing or why it failed.
    func shakeHands() -> Result<Void, TLSError>? {
        guard let session else { preconditionFailure("a handshake needs a session") }
        switch session.shakeHands() {
        case .done:
            return .success(())
        case .wantRead:
            wantWritable(false)
            return nil
        case .wantWrite:
            wantWritable(true)
            return nil
        case .failed(let error):
            return .failure(error)
        case .end:
            preconditionFailure("a handshake does not just end")
        }
    }

    /// Reads until the session holds nothing more, or there is no room for another record.
    private func receive(_ session: TLSSession) -> Reception {
        hasMore = false
        if let ending {
            self.ending = nil
            return ending
        }
        var progress = TLSSession.Progress.wantRead
        let count = unsafe ConnectedSocket.buffer.withSpareCapacity(ConnectedSocket.secureReceiveBytes) { memory, _ in
            var count = 0
            repeat {
                let room = ConnectedSocket.secureReceiveBytes - count
                progress = unsafe session.read(into: memory + count, count: room)
                guard case .done(let read) = progress else { break }
                count += read
                hasMore = ConnectedSocket.secureReceiveBytes - count < ConnectedSocket.recordBytes
            } while session.hasPending && !hasMore
            return count
        }
        hasMore = hasMore && session.hasPending
        noteWish(progress)
        let reception = reception(progress)
        guard count > 0 else { return reception }
        if case .wouldBlock = reception { return .bytes }
        if case .bytes = reception { return .bytes }
        ending = reception
        hasMore = true
        return .bytes
    }

    private func noteWish(_ progress: TLSSession.Progress) {
        guard readsWhenWritable != (progress == .wantWrite) else { return }
        readsWhenWritable = progress == .wantWrite
        wantWritable(isWritableWanted)
    }

    private func reception(_ progress: TLSSession.Progress) -> Reception {
        switch progress {
        case .done: .bytes
        case .wantRead, .wantWrite: .wouldBlock
        case .end: .end
        case .failed(let error): .failed(error.message)
        }
    }

    private func transmission(_ progress: TLSSession.Progress) -> Transmission {
        switch progress {
        case .done(let count): .taken(count)
        // Renegotiation is off, so that writing never waits for something to read.
        case .wantRead, .wantWrite: .wouldBlock
        case .end, .failed: .broken
        }
    }
}
