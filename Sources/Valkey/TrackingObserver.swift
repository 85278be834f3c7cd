public import Bytes
public import EventLoop

/// Something that keeps copies of what a store holds, and is told when they are out of date.
@EventLoop
public protocol TrackingObserver: AnyObject {
    /// From now on every change is told: what is read from here on may be kept.
    func trackingBegan()
    /// Changes are told no longer: no copy may be used.
    func trackingEnded()
    /// A key changed, or went.
    ///
    /// - Parameter key: The key's full name in Valkey, lent.
    func keyChanged(_ key: ByteView)
    /// Any key may have changed.
    func everythingChanged()
}
