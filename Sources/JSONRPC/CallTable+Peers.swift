import Bytes

extension CallTable {
    /// Has `observer` told of every connection from now on; it is kept as long as the table.
    public func addObserver(_ observer: any PeerObserver) {
        observers.append(observer)
    }

    /// Takes note that a connection is gone: what waits for it waits no more, what runs goes on to its end.
    public func closed(_ peer: Peer) {
        peer.isClosed = true
        for observer in observers { observer.peerClosed(peer) }
        for call in running(peer) { _ = cancel(call) }
        forget(peer)
    }

    /// Takes note that the kernel has taken everything that a connection was owed.
    ///
    /// What was kept back meanwhile is then in its output.
    public func drained(_ peer: Peer) {
        guard peer.hasBacklog else { return }
        peer.hasBacklog = false
        for observer in observers { observer.peerDrained(peer) }
    }

    /// Has the observers told when the process that made the connection ends; further calls change nothing.
    ///
    /// - Returns: False where it has ended already. Where it cannot be watched, the connection alone tells.
    public func watchProcess(of peer: Peer) -> Bool {
        guard peer.processState == .unwatched else { return peer.processState == .watched }
        peer.processState = processWatcher?.watchProcess(of: peer) == false ? .ended : .watched
        return peer.processState == .watched
    }

    /// Takes note that the process that made a connection has ended.
    public func processEnded(_ peer: Peer) {
        guard peer.processState != .ended else { return }
        peer.processState = .ended
        for observer in observers { observer.peerProcessEnded(peer) }
    }

    /// Takes note of a connection that makes its first call.
    func keep(_ peer: Peer) {
        peer.isKept = true
        peers[ObjectIdentifier(peer)] = peer
        // Its first reads are taken for as large as those of others were of late, which fades from one to the next.
        peer.expectedReplyBytes = max(peer.expectedReplyBytes, largestReplyBytes)
        largestReplyBytes -= largestReplyBytes / 8
    }

    /// Learns from a reply to a read how large the next may be, on its connection and on new ones.
    @inline(__always)
    func tookBulkyReply(of bytes: Int, _ peer: Peer) {
        peer.tookBulkyReply(of: bytes)
        if bytes > largestReplyBytes { largestReplyBytes = bytes }
    }

    /// Lets a closed connection go, once nothing of it runs.
    func forget(_ peer: Peer) {
        guard peer.isKept, peer.runningCalls == 0, peer.waitingCalls == 0 else { return }
        peer.isKept = false
        peers[ObjectIdentifier(peer)] = nil
    }

    /// Takes note that a connection will be owed much in a moment, and will be flushed then with ``flush(_:)``.
    public func expectOutput(of peer: Peer) {
        flusher?.expectOutput(of: peer)
    }

    /// Whether a client must first wait for replies, or take some.
    public func holdsBack(_ peer: Peer) -> Bool {
        // What running calls will bring counts too: it cannot be stopped once it is under way.
        peer.runningCalls >= limits.runningMax
            || peer.output.count + peer.runningReplyBytes >= limits.outputBytesHigh
    }

    /// Sends a connection's output now, for what would grow too large by the end of the turn.
    public func flush(_ peer: Peer) {
        flusher?.flush(peer)
    }
}

extension CallTable {
    /// Whether somebody waits for the call's answer and can be given it: a notification's is sent to nobody.
    public func isAnswered(_ call: CallID) -> Bool { unsafe isWaiting(call) && !slots[call.slot].id.isAbsent }

    /// The id of a call as its client wrote it, for pushes that belong to the call; nil where nobody waits for an answer.
    public func identifier(of call: CallID) -> [UInt8]? {
        guard isAnswered(call) else { return nil }
        let id = unsafe slots[call.slot].id
        if id.isLong { return longIDs[call.slot] }
        var buffer = ByteBuffer()
        id.append(to: &buffer)
        return buffer.view.copy()
    }

    /// Takes note that a call waits for others, such as for a lock: it no longer counts as one that runs.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - note: A number of what it waits for, which ``parkedNote(of:)`` gives back.
    /// - Returns: False where too many calls of its connection wait already; nothing has changed then.
    public func park(_ call: CallID, note: UInt32 = 0) -> Bool {
        let slot = unsafe slots[call.slot]
        guard slot.isRunning, slot.generation == call.generation, !slot.isParked,
            let peer = unsafe slot.peer?.takeUnretainedValue()
        else { return true }
        guard peer.waitingCalls < limits.waitingMax else { return false }
        unsafe slots[call.slot].isParked = true
        unsafe slots[call.slot].parkedNote = note
        // What it will bring comes later than what others are owed.
        peer.runningReplyBytes -= slot.expected
        unsafe slots[call.slot].expected = 0
        peer.runningCalls -= 1
        peer.waitingCalls += 1
        running -= 1
        waiting += 1
        return true
    }

    /// The number that a call was parked with, its client gone or not; nil for one that does not wait for others.
    public func parkedNote(of call: CallID) -> UInt32? {
        let slot = unsafe slots[call.slot]
        return slot.isRunning && slot.generation == call.generation && slot.isParked ? slot.parkedNote : nil
    }

    /// Asks the connection's gate whether a call may run, and tells it how the call ends.
    ///
    /// - Throws: The error that the call is to end with.
    public func admit(_ call: CallID, _ peer: Peer, method: Int, _ arguments: Arguments) throws(RPCError) {
        guard let gate = peer.gate else { return }
        unsafe slots[call.slot].isGated = true
        try gate.admit(call, peer, method: method, arguments)
    }
}
