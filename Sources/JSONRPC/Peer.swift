package import Bytes

/// The protocol's side of one client connection: what came in, what is to go out, and how many calls run.
///
/// It does no I/O: the server's shell fills ``input`` and drains ``output``. Touched on the event loop only.
package final class Peer {
    /// Received and not yet consumed.
    package var input = ByteBuffer()
    /// Replies and pushes not yet sent.
    package var output = ByteBuffer()
    /// Cuts ``input`` into messages.
    package var decoder: FrameDecoder
    /// The shell's own number for the connection.
    package let index: Int
    /// Calls that were begun and not answered yet.
    package internal(set) var runningCalls = 0
    /// Set by the shell when the connection is gone: late replies are dropped.
    package var isClosed = false
    /// Whether the peer stands among ``CallTable/takeDirtyPeers()``.
    var isDirty = false

    /// Begins a connection.
    package init(index: Int, limits: RPCLimits) {
        self.index = index
        decoder = FrameDecoder(messageBytesMax: limits.messageBytesMax)
    }
}
