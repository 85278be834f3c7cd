public import Bytes

/// Names a call that runs; stale once it was answered.
public struct CallID: Hashable, Sendable {
    /// Slot and generation in one word, for completion records that know nothing of calls.
    public let rawValue: UInt64

    /// Takes back a word that ``rawValue`` gave.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    init(slot: Int, generation: UInt32) {
        rawValue = UInt64(generation) << 32 | UInt64(slot)
    }

    var slot: Int { Int(rawValue & 0xffff_ffff) }
    var generation: UInt32 { UInt32(rawValue >> 32) }
}

/// The calls that run, and the one way to answer them.
///
/// A call is a slot in a table: connection, id as written, batch. Features hold its ``CallID`` while Valkey works and
/// write the result straight into the connection's output. A call is answered once: the first answer frees its slot,
/// and a later one finds a newer generation and is dropped, as is one for a connection that has gone.
public final class CallTable {
    private struct Slot {
        var generation: UInt32 = 0
        var peer: Peer?
        var batch: Batch?
        var id = CallIdentifier()
        var method = 0
        /// Bytes that the reply is expected to have; 0 where it is known to be short.
        var expected = 0
        /// Whether the connection's gate wants to know how it ends.
        var isGated = false
    }

    /// Counts of calls and errors by method.
    public struct Count: Sendable {
        /// Calls answered, notifications included.
        public var calls: UInt64 = 0
        /// Calls answered with an error.
        public var errors: UInt64 = 0
    }

    /// Bounds of the connections served.
    public let limits: RPCLimits
    /// Counts by the method numbers that ``begin(_:id:method:batch:)`` was given.
    public private(set) var counts: [Count]
    /// Calls that run now, over all connections.
    public private(set) var running = 0
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var dirtyPeers: [Peer] = []
    var observers: [any PeerObserver] = []
    /// What sends output before the turn ends; set by the server.
    public var flusher: (any PeerFlusher)?
    private var scratch = ByteBuffer()

    /// Makes an empty table.
    ///
    /// - Parameters:
    ///   - limits: Bounds of the connections served.
    ///   - methods: Number of methods; their numbers are 0 ..< `methods`.
    public init(limits: RPCLimits, methods: Int) {
        self.limits = limits
        counts = [Count](repeating: Count(), count: methods)
    }

    /// Begins a call.
    ///
    /// - Parameters:
    ///   - peer: The connection that it came over.
    ///   - id: The id as written, or nil for a notification, which gets no reply.
    ///   - method: The method's number, 0 ..< the count that ``init(limits:methods:)`` was given.
    ///   - batch: The batch that it is an element of.
    ///   - isBulky: Whether the reply carries stored values, and so may be large.
    /// - Returns: The call's name.
    public func begin(
        _ peer: Peer,
        id: ByteView?,
        method: Int,
        batch: Batch?,
        isBulky: Bool = false
    ) -> CallID {
        let index: Int
        if let free = freeSlots.popLast() {
            index = free
        } else {
            index = slots.count
            slots.append(Slot())
        }
        slots[index].peer = peer
        slots[index].id.set(id)
        slots[index].method = method
        slots[index].isGated = false
        if let batch {
            batch.remaining += 1
            slots[index].batch = batch
        }
        let expected = isBulky ? peer.expectedReplyBytes : 0
        slots[index].expected = expected
        peer.runningReplyBytes += expected
        peer.runningCalls += 1
        running += 1
        return CallID(slot: index, generation: slots[index].generation)
    }

    /// Asks the connection's gate whether a call may run, and tells it how the call ends.
    ///
    /// - Throws: The error that the call is to end with.
    public func admit(_ call: CallID, _ peer: Peer, method: Int, _ arguments: Arguments) throws(RPCError) {
        guard let gate = peer.gate else { return }
        slots[call.slot].isGated = true
        try gate.admit(call, peer, method: method, arguments)
    }

    /// Whether somebody still waits for the call's answer.
    public func isWaiting(_ call: CallID) -> Bool {
        guard slots[call.slot].generation == call.generation, let peer = slots[call.slot].peer else { return false }
        return !peer.isClosed
    }

    /// Answers a call with a result.
    ///
    /// - Parameters:
    ///   - call: The call; one that was answered is left alone.
    ///   - write: Appends the result, one JSON object on one line. Not run where nobody waits for it.
    public func reply(_ call: CallID, _ write: (inout ByteBuffer) -> Void) {
        guard let slot = end(call) else { return }
        counts[slot.method].calls += 1
        let limits = limits
        var fault: RPCError?
        send(slot.peer, slot.batch, slot.id) { buffer, end in
            let start = buffer.count
            buffer.append("\"result\":")
            write(&buffer)
            if slot.isBulky { slot.peer.tookBulkyReply(of: buffer.count - start) }
            guard buffer.count >= end else { return }
            buffer.truncate(to: start)
            buffer.append("\"error\":")
            let error = RPCError.tooLarge("the reply", limitBytes: limits.replyBytesMax)
            error.append(to: &buffer)
            fault = error
        }
        if slot.isGated { slot.peer.gate?.callEnded(call, slot.peer, method: slot.method, error: fault) }
    }

    /// Answers a call with an error.
    public func fail(_ call: CallID, _ error: RPCError) {
        guard let slot = end(call) else { return }
        counts[slot.method].calls += 1
        counts[slot.method].errors += 1
        send(slot.peer, slot.batch, slot.id) { buffer, _ in
            buffer.append("\"error\":")
            error.append(to: &buffer)
        }
        if slot.isGated { slot.peer.gate?.callEnded(call, slot.peer, method: slot.method, error: error) }
    }

    /// Answers what never became a call, such as a message that is no request; its id is null where it has none.
    public func reject(_ peer: Peer, id: ByteView?, batch: Batch?, _ error: RPCError) {
        var identifier = CallIdentifier()
        identifier.set(id ?? ByteView("null"))
        batch?.remaining += 1
        send(peer, batch, identifier) { buffer, _ in
            buffer.append("\"error\":")
            error.append(to: &buffer)
        }
    }

    /// Sends a notification that nobody asked for now, such as news of a subscription.
    ///
    /// - Parameters:
    ///   - peer: The connection; one that has closed is left alone.
    ///   - method: The notification's name.
    ///   - write: Appends its parameters, one JSON object on one line.
    public func push(_ peer: Peer, _ method: StaticString, _ write: (inout ByteBuffer) -> Void) {
        push(peer, count: 1) { _, message in
            message.append("{\"jsonrpc\":\"2.0\",\"method\":\"")
            message.append(method)
            message.append("\",\"params\":")
            write(&message)
            message.append(UInt8(ascii: "}"))
        }
    }

    /// Sends notifications that are written whole, for those of which there are many.
    ///
    /// - Parameters:
    ///   - peer: The connection; one that has closed is left alone.
    ///   - count: How many.
    ///   - write: Appends one notification, 0 ..< `count`: one JSON object on one line.
    public func push(_ peer: Peer, count: Int, _ write: (Int, inout ByteBuffer) -> Void) {
        if peer.isClosed { return }
        markDirty(peer)
        let isCounted = peer.decoder.framing == .contentLength
        for index in 0..<count {
            if isCounted {
                write(index, &scratch)
                flushScratch(to: peer)
            } else {
                write(index, &peer.output)
                peer.output.append(UInt8(ascii: "\n"))
            }
        }
    }

    /// The connection that waits for a call's answer, or nil where none does.
    public func peer(of call: CallID) -> Peer? {
        isWaiting(call) ? slots[call.slot].peer : nil
    }

    /// Takes note that all of a batch's elements were begun.
    public func finish(_ batch: Batch) {
        complete(batch)
    }

    /// The connections that have output to send, each once; the next call gives those that got some since.
    public func takeDirtyPeers() -> [Peer] {
        for peer in dirtyPeers { peer.isDirty = false }
        defer { dirtyPeers.removeAll(keepingCapacity: true) }
        return dirtyPeers
    }

    /// Has a connection stand among those of ``takeDirtyPeers()``.
    public func markDirty(_ peer: Peer) {
        guard !peer.isDirty else { return }
        peer.isDirty = true
        dirtyPeers.append(peer)
    }

    private func end(
        _ call: CallID
    ) -> (peer: Peer, batch: Batch?, id: CallIdentifier, method: Int, isBulky: Bool, isGated: Bool)? {
        let index = call.slot
        guard slots[index].generation == call.generation, let peer = slots[index].peer else { return nil }
        let batch = slots[index].batch
        let id = slots[index].id
        slots[index].generation &+= 1
        slots[index].peer = nil
        if batch != nil { slots[index].batch = nil }
        freeSlots.append(index)
        peer.runningReplyBytes -= slots[index].expected
        peer.runningCalls -= 1
        running -= 1
        return (peer, batch, id, slots[index].method, slots[index].expected > 0, slots[index].isGated)
    }

    /// Frames a reply: straight into the connection's output where a line is all it takes.
    ///
    /// What `write` appends is too long where it reaches the offset that it is given.
    private func send(
        _ peer: Peer,
        _ batch: Batch?,
        _ id: CallIdentifier,
        _ write: (inout ByteBuffer, Int) -> Void
    ) {
        if peer.isClosed { return }
        markDirty(peer)
        if let batch {
            if !id.isAbsent {
                if !batch.replies.isEmpty { batch.replies.append(UInt8(ascii: ",")) }
                let brackets = 2
                CallTable.append(to: &batch.replies, id, end: limits.replyBytesMax - brackets, write)
            }
            complete(batch)
        } else if id.isAbsent {
            return
        } else if peer.decoder.framing == .contentLength {
            CallTable.append(to: &scratch, id, end: limits.replyBytesMax, write)
            flushScratch(to: peer)
        } else {
            CallTable.append(to: &peer.output, id, end: peer.output.count + limits.replyBytesMax, write)
            peer.output.append(UInt8(ascii: "\n"))
        }
    }

    private func complete(_ batch: Batch) {
        batch.remaining -= 1
        guard batch.remaining == 0, !batch.replies.isEmpty, !batch.peer.isClosed else { return }
        scratch.append(UInt8(ascii: "["))
        scratch.append(batch.replies.view)
        scratch.append(UInt8(ascii: "]"))
        markDirty(batch.peer)
        flushScratch(to: batch.peer)
    }

    private func flushScratch(to peer: Peer) {
        if peer.decoder.framing == .contentLength {
            peer.output.append("Content-Length: ")
            peer.output.append(decimal: scratch.count)
            peer.output.append("\r\n\r\n")
            peer.output.append(scratch.view)
        } else {
            peer.output.append(scratch.view)
            peer.output.append(UInt8(ascii: "\n"))
        }
        scratch.removeAll(keepingCapacityUpTo: 64 << 10)
    }

    private static func append(
        to buffer: inout ByteBuffer,
        _ id: CallIdentifier,
        end: Int,
        _ write: (inout ByteBuffer, Int) -> Void
    ) {
        buffer.append("{\"jsonrpc\":\"2.0\",\"id\":")
        id.append(to: &buffer)
        buffer.append(UInt8(ascii: ","))
        write(&buffer, end)
        buffer.append(UInt8(ascii: "}"))
    }
}
