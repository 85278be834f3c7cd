import Bytes
import EventLoop
import JSONRPC
import Linux

/// The socket of one client: reads what it asks, writes what it is told.
///
/// A connection is not read while too many of its calls run or too much of its output is unread; what has come already
/// waits in its buffer. So the memory of a client that never reads is bounded, and nobody else notices it.
@EventLoop
final class ClientConnection: DescriptorHandler {
    private let descriptor: FileDescriptor
    private var registration: Registration?
    // The server owns its connections and outlives them; counting references to it would cost two atomic operations a use.
    private unowned(unsafe) let owner: Server
    /// Who connected; nil where the kernel does not tell.
    let identity: PeerIdentity?
    /// The protocol's side of the connection.
    let peer: Peer
    private var wanted = Readiness.readable
    /// Whether the client has sent its last byte; its replies are still delivered.
    private var isInputEnded = false
    /// Whether the connection closes as soon as its output is sent.
    private var isEnding = false
    /// Whether input was left alone because too much is owed or running.
    private var isStalled = false
    /// Whether messages are being served, which are lent from a buffer that must not change meanwhile.
    private var isServing = false
    /// Whether the client has gone in both directions; what it had sent is still served.
    private var isGone = false
    private var isClosed = false
    /// Whether the server has been asked to let this connection go on.
    private var isResuming = false
    private var processWatch: ProcessWatch?

    /// Buffers larger than this are given back when they are empty.
    private static let keptBytes = 4 << 10
    /// Output from which on a connection's is sent as soon as its input was served: less is worth a wait for more.
    private static let promptBytes = 16 << 10
    /// Bytes read at once.
    private static let readBytes = 64 << 10
    private static var readBuffer = ByteBuffer()
    /// Input from which on much output is expected, in bytes.
    private static let bulkBytes = 2 << 10
    /// Most memory that is kept for much output, in bytes.
    private static let lentBytes = 256 << 10
    /// Memory for much output, lent to the connection that has some and given back when it was sent: so what one after
    /// the other is owed is written to the same memory, which the processor has at hand.
    private static var outputMemory = ByteBuffer()

    init(
        _ descriptor: consuming FileDescriptor,
        server: Server,
        index: Int,
        listener: Listener
    ) throws(SystemError) {
        self.descriptor = descriptor
        unsafe owner = server
        identity = PeerIdentity(self.descriptor)
        peer = Peer(index: index, userID: identity?.userID ?? .max, limits: server.calls.limits)
        registration = try EventLoop.reactor.add(self.descriptor, .readable, handler: self)
        server.gatekeeper.opened(peer, identity, on: (listener.name, listener.group))
    }

    private var server: Server { unsafe owner }

    /// Whether output is left that the client has not taken yet.
    var hasOutput: Bool { !peer.output.isEmpty }

    /// Bytes of that output.
    var outputBytes: Int { peer.output.count }

    func descriptorReady(_ readiness: Readiness) {
        if readiness.contains(.writable) { flush(peer) }
        guard !isClosed, !isGone, !readiness.isDisjoint(with: [.readable, .hungUp, .failed]) else { return }
        guard wanted.contains(.readable) else {
            // The socket is not read now, so only its end is told.
            if !readiness.isDisjoint(with: [.hungUp, .failed]) { clientLeft() }
            return
        }
        read()
        // Much is sent while it is at hand, rather than with what others are owed.
        if peer.output.count >= ClientConnection.promptBytes, !peer.isBlocked { flush(peer) }
        server.flushIfMany()
    }

    private func read() {
        ClientConnection.readBuffer.removeAll()
        // The beginning of a message whose end comes now, which is worked on where that is read.
        if peer.input.count <= ClientConnection.keptBytes {
            ClientConnection.readBuffer.append(peer.input.view)
            peer.input.removeAll(keepingCapacityUpTo: ClientConnection.keptBytes)
        }
        switch receive(into: &ClientConnection.readBuffer) {
        case .bytes: receive()
        case .wouldBlock: peer.input.append(ClientConnection.readBuffer.view)
        case .end:
            peer.input.append(ClientConnection.readBuffer.view)
            inputEnded()
        case .failed: close()
        }
    }

    /// Takes in at once what the kernel holds, which is no more than a socket's buffer.
    ///
    /// Into the connection's own buffer: another connection may be being served out of the shared one.
    private func receiveAll() {
        while case .bytes = receive(into: &peer.input) {}
    }

    /// Reads once, behind what the buffer holds.
    private func receive(into buffer: inout ByteBuffer) -> Transfer {
        var transfer = Transfer.wouldBlock
        _ = unsafe buffer.withSpareCapacity(ClientConnection.readBytes) { memory, _ in
            transfer = unsafe descriptor.read(into: memory, count: ClientConnection.readBytes)
            if case .bytes(let count) = transfer { return count }
            return 0
        }
        return transfer
    }

    /// Takes in what a client had sent before it left, to serve it in a moment; what it is owed is dropped.
    ///
    /// It is taken in at once: a socket that was closed by the other side would be ready for ever. It is not served at
    /// once: whoever was sending may be in the middle of answering somebody else.
    private func clientLeft() {
        guard let registration, !isServing else { return close() }
        receiveAll()
        EventLoop.reactor.remove(registration)
        self.registration = nil
        isGone = true
        peer.output.removeAll(keepingCapacityUpTo: 0)
        // Nothing is kept back any more for what it is owed, and whatever comes of that is dropped too.
        server.calls.drained(peer)
        peer.output.removeAll(keepingCapacityUpTo: 0)
        isStalled = true
        guard !isResuming else { return }
        isResuming = true
        server.resumeLater(self)
    }

    /// Takes in what was read: from the shared buffer where nothing waits in the connection's own.
    private func receive() {
        guard peer.input.isEmpty else {
            peer.input.append(ClientConnection.readBuffer.view)
            return process()
        }
        if ClientConnection.readBuffer.count >= ClientConnection.bulkBytes { lendOutputMemory(to: peer) }
        let consumed = process(ClientConnection.readBuffer.view)
        guard !isClosed else { return }
        // What was asked is not answered yet, or is no question: others have more use for the memory.
        if peer.output.isEmpty, peer.output.capacity > ClientConnection.keptBytes { returnOutputMemory() }
        peer.input.append(ClientConnection.readBuffer.view.dropFirst(consumed))
        updateInterest()
    }

    /// Works on what waits in the connection's own buffer.
    private func process() {
        let consumed = process(peer.input.view)
        // A connection that closed meanwhile left the buffer alone until here.
        guard !isClosed else { return peer.input.removeAll(keepingCapacityUpTo: 0) }
        peer.input.consume(consumed)
        if peer.input.isEmpty { peer.input.removeAll(keepingCapacityUpTo: ClientConnection.keptBytes) }
        updateInterest()
    }

    /// Serves the complete messages at the front of `bytes`, as many as may run.
    ///
    /// - Returns: How many bytes they were.
    private func process(_ bytes: ByteView) -> Int {
        // Once for all: to look one up counts its references, which costs as much as the rest of the loop.
        let (dispatcher, calls) = (server.dispatcher, server.calls)
        var consumed = 0
        isServing = true
        defer { isServing = false }
        while !isEnding, !isClosed {
            isStalled = calls.holdsBack(peer)
            if isStalled { return consumed }
            guard consumed < bytes.count else { return consumed }
            let read = dispatcher.serveReads(bytes.dropFirst(consumed), from: peer)
            if read > 0 {
                consumed += read
                continue
            }
            switch peer.decoder.next(bytes.dropFirst(consumed)) {
            case .incomplete:
                return consumed
            case .skipped(let length):
                consumed += length
            case .message(let bounds, let length):
                let message = bytes[(consumed + bounds.lowerBound)..<(consumed + bounds.upperBound)]
                consumed += length
                dispatcher.serve(message, from: peer)
            case .tooLarge(let length):
                consumed += length
                let limit = calls.limits.messageBytesMax
                calls.reject(peer, id: nil, batch: nil, .tooLarge("the message", limitBytes: limit))
            case .unreadableHeader:
                end(with: .unreadableHeader)
            case .http:
                end(with: .http)
            }
        }
        return bytes.count
    }

    /// Serves what has come already, and has the client learn from a failed write that nothing more is taken.
    func finishReceiving() {
        guard !isClosed, !isInputEnded, !isServing else { return }
        Socket.finishReceiving(descriptor)
        receiveAll()
        process()
        guard !isClosed else { return }
        inputEnded()
    }

    private func updateInterest() {
        want(isInputEnded || isEnding || isStalled ? wanted.subtracting(.readable) : wanted.union(.readable))
    }

    private func want(_ next: Readiness) {
        guard let registration, next != wanted else { return }
        wanted = next
        EventLoop.reactor.modify(registration, next)
    }

    /// Goes on after the connection was stalled.
    func resume() {
        isResuming = false
        guard !isClosed else { return }
        if isGone, !isInputEnded {
            isStalled = false
            process()
            guard !isClosed else { return }
            inputEnded()
            return resumeIfPossible()
        }
        process()
        finishIfDone()
    }

    /// Watches the process that connected.
    ///
    /// - Returns: False where it has ended.
    func watchProcess() -> Bool {
        guard processWatch == nil, !isClosed else { return true }
        do throws(PeerProcess.Fault) {
            processWatch = try ProcessWatch(
                PeerProcess(descriptor),
                on: descriptor.number,
                of: peer,
                calls: server.calls
            )
            return true
        } catch {
            return error != .ended
        }
    }

    /// Sends what the client is owed, as far as the kernel takes it.
    func flush(_ peer: Peer) {
        // The peer may have been marked by a connection that has gone and whose place this one took.
        guard peer === self.peer, !isClosed else { return }
        if isGone { peer.output.removeAll(keepingCapacityUpTo: 0) }
        while hasOutputToSend {
            switch descriptor.write(peer.output.view) {
            case .bytes(let count):
                peer.output.consume(count)
                peer.sentBytes &+= UInt64(count)
            case .wouldBlock:
                guard peer.output.count <= server.calls.limits.outputBytesMax else { return close() }
                peer.isBlocked = true
                want(wanted.union(.writable))
                return resumeIfPossible()
            case .end, .failed:
                return clientLeft()
            }
        }
        peer.isBlocked = false
        if peer.output.capacity > ClientConnection.keptBytes { returnOutputMemory() }
        want(wanted.subtracting(.writable))
        resumeIfPossible()
        finishIfDone()
    }

    /// Has much output written to memory that the processor has at hand, where nothing is owed yet.
    func lendOutputMemory(to peer: Peer) {
        guard peer === self.peer, !isClosed, !isGone, peer.output.isEmpty,
            peer.output.capacity <= ClientConnection.keptBytes
        else { return }
        swap(&peer.output, &ClientConnection.outputMemory)
    }

    /// Gives memory up that was needed for much output: to whoever has much next, where that is not served yet.
    private func returnOutputMemory() {
        if ClientConnection.outputMemory.capacity <= ClientConnection.keptBytes {
            swap(&peer.output, &ClientConnection.outputMemory)
        }
        peer.output.removeAll(keepingCapacityUpTo: ClientConnection.keptBytes)
        ClientConnection.outputMemory.removeAll(keepingCapacityUpTo: ClientConnection.lentBytes)
    }

    /// Whether there is output, after what was kept back until there was none has been taken in.
    private var hasOutputToSend: Bool {
        if peer.output.isEmpty, peer.hasBacklog {
            peer.isBlocked = false
            server.calls.drained(peer)
        }
        return !peer.output.isEmpty
    }

    private func resumeIfPossible() {
        guard isStalled, !isResuming, !server.calls.holdsBack(peer) else { return }
        isResuming = true
        server.resumeLater(self)
    }

    /// The client sends no more; it still gets its replies.
    private func inputEnded() {
        isInputEnded = true
        if peer.decoder.framing != .contentLength, !peer.input.isEmpty, !isEnding {
            // A last line whose newline is missing is served all the same: JSON tells by itself whether it is whole.
            peer.input.append(UInt8(ascii: "\n"))
            process()
        }
        updateInterest()
        finishIfDone()
    }

    /// Closes a connection whose client has ended its input and has been told everything.
    private func finishIfDone() {
        guard !isClosed, peer.output.isEmpty else { return }
        let isOwedNothing = peer.runningCalls == 0 && peer.waitingCalls == 0 && peer.bindings == 0
        if isEnding || (isInputEnded && (isGone || isOwedNothing) && !isStalled) { close() }
    }

    /// Says a last word and closes.
    private func end(with refusal: Refusal) {
        peer.output.append(refusal.bytes)
        isEnding = true
        server.calls.markDirty(peer)
    }

    /// Closes now; what runs goes on, its answers are dropped.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        if let registration { EventLoop.reactor.remove(registration) }
        registration = nil
        processWatch?.end()
        processWatch = nil
        server.calls.closed(peer)
        server.gatekeeper.closed(peer)
        if !isServing { peer.input.removeAll(keepingCapacityUpTo: 0) }
        peer.output.removeAll(keepingCapacityUpTo: 0)
        server.forget(peer.index)
    }
}
