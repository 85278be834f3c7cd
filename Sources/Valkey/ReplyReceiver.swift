public import EventLoop

/// Something that waits for replies: a feature, or a task's continuation.
///
/// A receiver outlives the commands that it sent.
@EventLoop
public protocol ReplyReceiver: AnyObject {
    /// Takes the reply to the command that `completion` names; `reply` is lent until the method returns.
    func received(_ reply: Reply, _ completion: Completion)
    /// Takes note that the command gets no reply.
    func failed(_ failure: LinkFailure, _ completion: Completion)
}

/// What a receiver needs to know again when its reply comes: plain numbers, nothing that is allocated.
public struct Completion: Sendable {
    /// Which of the receiver's operations it was.
    public let operation: UInt32
    /// A number of the operation's own.
    public let detail: UInt32
    /// The call that waits, as its table names it.
    public let call: UInt64

    /// Names a command.
    public init(operation: UInt32, detail: UInt32 = 0, call: UInt64 = 0) {
        self.operation = operation
        self.detail = detail
        self.call = call
    }
}
