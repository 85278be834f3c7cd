import Contract
public import EventLoop
public import JSONRPC
public import Linux

/// Lets what this agent does to one thing in Valkey, such as a session or a lease, take turns: each then meets what came
/// of the last one.
@EventLoop
public final class Turns<Name: Hashable & Sendable> {
    /// One that waits, and what tells it whether its turn has come.
    private struct Waiter {
        let number: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    private let others: String
    private var waiting: [Name: [Waiter]] = [:]
    private var lastNumber: UInt64 = 0

    /// Lets nobody wait yet.
    ///
    /// - Parameter others: What whoever waits waits for, in the words of an error.
    public init(behind others: String) {
        self.others = others
    }

    /// Waits until nothing that began before runs; ``leave(_:)`` must follow.
    ///
    /// - Parameters:
    ///   - name: Names the thing.
    ///   - deadline: When the caller stops waiting.
    /// - Throws: ``RPCError`` `deadline_exceeded` where the turn does not come in time; nothing is to follow then.
    public func enter(_ name: Name, until deadline: Instant) async throws(RPCError) {
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
            throw RPCError(.deadlineExceeded, "the deadline passed while \(others) ran", outcome: .notApplied)
        }
    }

    /// Whether somebody has the turn.
    public func isTaken(_ name: Name) -> Bool { waiting[name] != nil }

    /// Lets the next one run.
    public func leave(_ name: Name) {
        guard waiting[name]?.isEmpty == false else {
            waiting[name] = nil
            return
        }
        waiting[name]?.removeFirst().continuation.resume(returning: true)
    }

    /// Takes one whose time is over out of those that wait; one whose turn has come is left alone.
    private func giveUp(_ name: Name, _ number: UInt64) {
        guard let index = waiting[name]?.firstIndex(where: { $0.number == number }) else { return }
        waiting[name]?.remove(at: index).continuation.resume(returning: false)
    }
}
