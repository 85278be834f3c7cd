import Contract
import EventLoop
import JSONRPC
import Linux

/// Lets changes of one session through this agent take turns: each then meets what the last one wrote, and the
/// comparison in Valkey fails for changes of other agents only.
@EventLoop
final class SessionTurns {
    /// A change that waits, and what tells it whether its turn has come.
    private struct Waiter {
        let number: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    private var waiting: [[UInt8]: [Waiter]] = [:]
    private var lastNumber: UInt64 = 0

    /// Sessions whose change runs.
    var count: Int { waiting.count }

    /// Waits until no change that began before runs; ``leave(_:)`` must follow.
    ///
    /// - Parameters:
    ///   - name: Names the session.
    ///   - deadline: When the caller stops waiting.
    /// - Throws: ``RPCError`` `deadline_exceeded` where the turn does not come in time; nothing is to follow then.
    func enter(_ name: [UInt8], until deadline: Instant) async throws(RPCError) {
        guard waiting[name] != nil else {
            waiting[name] = []
            return
        }
        lastNumber &+= 1
        let number = lastNumber
        let timer = EventLoop.reactor.timers.schedule(at: deadline) { self.giveUp(name, number) }
        let isTurn = await withCheckedContinuation { continuation in
            waiting[name, default: []].append(Waiter(number: number, continuation: continuation))
        }
        EventLoop.reactor.timers.cancel(timer)
        guard isTurn else {
            throw RPCError(
                .deadlineExceeded,
                "the deadline passed while other changes of the session ran",
                outcome: .notApplied
            )
        }
    }

    /// Lets the next change run.
    func leave(_ name: [UInt8]) {
        guard waiting[name]?.isEmpty == false else {
            waiting[name] = nil
            return
        }
        waiting[name]?.removeFirst().continuation.resume(returning: true)
    }

    /// Takes a change whose time is over out of those that wait; one whose turn has come is left alone.
    private func giveUp(_ name: [UInt8], _ number: UInt64) {
        guard let index = waiting[name]?.firstIndex(where: { $0.number == number }) else { return }
        waiting[name]?.remove(at: index).continuation.resume(returning: false)
    }
}
