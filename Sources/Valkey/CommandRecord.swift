import EventLoop
import Linux

/// One command in a pipeline, from its being queued until its last reply.
struct CommandRecord {
    // A receiver outlives its commands, as ``ReplyReceiver`` says; counting references here would cost two atomic
    // operations a command.
    unowned(unsafe) let receiver: any ReplyReceiver
    let completion: Completion
    let deadline: Instant
    /// Whose commands are executed in the order sent.
    let lane: Int
    /// Length of the encoded command in the log, in bytes.
    let length: Int
    /// Replies that the command brings; the last one is its result.
    let replies: Int
    var repliesLeft: Int
    let effect: CommandEffect
    /// Whether the script that it names was loaded again already.
    let isReloaded: Bool
    /// Times that the server said that it would not execute it now.
    private(set) var attempts: Int
    /// Connections that broke while it was being sent.
    var interruptions = 0
    /// Whether all its bytes were once given to a connection that broke.
    var wasSent: Bool
    /// Whether the receiver has been told already; the record only keeps the replies' order.
    var isAbandoned: Bool

    /// Records a command that was just encoded.
    init(_ request: CommandRequest, lane: Int, length: Int) {
        unsafe receiver = request.receiver
        completion = request.completion
        deadline = request.deadline
        self.lane = lane
        self.length = length
        replies = request.replies
        repliesLeft = request.replies
        effect = request.effect
        isReloaded = false
        attempts = 0
        wasSent = false
        isAbandoned = false
    }

    private init(_ record: CommandRecord, length: Int, replies: Int, isReloaded: Bool) {
        unsafe receiver = record.receiver
        completion = record.completion
        deadline = record.deadline
        lane = record.lane
        self.length = length
        self.replies = replies
        repliesLeft = replies
        effect = record.effect
        self.isReloaded = isReloaded
        attempts = record.attempts
        wasSent = record.wasSent
        isAbandoned = record.isAbandoned
    }

    /// The same command in a new place.
    func again(length: Int, replies: Int, isReloaded: Bool) -> CommandRecord {
        CommandRecord(self, length: length, replies: replies, isReloaded: isReloaded)
    }

    /// The same command, after the server said that it would not execute it now.
    func anotherAttempt() -> CommandRecord {
        var record = self
        record.attempts += 1
        return record
    }

    /// What became of the effect, where the bytes may have left.
    var outcomeWhenSent: LinkFailure.Outcome { effect == .read ? .none : .unknown }

    /// What became of the effect, where the bytes did not leave.
    var outcomeWhenUnsent: LinkFailure.Outcome {
        wasSent ? outcomeWhenSent : effect == .read ? .none : .notApplied
    }
}
