public import Bytes
import EventLoop
public import Linux

extension Link {
    /// Sends several commands at once and waits for all their replies: one round trip.
    ///
    /// - Parameters:
    ///   - count: How many, at least one.
    ///   - effect: What sending one of them twice would do.
    ///   - deadline: When to stop waiting.
    ///   - lane: As of ``send(_:lane:_:)``; they are executed in their order, other commands may come between them.
    ///   - encode: Appends the command of a number from 0 up.
    /// - Returns: The replies in the commands' order, which may be errors of Valkey.
    /// - Throws: ``LinkFailure`` of the first command that got no reply, once every one has its outcome.
    public func callAll(
        _ count: Int,
        _ effect: CommandEffect,
        deadline: Instant,
        lane: Int = 0,
        _ encode: (Int, inout ByteBuffer) -> Void
    ) async throws(LinkFailure) -> [ReplyValue] {
        precondition(count > 0, "there is a command to send")
        let result = await withCheckedContinuation { continuation in
            let receiver = SuspendedCalls(continuation, count)
            for index in 0..<count {
                send(receiver.request(index, effect, deadline), lane: lane) { encode(index, &$0) }
            }
        }
        return try result.get()
    }
}

/// A task that waits for several replies; it keeps itself alive until then.
@EventLoop
private final class SuspendedCalls: ReplyReceiver {
    private var continuation: CheckedContinuation<Result<[ReplyValue], LinkFailure>, Never>?
    private var keepAlive: SuspendedCalls?
    private var replies: [ReplyValue]
    private var failure: LinkFailure?
    private var left: Int

    init(_ continuation: CheckedContinuation<Result<[ReplyValue], LinkFailure>, Never>, _ count: Int) {
        self.continuation = continuation
        replies = [ReplyValue](repeating: .null, count: count)
        left = count
        keepAlive = self
    }

    func request(_ index: Int, _ effect: CommandEffect, _ deadline: Instant) -> CommandRequest {
        CommandRequest(
            receiver: self,
            completion: Completion(operation: 0, detail: UInt32(index)),
            effect: effect,
            deadline: deadline
        )
    }

    func received(_ reply: Reply, _ completion: Completion) {
        replies[Int(completion.detail)] = reply.copy()
        finish()
    }

    func failed(_ failure: LinkFailure, _ completion: Completion) {
        if self.failure == nil { self.failure = failure }
        finish()
    }

    private func finish() {
        left -= 1
        guard left == 0 else { return }
        continuation?.resume(returning: failure.map { .failure($0) } ?? .success(replies))
        continuation = nil
        keepAlive = nil
    }
}
