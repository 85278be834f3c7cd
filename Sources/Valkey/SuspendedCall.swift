import EventLoop
import Linux

/// A task that waits for one reply; it keeps itself alive until then.
@EventLoop
final class SuspendedCall: ReplyReceiver {
    private var continuation: CheckedContinuation<Result<ReplyValue, LinkFailure>, Never>?
    private var keepAlive: SuspendedCall?

    init(_ continuation: CheckedContinuation<Result<ReplyValue, LinkFailure>, Never>) {
        self.continuation = continuation
        keepAlive = self
    }

    /// The request whose reply resumes the task.
    func request(_ effect: CommandEffect, _ deadline: Instant, replies: Int) -> CommandRequest {
        CommandRequest(
            receiver: self,
            completion: Completion(operation: 0),
            effect: effect,
            deadline: deadline,
            replies: replies
        )
    }

    func received(_ reply: Reply, _ completion: Completion) {
        resume(.success(reply.copy()))
    }

    func failed(_ failure: LinkFailure, _ completion: Completion) {
        resume(.failure(failure))
    }

    private func resume(_ result: Result<ReplyValue, LinkFailure>) {
        continuation?.resume(returning: result)
        continuation = nil
        keepAlive = nil
    }
}
