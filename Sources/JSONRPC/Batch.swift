import Bytes

/// A batch whose elements are being answered; its reply is sent when the last one is.
public final class Batch {
    let peer: Peer
    var remaining = 1
    var replies = ByteBuffer()

    /// Begins a batch that ``CallTable/finish(_:)`` closes.
    public init(peer: Peer) {
        self.peer = peer
    }
}
