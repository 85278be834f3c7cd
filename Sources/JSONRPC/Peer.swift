public import Bytes

/// The protocol's side of one client connection: what came in, what is to go out, and how many calls run.
///
/// It does no I/O: the server's shell fills ``input`` and drains ``output``. Touched on the event loop only.
public final class Peer {
    /// Bytes that a reply to a read is taken for at least, as long as none has come.
    static let guessedReplyBytes = 16 << 10
    /// Most reads that run on a connection which has had no reply to one, whatever ``RPCLimits/outputBytesHigh`` is.
    static let unseenRepliesMax = 64

    /// Received and not yet consumed.
    public var input = ByteBuffer()
    /// Replies and pushes not yet sent.
    public var output = ByteBuffer()
    /// Bytes of ``output`` that were sent, by the shell's count.
    public var sentBytes: UInt64 = 0
    /// Cuts ``input`` into messages.
    public var decoder: FrameDecoder
    /// The shell's own number for the connection.
    public let index: Int
    /// Who connected, by the kernel's word.
    public let userID: UInt32
    /// Bytes that the reply to a read is expected to have: the largest of late, fading; before the first one what
    /// ``CallTable`` knows of other connections, and at least a guess.
    public internal(set) var expectedReplyBytes: Int
    /// What is expected at least, as most reads may be small, and then all be large.
    ///
    /// It is such a part of the largest reply of the last hundreds that what runs, were all of it as large, is half of
    /// what the connection is closed for.
    private var expectedReplyBytesMin = 0
    /// The part, as a power of two that divides.
    private let shareBits: Int
    /// Bytes that the replies to the calls that run are expected to have.
    public internal(set) var runningReplyBytes = 0
    /// What is bound to the connection, such as subscriptions: while it is more than 0, a client that has ended its
    /// input is still served.
    public var bindings = 0 {
        didSet { if bindings > 0 { hasBound = true } }
    }
    /// How many of the ``bindings`` are locks, permits and other leases.
    public var leases = 0
    /// Entries of the cache that are computed over the connection.
    public var computations = 0
    /// Methods whose calls run without a look at who calls; none until the shell says so.
    public var ungated = MethodSet()
    /// Decides about all other calls; nil for a connection that nobody decides about.
    public var gate: (any CallGate)?
    /// Position among the gate's connections, which is the gate's own affair.
    public var gatePosition = 0
    /// Whether anything was ever bound to the connection.
    public private(set) var hasBound = false
    /// Calls that were begun and not answered yet.
    public internal(set) var runningCalls = 0
    /// Calls that wait for others and so are not among those that run.
    public internal(set) var waitingCalls = 0
    /// What is known of the process that made the connection.
    var processState = ProcessState.unwatched
    /// Which of ``RequestShapes`` its usual requests have; nil for none.
    var shape: Int?
    /// Requests of another shape since then.
    var unknownShapes: UInt8 = 0
    /// Shapes that were learned from the connection since one of its requests had the shape that was expected.
    var taughtShapes: UInt8 = 0
    /// Set by the shell when the process that made the connection has ended, and nobody else holds its other end.
    public var isOrphaned = false
    /// Set by the shell when the connection is gone: late replies are dropped.
    public var isClosed = false
    /// Set by the shell while the kernel takes no more of the output.
    public var isBlocked = false
    /// Whether somebody keeps messages back until the output was taken; see ``PeerObserver/peerDrained(_:)``.
    public var hasBacklog = false
    /// Whether the peer stands among ``CallTable/takeDirtyPeers(into:)``.
    var isDirty = false
    /// Whether the table of calls keeps the peer.
    var isKept = false

    /// What is known of the process that made a connection.
    enum ProcessState {
        /// Nobody has asked.
        case unwatched
        /// Its end will be told, where the kernel allows.
        case watched
        /// It has ended.
        case ended
    }

    /// Learns from a reply to a read how large the next may be.
    func tookBulkyReply(of bytes: Int) {
        expectedReplyBytesMin = max(bytes &>> shareBits, expectedReplyBytesMin - expectedReplyBytesMin &>> 9)
        expectedReplyBytes = max(bytes, expectedReplyBytes - expectedReplyBytes / 8, expectedReplyBytesMin, 1)
    }

    /// Begins a connection, of which no method is ``ungated``.
    public init(index: Int, userID: UInt32, limits: RPCLimits) {
        self.index = index
        self.userID = userID
        decoder = FrameDecoder(messageBytesMax: limits.messageBytesMax)
        expectedReplyBytes = max(Peer.guessedReplyBytes, limits.outputBytesHigh / Peer.unseenRepliesMax)
        let share = max(limits.outputBytesMax / limits.outputBytesHigh / 2, 1)
        shareBits = Int.bitWidth - 1 - share.leadingZeroBitCount
    }
}
