public import Linux

/// A command to be sent: who waits for it, until when, and what may be done when its reply is lost.
public struct CommandRequest {
    // A receiver outlives its commands, as ``ReplyReceiver`` says.
    unowned(unsafe) let receiver: any ReplyReceiver
    /// What the receiver needs to know again.
    let completion: Completion
    /// What sending it twice would do.
    let effect: CommandEffect
    /// When the receiver stops waiting.
    let deadline: Instant
    /// Replies that the encoded command brings, at least 1; the last one is its result.
    let replies: Int

    /// Describes a command.
    ///
    /// - Parameters:
    ///   - receiver: Told of the reply or of a failure; it must live until then.
    ///   - completion: Given back to the receiver.
    ///   - effect: What sending the command twice would do.
    ///   - deadline: When the receiver stops waiting.
    ///   - replies: Replies that the encoded command brings: 1, or more for a transaction, whose last one counts.
    public init(
        receiver: any ReplyReceiver,
        completion: Completion,
        effect: CommandEffect,
        deadline: Instant,
        replies: Int = 1
    ) {
        unsafe self.receiver = receiver
        self.completion = completion
        self.effect = effect
        self.deadline = deadline
        self.replies = replies
    }
}
