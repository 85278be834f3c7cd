public import EventLoop
import Linux

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

/// One command in a pipeline, from its being queued until its last reply.
struct CommandRecord {
    // A receiver outlives its commands, as ``ReplyReceiver`` says; counting references here would cost two atomic
    // operations a command.
    unowned(unsafe) let receiver: any ReplyReceiver
    let completion: Completion
    let deadline: Instant
    /// Length of the encoded command in the pipeline's log, in bytes.
    let length: Int
    /// Replies that the command brings; the last one is its result.
    let replies: Int
    var repliesLeft: Int
    let effect: CommandEffect
    /// Whether the script that it names was loaded again already.
    var isReloaded = false
    /// Whether all its bytes were once given to a connection that broke.
    var wasSent = false
    /// Whether the receiver has been told already; the record only keeps the replies' order.
    var isAbandoned = false

    /// The same command in a new place.
    func again(length: Int, replies: Int) -> CommandRecord {
        var record = unsafe CommandRecord(
            receiver: receiver,
            completion: completion,
            deadline: deadline,
            length: length,
            replies: replies,
            repliesLeft: replies,
            effect: effect
        )
        record.isReloaded = true
        record.wasSent = wasSent
        record.isAbandoned = isAbandoned
        return record
    }

    /// What became of the effect, where the bytes may have left.
    var outcomeWhenSent: LinkFailure.Outcome { effect == .read ? .none : .unknown }

    /// What became of the effect, where the bytes did not leave.
    var outcomeWhenUnsent: LinkFailure.Outcome {
        wasSent ? outcomeWhenSent : effect == .read ? .none : .notApplied
    }
}
