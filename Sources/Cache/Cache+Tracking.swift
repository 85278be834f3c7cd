public import Bytes
public import Valkey

extension Cache: TrackingObserver {
    /// Begins to keep copies.
    public func trackingBegan() {
        near.begin()
    }

    /// Lets all copies go: their changes would not be told.
    public func trackingEnded() {
        near.stop()
    }

    /// Lets the copy of a key go.
    public func keyChanged(_ key: ByteView) {
        near.forget(key)
    }

    /// Lets all copies go.
    public func everythingChanged() {
        near.forgetEverything()
    }
}
