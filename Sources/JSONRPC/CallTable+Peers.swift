extension CallTable {
    /// Has `observer` told of every connection from now on; it is kept as long as the table.
    public func addObserver(_ observer: any PeerObserver) {
        observers.append(observer)
    }

    /// Takes note that a connection is gone.
    public func closed(_ peer: Peer) {
        peer.isClosed = true
        for observer in observers { observer.peerClosed(peer) }
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

    /// Sends a connection's output now, for what would grow too large by the end of the turn.
    public func flush(_ peer: Peer) {
        flusher?.flush(peer)
    }
}
