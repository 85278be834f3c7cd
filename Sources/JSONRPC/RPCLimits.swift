/// Bounds on what one client connection may ask and hold.
public struct RPCLimits: Sendable {
    /// Longest message accepted, in bytes without its newline or header.
    public var messageBytesMax = 8 << 20
    /// Longest reply sent, in bytes; a longer one becomes a `too_large` error.
    public var replyBytesMax = 16 << 20
    /// Deepest nesting of arrays and objects in a message.
    public var depthMax = 64
    /// Most elements of a batch.
    public var batchMax = 1000
    /// Longest id accepted, in bytes as written.
    public var idBytesMax = 256
    /// Most calls of a connection that run at once; beyond, its socket is not read.
    public var runningMax = 1024
    /// Most calls of a connection that wait for others, such as for a lock; beyond, they are refused.
    public var waitingMax = 1024
    /// Unread output of a connection, in bytes, beyond which its socket is not read.
    public var outputBytesHigh = 1 << 20
    /// Unread output of a connection, in bytes, beyond which it is closed.
    public var outputBytesMax = 32 << 20

    /// The defaults.
    public init() {}

    /// Checks the relations between the limits.
    ///
    /// - Returns: What is wrong, in words that name the limits, or nil.
    public func fault() -> String? {
        if replyBytesMax > outputBytesMax { return "reply_bytes_max must not exceed output_bytes_max" }
        if outputBytesHigh > outputBytesMax { return "output_bytes_high must not exceed output_bytes_max" }
        if idBytesMax > messageBytesMax { return "message_bytes_max is too small" }
        return nil
    }
}
