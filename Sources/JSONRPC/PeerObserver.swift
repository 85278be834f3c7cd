/// A feature that keeps something for connections, such as subscriptions, and so must know how they fare.
public protocol PeerObserver: AnyObject {
    /// The connection is gone: what is kept for it is to be let go.
    func peerClosed(_ peer: Peer)
    /// The kernel has taken everything that a connection with a backlog was owed: more may be written.
    ///
    /// Whoever still keeps something back says so by ``Peer/hasBacklog`` again.
    func peerDrained(_ peer: Peer)
    /// The process that connected has ended, although another one holds its socket still: what is bound to it ends too.
    ///
    /// Told only of connections for which ``CallTable/watchProcess(of:)`` was called, once each.
    func peerProcessEnded(_ peer: Peer)
}

extension PeerObserver {
    /// Nothing is bound to processes.
    public func peerProcessEnded(_ peer: Peer) {}
}

/// What watches the processes at the other ends of connections.
public protocol PeerProcessWatcher: AnyObject {
    /// Has the table told when the process that made the connection ends.
    ///
    /// - Returns: False where it has ended already.
    func watchProcess(of peer: Peer) -> Bool
}

/// What sends a connection's output.
public protocol PeerFlusher: AnyObject {
    /// Sends what the connection is owed, as far as the kernel takes it; the connection may close in the course of it.
    func flush(_ peer: Peer)

    /// Takes note that the connection will be owed much in a moment, and that it is flushed then.
    func expectOutput(of peer: Peer)
}
