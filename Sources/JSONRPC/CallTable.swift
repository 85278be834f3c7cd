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
///
/// Beginning and answering a call allocates nothing and counts one reference: slots own nothing. What few calls have, a
/// batch or a long id, stands apart. The table keeps every connection that has called until it is closed and its last
/// call was answered.
@safe
public final class CallTable {
    struct Slot {
        var generation: UInt32 = 0
        var method: UInt16 = 0
        var isRunning = false
        var isInBatch = false
        /// Bytes that the reply is expected to have; 0 where it is known to be short.
        var expected = 0
        /// Whether the call waits for others and so does not count as one that runs.
        var isParked = false
        var id = CallIdentifier()
        unowned(unsafe) var peer: Peer?
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
    public internal(set) var running = 0
    /// Calls that wait for others, over all connections; see ``park(_:)``.
    public internal(set) var waiting = 0
    var slots: UnsafeMutablePointer<Slot>
    private var slotCount = 0
    private var slotCapacity = 64
    private var freeSlots: [Int] = []
    /// The batches of the calls that are in one, by slot.
    private var batches: [Int: Batch] = [:]
    /// The ids of the calls that have a long one, by slot.
    private var longIDs: [Int: [UInt8]] = [:]
    /// The connections that have called, as long as they may call or are owed an answer.
    private var peers: [ObjectIdentifier: Peer] = [:]
    private var dirtyPeers: [Peer] = []
    var observers: [any PeerObserver] = []
    /// What sends output before the turn ends; set by the server.
    public var flusher: (any PeerFlusher)?
    /// What watches the processes of clients; set by the server.
    public var processWatcher: (any PeerProcessWatcher)?
    private var scratch = ByteBuffer()

    /// Makes an empty table.
    ///
    /// - Parameters:
    ///   - limits: Bounds of the connections served.
    ///   - methods: Number of methods; their numbers are 0 ..< `methods`.
    public init(limits: RPCLimits, methods: Int) {
        self.limits = limits
        counts = [Count](repeating: Count(), count: methods)
        unsafe slots = .allocate(capacity: slotCapacity)
    }

    deinit {
        unsafe slots.deallocate()
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
        let index = freeSlots.popLast() ?? addSlot()
        let slot = unsafe slots + index
        unsafe slot.pointee.isRunning = true
        unsafe slot.pointee.isParked = false
        unsafe slot.pointee.peer = peer
        unsafe slot.pointee.method = UInt16(truncatingIfNeeded: method)
        unsafe slot.pointee.id.set(id)
        if let id, unsafe slot.pointee.id.isLong { longIDs[index] = id.copy() }
        if let batch {
            batch.remaining += 1
            batches[index] = batch
        }
        unsafe slot.pointee.isInBatch = batch != nil
        let expected = isBulky ? peer.expectedReplyBytes : 0
        unsafe slot.pointee.expected = expected
        peer.runningReplyBytes += expected
        peer.runningCalls += 1
        if !peer.isKept { keep(peer) }
        running += 1
        return CallID(slot: index, generation: unsafe slot.pointee.generation)
    }

    private func addSlot() -> Int {
        if slotCount == slotCapacity {
            let wider = UnsafeMutablePointer<Slot>.allocate(capacity: 2 * slotCapacity)
            unsafe wider.moveInitialize(from: slots, count: slotCount)
            unsafe slots.deallocate()
            unsafe slots = wider
            slotCapacity *= 2
        }
        unsafe (slots + slotCount).initialize(to: Slot())
        slotCount += 1
        return slotCount - 1
    }

    /// Whether somebody still waits for the call's answer.
    public func isWaiting(_ call: CallID) -> Bool {
        peer(of: call) != nil
    }

    /// The connection that waits for a call's answer, or nil where none does.
    public func peer(of call: CallID) -> Peer? {
        assert(call.slot < slotCount)
        let slot = unsafe slots + call.slot
        guard unsafe slot.pointee.isRunning, unsafe slot.pointee.generation == call.generation,
            let peer = unsafe slot.pointee.peer, !peer.isClosed
        else { return nil }
        return peer
    }

    /// Answers a call with a result.
    ///
    /// - Parameters:
    ///   - call: The call; one that was answered is left alone.
    ///   - write: Appends the result, one JSON object on one line. Not run where nobody waits for it.
    public func reply(_ call: CallID, _ write: (inout ByteBuffer) -> Void) {
        guard let slot = end(call), let peer = unsafe slot.peer else { return }
        counts[Int(slot.method)].calls += 1
        let limits = limits
        let isBulky = slot.expected > 0
        send(peer, slot, call) { buffer, end in
            let start = buffer.count
            buffer.append("\"result\":")
            write(&buffer)
            if isBulky { peer.tookBulkyReply(of: buffer.count - start) }
            guard buffer.count >= end else { return }
            buffer.truncate(to: start)
            buffer.append("\"error\":")
            RPCError.tooLarge("the reply", limitBytes: limits.replyBytesMax).append(to: &buffer)
        }
    }

    /// Answers a call with an error.
    public func fail(_ call: CallID, _ error: RPCError) {
        guard let slot = end(call), let peer = unsafe slot.peer else { return }
        counts[Int(slot.method)].calls += 1
        counts[Int(slot.method)].errors += 1
        send(peer, slot, call) { buffer, _ in
            buffer.append("\"error\":")
            error.append(to: &buffer)
        }
    }

    /// Answers what never became a call, such as a message that is no request; its id is null where it has none.
    public func reject(_ peer: Peer, id: ByteView?, batch: Batch?, _ error: RPCError) {
        let call = begin(peer, id: id ?? ByteView("null"), method: 0, batch: batch)
        guard let slot = end(call) else { return }
        send(peer, slot, call) { buffer, _ in
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

    /// Frees a call's slot.
    ///
    /// - Returns: What the slot held, or nil where the call was answered already. What stands apart from the slot is
    ///   still there, for ``send(_:_:_:_:)`` to take.
    private func end(_ call: CallID) -> Slot? {
        let index = call.slot
        assert(index < slotCount)
        let slot = unsafe slots[index]
        guard slot.isRunning, slot.generation == call.generation, let peer = unsafe slot.peer else { return nil }
        unsafe slots[index].isRunning = false
        unsafe slots[index].generation &+= 1
        freeSlots.append(index)
        peer.runningReplyBytes -= slot.expected
        if slot.isParked {
            peer.waitingCalls -= 1
            waiting -= 1
        } else {
            peer.runningCalls -= 1
            running -= 1
        }
        return slot
    }

    /// Frames a reply: straight into the connection's output where a line is all it takes.
    ///
    /// What `write` appends is too long where it reaches the offset that it is given.
    private func send(_ peer: Peer, _ slot: Slot, _ call: CallID, _ write: (inout ByteBuffer, Int) -> Void) {
        if peer.isClosed || slot.isInBatch || slot.id.isLong || peer.decoder.framing == .contentLength {
            return sendOtherwise(peer, slot, call, write)
        }
        markDirty(peer)
        if slot.id.isAbsent { return }
        let end = peer.output.count + limits.replyBytesMax
        peer.output.append("{\"jsonrpc\":\"2.0\",\"id\":")
        slot.id.append(to: &peer.output)
        peer.output.append(UInt8(ascii: ","))
        write(&peer.output, end)
        peer.output.append("}\n")
    }

    /// Frames a reply that is more than a line with a short id, or drops it.
    @inline(never)
    private func sendOtherwise(
        _ peer: Peer,
        _ slot: Slot,
        _ call: CallID,
        _ write: (inout ByteBuffer, Int) -> Void
    ) {
        let batch = slot.isInBatch ? batches.removeValue(forKey: call.slot) : nil
        let long = slot.id.isLong ? longIDs.removeValue(forKey: call.slot) : nil
        if peer.isClosed { return forget(peer) }
        markDirty(peer)
        if let batch {
            if !slot.id.isAbsent {
                if !batch.replies.isEmpty { batch.replies.append(UInt8(ascii: ",")) }
                let brackets = 2
                CallTable.append(to: &batch.replies, slot.id, long, end: limits.replyBytesMax - brackets, write)
            }
            complete(batch)
        } else if slot.id.isAbsent {
            return
        } else if peer.decoder.framing == .contentLength {
            CallTable.append(to: &scratch, slot.id, long, end: limits.replyBytesMax, write)
            flushScratch(to: peer)
        } else {
            let end = peer.output.count + limits.replyBytesMax
            CallTable.append(to: &peer.output, slot.id, long, end: end, write)
            peer.output.append(UInt8(ascii: "\n"))
        }
    }

    private func keep(_ peer: Peer) {
        peer.isKept = true
        peers[ObjectIdentifier(peer)] = peer
    }

    /// Lets a closed connection go, once nothing of it runs.
    func forget(_ peer: Peer) {
        guard peer.isKept, peer.runningCalls == 0, peer.waitingCalls == 0 else { return }
        peer.isKept = false
        peers[ObjectIdentifier(peer)] = nil
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
        _ long: [UInt8]?,
        end: Int,
        _ write: (inout ByteBuffer, Int) -> Void
    ) {
        buffer.append("{\"jsonrpc\":\"2.0\",\"id\":")
        if let long {
            buffer.append(long)
        } else {
            id.append(to: &buffer)
        }
        buffer.append(UInt8(ascii: ","))
        write(&buffer, end)
        buffer.append(UInt8(ascii: "}"))
    }
}
