public import Bytes
public import JSONRPC
public import Valkey

extension Cache: TrackingObserver {
    /// Begins to keep copies.
    public func trackingBegan() {
        near.begin()
    }

    /// Lets all copies go: their changes would not be told.
    public func trackingEnded() {
        near.stop()
        tags.forgetEverything()
        leaseNewsOfAll()
    }

    /// Lets the copy of a key go.
    public func keyChanged(_ key: ByteView) {
        near.forget(key)
        if tags.count > 0 { tags.changed(key.copy()) }
        leaseNews(key)
    }

    /// Lets all copies go.
    public func everythingChanged() {
        near.forgetEverything()
        tags.forgetEverything()
        leaseNewsOfAll()
    }
}

extension Cache: PeerObserver {
    /// Passes the connection's leases on.
    public func peerClosed(_ peer: Peer) {
        releaseLeases(of: peer)
        secondSteps.goOn(peer)
    }

    /// Goes on with reads that had to wait.
    public func peerDrained(_ peer: Peer) {
        secondSteps.goOn(peer)
    }
}

extension Cache: CallCanceller {
    /// Ends a call that waits for what another computes.
    public func cancel(_ call: CallID) -> Bool { cancelWait(call) }
}
