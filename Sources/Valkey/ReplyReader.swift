import Bytes
import CHiredis

/// Turns the bytes of a connection into replies, by hiredis' reader.
///
/// hiredis parses; its reply object functions are ours, so no tree of objects is built: a reply that is one value is
/// handed on straight from the reader's memory, an array is gathered flat.
@safe
final class ReplyReader {
    private var reader: UnsafeMutablePointer<redisReader>
    private let sink: UnsafeMutablePointer<squire_reply_sink>
    private let tree: ReplyTree
    private let pendingBytesMax: Int
    private var receive: ((Reply) -> Void)?
    /// Bytes of a value too large that are still to come and are passed over.
    private var skipping = 0

    /// hiredis moves what is left of its buffer after each KiB that it consumed, so it is fed by small pieces.
    private static let pieceBytes = 4 << 10

    /// Makes a reader at the beginning of a connection.
    ///
    /// - Parameters:
    ///   - replyBytesMax: Bound on the memory of an array reply.
    ///   - pendingBytesMax: Bound on the bytes of a reply that is not complete.
    init(replyBytesMax: Int, pendingBytesMax: Int) {
        tree = ReplyTree(bytesMax: replyBytesMax)
        self.pendingBytesMax = pendingBytesMax
        unsafe sink = .allocate(capacity: 1)
        unsafe sink.initialize(to: squire_reply_sink())
        guard let reader = unsafe squire_reader_create(sink) else { fatalError("out of memory") }
        unsafe self.reader = unsafe reader
        unsafe sink.pointee.owner = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe sink.pointee.scalar = { owner, isRoot, type, bytes, length, integer in
            guard let owner = unsafe owner, let bytes = unsafe bytes else { return }
            let view = unsafe bytes.withMemoryRebound(to: UInt8.self, capacity: length) {
                unsafe ByteView(base: $0, count: length)
            }
            unsafe Unmanaged<ReplyReader>.fromOpaque(owner)._withUnsafeGuaranteedRef {
                $0.scalar(isRoot: isRoot != 0, ReplyReader.kind(type), view, Int64(integer))
            }
        }
        unsafe sink.pointee.array = { owner, _, count in
            guard let owner = unsafe owner else { return }
            unsafe Unmanaged<ReplyReader>.fromOpaque(owner)._withUnsafeGuaranteedRef {
                $0.tree.append(.array, .empty, Int64(count))
            }
        }
    }

    deinit {
        unsafe redisReaderFree(reader)
        unsafe sink.deinitialize(count: 1)
        unsafe sink.deallocate()
    }

    /// Takes the next bytes of the connection and hands on the replies that they complete, in order.
    ///
    /// - Parameters:
    ///   - view: Bytes received.
    ///   - receive: Called for each reply, which is lent to it. It must not feed this reader.
    /// - Returns: ``ProtocolFault`` where the bytes are no RESP2, or a reply is larger than the bound. The connection is
    ///   of no more use then.
    func feed(_ view: ByteView, _ receive: (Reply) -> Void) -> Result<Void, ProtocolFault> {
        withoutActuallyEscaping(receive) { receive in
            self.receive = receive
            defer { self.receive = nil }
            return feed(view)
        }
    }

    private func feed(_ view: ByteView) -> Result<Void, ProtocolFault> {
        var index = 0
        while index < view.count {
            if skipping > 0 {
                let passed = min(skipping, view.count - index)
                skipping -= passed
                index += passed
                continue
            }
            let end = min(index + ReplyReader.pieceBytes, view.count)
            let result = feedPiece(view[index..<end])
            if case .failure = result { return result }
            index = end
        }
        return .success(())
    }

    private func feedPiece(_ piece: ByteView) -> Result<Void, ProtocolFault> {
        let status = unsafe piece.withUnsafeBytes { pointer, count in
            unsafe redisReaderFeed(reader, UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self), count)
        }
        guard status == REDIS_OK else { return .failure(.notRESP) }
        return drain()
    }

    private func drain() -> Result<Void, ProtocolFault> {
        while true {
            let result = unsafe squire_reader_next(reader)
            if result < 0 { return .failure(.notRESP) }
            if result == 0 { break }
            finishArray()
        }
        let pending = unsafe Int(reader.pointee.len) - Int(reader.pointee.pos)
        guard pending > ReplyReader.pieceBytes else { return .success(()) }
        if passOverLargeValue() { return .success(()) }
        return pending <= pendingBytesMax ? .success(()) : .failure(.replyTooLarge)
    }

    /// Gives up a string beyond the bound as soon as its length is known: what has come of it is dropped with the
    /// reader, what is to come is passed over, and the replies behind it are read as if nothing had been.
    ///
    /// - Returns: Whether there was one.
    private func passOverLargeValue() -> Bool {
        var present = 0
        let length = unsafe squire_reader_pending_bulk(reader, &present)
        guard length > pendingBytesMax, let fresh = unsafe squire_reader_create(sink) else { return false }
        skipping = Int(length) + 2 - present
        unsafe redisReaderFree(reader)
        unsafe reader = fresh
        receive?(Reply(kind: .tooLarge, bytes: .empty, integer: 0, tree: nil, index: 0))
        return true
    }

    private func finishArray() {
        guard !tree.isEmpty else { return }
        if tree.isTooLarge {
            receive?(Reply(kind: .tooLarge, bytes: .empty, integer: 0, tree: nil, index: 0))
        } else {
            receive?(tree.reply(at: 0))
        }
        tree.removeAll()
    }

    private func scalar(isRoot: Bool, _ kind: Reply.Kind, _ bytes: ByteView, _ integer: Int64) {
        if isRoot {
            receive?(Reply(kind: kind, bytes: bytes, integer: integer, tree: nil, index: 0))
        } else {
            tree.append(kind, bytes, integer)
        }
    }

    private static func kind(_ type: Int32) -> Reply.Kind {
        switch type {
        case REDIS_REPLY_STATUS: .status
        case REDIS_REPLY_ERROR: .error
        case REDIS_REPLY_INTEGER: .integer
        case REDIS_REPLY_NIL: .null
        default: .bulk
        }
    }
}

/// Why a connection's bytes cannot be read on.
enum ProtocolFault: Error {
    /// They are no RESP2.
    case notRESP
    /// A reply is larger than the bound.
    case replyTooLarge
}
