public import Bytes
public import Linux

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
    @safe
    struct Slot {
        var generation: UInt32 = 0
        var method: UInt16 = 0
        var isRunning = false
        var isInBatch = false
        var isTraced = false
        /// Whether the connection's gate wants to know how it ends.
        var isGated = false
        /// When the turn began in which it came.
        var began = Instant.distantFuture
        /// Bytes that the reply is expected to have; 0 where it is known to be short.
        var expected = 0
        /// Whether the call waits for others and so does not count as one that runs.
        var isParked = false
        /// A number of what it waits for.
        var parkedNote: UInt32 = 0
        var id = CallIdentifier()
        /// Kept by the table; counting references here would cost atomic operations a call.
        var peer: Unmanaged<Peer>?
    }

    /// Counts of calls and errors by method.
    public struct Count: Sendable {
        /// Calls answered, notifications included.
        public var calls: UInt64
        /// Calls answered with an error.
        public var errors: UInt64
    }

    /// Bounds of the connections served.
    public let limits: RPCLimits
    /// Counts and durations by the method numbers that ``begin(_:id:method:batch:isBulky:)`` was given.
    public private(set) var meter: CallMeter
    /// A call that took as long, in nanoseconds, is told to ``observer``.
    public var slowNanoseconds = Int64.max
    /// Told of calls that failed or were slow.
    public var observer: (any CallObserver)?
    /// Calls that run now, over all connections.
    public internal(set) var running = 0
    /// Calls that wait for others, over all connections; see ``park(_:)``.
    public internal(set) var waiting = 0
    private let clock: TurnClock
    private(set) var slots: UnsafeMutablePointer<Slot>
    private(set) var slotCount = 0
    private var slotCapacity = 64
    private var freeSlots: [Int] = []
    /// The batches of the calls that are in one, by slot.
    private var batches: [Int: Batch] = [:]
    /// The ids of the calls that have a long one, by slot.
    private(set) var longIDs: [Int: [UInt8]] = [:]
    /// Where calls belong in their callers' traces, by slot, for those that said so.
    private var traces: [Int: TraceContext] = [:]
    /// The connections that have called, as long as they may call or are owed an answer.
    var peers: [ObjectIdentifier: Peer] = [:]
    /// Bytes of the largest reply to a read of late, fading with each new connection.
    var largestReplyBytes = 0
    private var dirtyPeers: [Peer] = []
    var observers: [any PeerObserver] = []
    var cancellers: [any CallCanceller] = []
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
    ///   - clock: Tells when the loop's present turn began.
    public init(limits: RPCLimits, methods: Int, clock: TurnClock = TurnClock()) {
        self.limits = limits
        self.clock = clock
        meter = CallMeter(methods: methods)
        unsafe slots = .allocate(capacity: slotCapacity)
    }

    deinit {
        unsafe slots.deallocate()
    }

    /// Counts by the numbers of methods.
    public var counts: [Count] {
        meter.durations.indices.map { Count(calls: meter.count(of: $0), errors: meter.failureCount(of: $0)) }
    }

    /// Takes note that the present turn's answers have left.
    ///
    /// - Parameter time: Tells the present moment; asked where something was answered, and once.
    public func turnEnded(_ time: () -> Instant = { .now }) {
        meter.turnEnded(clock.now, clock: time)
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
        unsafe slot.pointee.peer = Unmanaged.passUnretained(peer)
        unsafe slot.pointee.method = UInt16(truncatingIfNeeded: method)
        unsafe slot.pointee.began = clock.now
        unsafe slot.pointee.id.set(id)
        if let id, unsafe slot.pointee.id.isLong { longIDs[index] = id.copy() }
        if let batch {
            batch.remaining += 1
            batches[index] = batch
        }
        unsafe slot.pointee.isInBatch = batch != nil
        if !peer.isKept { keep(peer) }
        let expected = isBulky ? peer.expectedReplyBytes : 0
        unsafe slot.pointee.expected = expected
        peer.runningReplyBytes += expected
        peer.runningCalls += 1
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

    /// Says where a call belongs in its caller's trace; one that was answered is left alone.
    public func setTrace(_ trace: TraceContext, of call: CallID) {
        guard isWaiting(call) else { return }
        unsafe slots[call.slot].isTraced = true
        traces[call.slot] = trace
    }

    /// The number of a running call's method, or nil where nobody waits for its answer.
    public func method(of call: CallID) -> Int? {
        isWaiting(call) ? Int(unsafe slots[call.slot].method) : nil
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
            let peer = unsafe slot.pointee.peer?.takeUnretainedValue(), !peer.isClosed
        else { return nil }
        return peer
    }

    /// Answers a call with a result.
    ///
    /// - Parameters:
    ///   - call: The call; one that was answered is left alone.
    ///   - write: Appends the result, one JSON object on one line. Not run where nobody waits for it.
    public func reply(_ call: CallID, _ write: (inout ByteBuffer) -> Void) {
        guard let slot = end(call), let reference = unsafe slot.peer else { return }
        let now = clock.now
        meter.ended(Int(slot.method), slot.began, in: now)
        unsafe reference._withUnsafeGuaranteedRef { peer in
            guard isPlain(slot, peer) else { return replyOtherwise(peer, slot, call, write) }
            markDirty(peer)
            if slot.id.isAbsent { return }
            let end = peer.output.count + limits.replyBytesMax
            peer.output.append("{\"jsonrpc\":\"2.0\",\"id\":")
            slot.id.append(to: &peer.output)
            peer.output.append(UInt8(ascii: ","))
            let start = peer.output.count
            peer.output.append("\"result\":")
            write(&peer.output)
            if slot.expected > 0 { tookBulkyReply(of: peer.output.count - start, peer) }
            if peer.output.count >= end { refuse(&peer.output, from: start, slot) }
            peer.output.append("}\n")
            if now.nanoseconds(since: slot.began) >= slowNanoseconds { tell(peer.userID, slot, nil, nil) }
        }
    }

    /// Answers a request without beginning a call, for what is known when it comes.
    ///
    /// - Parameters:
    ///   - peer: The connection that it came over, of which the method is ``Peer/ungated``.
    ///   - id: The id as written.
    ///   - method: The method's number.
    ///   - write: Appends the result, one JSON object on one line.
    /// - Returns: Whether it was answered; not where a call must be begun, and then nothing was counted or written.
    @inline(__always)
    public func replyAtOnce(_ peer: Peer, id: ByteView, method: Int, _ write: (inout ByteBuffer) -> Void) -> Bool {
        guard slowNanoseconds > 0, peer.decoder.framing != .contentLength else { return false }
        if !peer.isKept { keep(peer) }
        let begin = peer.output.count
        peer.output.append("{\"jsonrpc\":\"2.0\",\"id\":")
        peer.output.append(id)
        peer.output.append(UInt8(ascii: ","))
        let start = peer.output.count
        peer.output.append("\"result\":")
        write(&peer.output)
        guard peer.output.count < begin + limits.replyBytesMax else {
            peer.output.truncate(to: begin)
            return false
        }
        tookBulkyReply(of: peer.output.count - start, peer)
        peer.output.append("}\n")
        markDirty(peer)
        meter.ended(method, clock.now, in: clock.now)
        return true
    }

    /// Whether a reply is a line with a short id, straight into the connection's output, as nearly all are.
    @inline(__always)
    private func isPlain(_ slot: Slot, _ peer: Peer) -> Bool {
        !peer.isClosed && !slot.isInBatch && !slot.id.isLong && !slot.isTraced && !slot.isGated
            && peer.decoder.framing != .contentLength
    }

    @inline(never)
    private func replyOtherwise(_ peer: Peer, _ slot: Slot, _ call: CallID, _ write: (inout ByteBuffer) -> Void) {
        let trace = takeTrace(slot, call)
        // Sending may let go of a connection that has closed, and the connection with it.
        let gate = slot.isGated ? peer.gate : nil
        let userID = peer.userID
        var fault: RPCError?
        send(peer, slot, call) { buffer, end in
            let start = buffer.count
            buffer.append("\"result\":")
            write(&buffer)
            if slot.expected > 0 { tookBulkyReply(of: buffer.count - start, peer) }
            if buffer.count >= end {
                refuse(&buffer, from: start, slot)
                fault = .tooLarge("the reply", limitBytes: limits.replyBytesMax)
            }
        }
        gate?.callEnded(call, error: fault)
        if clock.now.nanoseconds(since: slot.began) >= slowNanoseconds { tell(userID, slot, nil, trace) }
    }

    /// Puts an error in the place of a result that is too large.
    @inline(never)
    private func refuse(_ buffer: inout ByteBuffer, from start: Int, _ slot: Slot) {
        let error = RPCError.tooLarge("the reply", limitBytes: limits.replyBytesMax)
        meter.failed(Int(slot.method), error.code)
        buffer.truncate(to: start)
        buffer.append("\"error\":")
        error.append(to: &buffer)
    }

    /// Answers a call with an error.
    public func fail(_ call: CallID, _ error: RPCError) {
        guard let slot = end(call), let peer = unsafe slot.peer?.takeUnretainedValue() else { return }
        meter.ended(Int(slot.method), slot.began, in: clock.now)
        meter.failed(Int(slot.method), error.code)
        let trace = takeTrace(slot, call)
        let gate = slot.isGated ? peer.gate : nil
        send(peer, slot, call) { buffer, _ in
            buffer.append("\"error\":")
            error.append(to: &buffer, trace: trace)
        }
        gate?.callEnded(call, error: error)
        tell(peer.userID, slot, error.kind, trace)
    }

    private func takeTrace(_ slot: Slot, _ call: CallID) -> TraceContext? {
        slot.isTraced ? traces.removeValue(forKey: call.slot) : nil
    }

    @inline(never)
    private func tell(_ userID: UInt32, _ slot: Slot, _ failure: StaticString?, _ trace: TraceContext?) {
        guard let observer else { return }
        let nanoseconds = clock.now.nanoseconds(since: slot.began)
        observer.ended(
            NotableCall(
                method: Int(slot.method),
                failure: failure,
                nanoseconds: nanoseconds,
                isSlow: nanoseconds >= slowNanoseconds,
                userID: userID,
                trace: trace
            )
        )
    }

    /// Answers what never became a call, such as a message that is no request; its id is null where it has none.
    public func reject(_ peer: Peer, id: ByteView?, batch: Batch?, _ error: RPCError) {
        meter.failed(nil, error.code)
        answer(peer, id: id, batch: batch) { buffer in
            buffer.append("\"error\":")
            error.append(to: &buffer)
        }
    }

    /// Answers what is no call of a method, such as the cancelling of one; its id is null where it has none.
    ///
    /// - Parameters:
    ///   - peer: The connection.
    ///   - id: The id as written, or nil.
    ///   - batch: The batch that it is an element of.
    ///   - write: Appends the member `result` or `error`.
    public func answer(_ peer: Peer, id: ByteView?, batch: Batch?, _ write: (inout ByteBuffer) -> Void) {
        let call = begin(peer, id: id ?? ByteView("null"), method: 0, batch: batch)
        guard let slot = end(call) else { return }
        send(peer, slot, call) { buffer, _ in write(&buffer) }
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

    /// How many connections have output to send.
    public var dirtyCount: Int { dirtyPeers.count }

    /// Puts the connections that have output to send into a list, each once; the next call gives those that got some since.
    ///
    /// - Parameter list: An empty list, whose memory is used again.
    public func takeDirtyPeers(into list: inout [Peer]) {
        assert(list.isEmpty)
        for peer in dirtyPeers { peer.isDirty = false }
        swap(&list, &dirtyPeers)
    }

    /// Has a connection stand among those of ``takeDirtyPeers(into:)``.
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
        unsafe slots[index].isTraced = false
        unsafe slots[index].isGated = false
        unsafe slots[index].generation &+= 1
        freeSlots.append(index)
        unsafe peer._withUnsafeGuaranteedRef { peer in
            peer.runningReplyBytes -= slot.expected
            if slot.isParked { peer.waitingCalls -= 1 } else { peer.runningCalls -= 1 }
        }
        if slot.isParked { waiting -= 1 } else { running -= 1 }
        return slot
    }

    /// Frames a reply in whatever way its connection wants it, or drops it.
    ///
    /// What `write` appends is too long where it reaches the offset that it is given.
    private func send(_ peer: Peer, _ slot: Slot, _ call: CallID, _ write: (inout ByteBuffer, Int) -> Void) {
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
