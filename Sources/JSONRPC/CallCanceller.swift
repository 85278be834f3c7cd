public import Bytes

/// A feature whose calls may wait for something else than a reply of Valkey, such as a lock.
public protocol CallCanceller: AnyObject {
    /// Ends a call that waits: gives up what it waits for, then answers it with the error `cancelled`.
    ///
    /// - Returns: Whether the call waited here. One that does not, or whose outcome is on its way, is left alone: it is
    ///   answered with what becomes of it.
    func cancel(_ call: CallID) -> Bool
}

extension CallTable {
    /// Has `canceller` asked for every call that a client cancels; it is kept as long as the table.
    public func addCanceller(_ canceller: any CallCanceller) {
        cancellers.append(canceller)
    }

    /// Ends a call that waits in one of the features.
    ///
    /// - Returns: Whether it waited, and was answered.
    public func cancel(_ call: CallID) -> Bool {
        cancellers.contains { $0.cancel(call) }
    }

    /// Ends a call whose connection has gone, and does nothing for another one: its place is free again.
    public func abandon(_ call: CallID) {
        guard !isWaiting(call) else { return }
        reply(call) { _ in }
    }

    /// Calls of a connection that run under an id.
    ///
    /// - Parameters:
    ///   - peer: The connection.
    ///   - id: The id as its call has it, byte for byte; nil for any.
    /// - Returns: Their names; of one id more than one only where a client uses it twice.
    /// - Complexity: O(n) of the most calls that ever ran at once; it ends where the connection's last one was seen.
    public func running(_ peer: Peer, id: ByteView? = nil) -> [CallID] {
        var left = peer.runningCalls + peer.waitingCalls
        var found: [CallID] = []
        for index in 0..<slotCount {
            guard left > 0 else { break }
            let slot = unsafe slots[index]
            guard slot.isRunning, unsafe slot.peer?.toOpaque() == Unmanaged.passUnretained(peer).toOpaque() else {
                continue
            }
            left -= 1
            let isMeant =
                id.map { id in
                    slot.id.isLong ? longIDs[index].map { $0.withByteView(id.equals) } == true : slot.id.equals(id)
                } ?? true
            if isMeant { found.append(CallID(slot: index, generation: slot.generation)) }
        }
        return found
    }
}
