import Bytes
import EventLoop
import Linux
import Resilience
import TestSupport
import Testing

@testable import Valkey

/// `#expect` takes neither a call that changes its receiver nor a value that cannot be copied.
private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
}

/// The queue is pure: commands are numbered, and no socket or clock is needed.
@Suite("Command queue")
struct CommandQueueTests {
    private final class Nobody: ReplyReceiver {
        nonisolated init() {}
        func received(_ reply: Reply, _ completion: Completion) {}
        func failed(_ failure: LinkFailure, _ completion: Completion) {}
    }

    private static let receiver = Nobody()
    private static var ok: Reply { Reply(kind: .status, bytes: ByteView("OK"), integer: 0, tree: nil, index: 0) }
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func add(
        _ queue: inout CommandQueue,
        _ number: UInt32,
        _ effect: CommandEffect = .read,
        bytes: Int = 10,
        deadline: Int64 = 1000,
        lane: Int = 0,
        replies: Int = 1
    ) {
        let request = CommandRequest(
            receiver: Self.receiver,
            completion: Completion(operation: number),
            effect: effect,
            deadline: start.advanced(milliseconds: deadline),
            replies: replies
        )
        queue.append(request, lane: lane) { buffer in
            for _ in 0..<bytes { buffer.append(UInt8(truncatingIfNeeded: number)) }
        }
    }

    private func result(_ queue: inout CommandQueue, _ reply: Reply = ok) -> UInt32? {
        guard case .result(let record, _) = queue.receive(reply) else { return nil }
        return record.completion.operation
    }

    private func bytes(_ queue: borrowing CommandQueue) -> [UInt8] { queue.unsent.copy() }

    @Test("gives replies to commands in the order sent")
    func order() {
        var queue = CommandQueue()
        for number in 1...200 { add(&queue, UInt32(number)) }
        queue.markSent(queue.bytes)
        for number in 1...200 { check(result(&queue) == UInt32(number)) }
        check(queue.isEmpty && queue.bytes == 0 && queue.isSent)
    }

    @Test("has no use for a reply that nobody asked for")
    func unexpected() {
        var queue = CommandQueue()
        guard case .unexpected = queue.receive(Self.ok) else {
            Issue.record("an empty queue took a reply")
            return
        }
    }

    @Test("counts the replies of a transaction as one result, and knows why it was refused")
    func transaction() {
        var queue = CommandQueue()
        add(&queue, 1, replies: 3)
        queue.markSent(10)
        _ = queue.receive(Self.ok)
        _ = queue.receive(.refusal(ByteView("OOM command not allowed")))
        guard case .result(_, let refusal) = queue.receive(.refusal(ByteView("EXECABORT discarded"))) else {
            Issue.record("the third reply was not the result")
            return
        }
        check(refusal == Array("OOM command not allowed".utf8))
    }

    @Test("keeps the place of a command that was given up, so that no reply shifts")
    func expiry() {
        var queue = CommandQueue()
        add(&queue, 1, .write, deadline: 10)
        add(&queue, 2, deadline: 1000)
        queue.markSent(queue.bytes)
        let (failures, next) = queue.expire(at: start.advanced(milliseconds: 10))
        check(failures.map(\.record.completion.operation) == [1])
        check(failures.map(\.outcome) == [.unknown])
        check(next == start.advanced(milliseconds: 1000))
        guard case .result(let first, _) = queue.receive(Self.ok) else { return }
        check(first.isAbandoned)
        check(result(&queue) == 2)
    }

    @Test("takes a command out that expired before any of its bytes left: it never runs")
    func unsentExpiry() {
        var queue = CommandQueue()
        add(&queue, 1, .write, deadline: 1000)
        add(&queue, 2, .write, deadline: 10)
        add(&queue, 3, .write, deadline: 1000)
        queue.markSent(10)
        let (failures, _) = queue.expire(at: start.advanced(milliseconds: 10))
        check(failures.map(\.outcome) == [.notApplied])
        check(bytes(queue) == [UInt8](repeating: 3, count: 10))
        check(result(&queue) == 1)
    }

    @Test("does not take out a command of which some bytes left")
    func partialExpiry() {
        var queue = CommandQueue()
        add(&queue, 1, .write, deadline: 10)
        queue.markSent(4)
        let (failures, _) = queue.expire(at: start.advanced(milliseconds: 10))
        check(failures.map(\.outcome) == [.unknown])
        check(queue.bytes == 10)
    }

    @Test("gives up what has not left when callers are turned away, and keeps what left in part")
    func unsent() {
        var queue = CommandQueue()
        add(&queue, 1, .write)
        add(&queue, 2, .write)
        add(&queue, 3, .read)
        add(&queue, 4, .idempotentWrite)
        queue.markSent(14)
        let failures = queue.removeUnsent()
        check(failures.map(\.record.completion.operation) == [3, 4])
        check(failures.map(\.outcome) == [.none, .notApplied])
        check(!failures.contains { $0.isTransport })
        check(bytes(queue) == [UInt8](repeating: 2, count: 6))
        check(queue.removeUnsent().isEmpty)
        queue.markSent(6)
        check(queue.removeUnsent().isEmpty)
        check(result(&queue) == 1)
        check(result(&queue) == 2)
        check(queue.isEmpty && queue.bytes == 0)
    }

    @Test("sends reads and idempotent writes again after a break, and says of other writes that nobody knows")
    func interruption() {
        var queue = CommandQueue()
        add(&queue, 1, .read)
        add(&queue, 2, .write)
        add(&queue, 3, .idempotentWrite)
        add(&queue, 4, .write)
        add(&queue, 5, .write)
        queue.markSent(35)
        var budget = RetryBudget()
        let failures = queue.interrupt(&budget)
        // The fourth was sent in part, and so not executed; the fifth was not sent.
        check(failures.map(\.record.completion.operation) == [2])
        check(failures.map(\.outcome) == [.unknown])
        check(bytes(queue) == [1, 3, 4, 5].flatMap { [UInt8](repeating: $0, count: 10) })
    }

    @Test("sends nothing again once the budget is spent")
    func exhaustedBudget() {
        var queue = CommandQueue()
        add(&queue, 1, .read)
        add(&queue, 2, .idempotentWrite)
        queue.markSent(20)
        var budget = RetryBudget(share: 0.1, most: 1)
        let failures = queue.interrupt(&budget)
        check(failures.map(\.record.completion.operation) == [2])
        check(failures.map(\.outcome) == [.unknown])
        check(queue.count == 1)
    }

    @Test("remembers that a command was sent once when it is given up before it was sent again")
    func sentOnce() {
        var queue = CommandQueue()
        add(&queue, 1, .idempotentWrite)
        add(&queue, 2, .read)
        queue.markSent(20)
        var budget = RetryBudget()
        _ = queue.interrupt(&budget)
        add(&queue, 3, .write)
        check(queue.removeAll().map(\.outcome) == [.unknown, .none, .notApplied])
        check(queue.isEmpty && queue.bytes == 0)
    }

    @Test("begins a transaction anew that was answered in part when the connection broke")
    func brokenTransaction() {
        var queue = CommandQueue()
        add(&queue, 1, .idempotentWrite, replies: 2)
        queue.markSent(10)
        _ = queue.receive(Self.ok)
        var budget = RetryBudget()
        check(queue.interrupt(&budget).isEmpty)
        queue.markSent(10)
        check(result(&queue) == nil)
        check(result(&queue) == 1)
    }

    @Test("begins a transaction anew that was sent and answered in part when the connection broke")
    func partlySentTransaction() {
        var queue = CommandQueue()
        add(&queue, 1, .idempotentWrite, bytes: 100, replies: 3)
        add(&queue, 2)
        queue.markSent(60)
        _ = queue.receive(Self.ok)
        _ = queue.receive(Self.ok)
        var budget = RetryBudget()
        check(queue.interrupt(&budget).isEmpty)
        queue.markSent(110)
        check(result(&queue) == nil)
        check(result(&queue) == nil)
        check(result(&queue) == 1)
        check(result(&queue) == 2)
    }

    @Test("takes no reply for a command that has not left whole")
    func prematureReply() {
        var queue = CommandQueue()
        add(&queue, 1, .write)
        queue.markSent(9)
        guard case .premature = queue.receive(Self.ok) else {
            Issue.record("a command that was sent in part was answered")
            return
        }
        check(queue.first == nil)
        check(queue.count == 1 && queue.unsent.count == 1)
    }

    @Test("gives a command up over which connections keep breaking")
    func deadlyCommand() {
        var queue = CommandQueue()
        add(&queue, 1, .write)
        add(&queue, 2)
        var budget = RetryBudget()
        queue.markSent(5)
        check(queue.interrupt(&budget).isEmpty)
        queue.markSent(5)
        let failures = queue.interrupt(&budget)
        check(failures.map(\.record.completion.operation) == [1])
        check(failures.map(\.outcome) == [.notApplied])
        check(bytes(queue) == [UInt8](repeating: 2, count: 10))
    }

    @Test("puts the first command last, with its preparation before it")
    func repetition() {
        var queue = CommandQueue()
        add(&queue, 1)
        add(&queue, 2)
        queue.markSent(20)
        queue.repeatFirst { $0.append(UInt8(9)) }
        check(bytes(queue) == [9] + [UInt8](repeating: 1, count: 10))
        check(result(&queue) == 2)
        queue.markSent(11)
        check(result(&queue) == nil)
        check(result(&queue) == 1)
    }

    @Test("knows whether another command of the same lane follows the first")
    func lanes() {
        var queue = CommandQueue()
        add(&queue, 1, lane: 7)
        add(&queue, 2, lane: 8)
        check(!queue.holdsAnother(lane: 7))
        add(&queue, 3, lane: 7)
        check(queue.holdsAnother(lane: 7))
    }

    @Test("matches a model over random operations", arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var queue = CommandQueue()
        var budget = RetryBudget(share: 1, most: 1_000_000)
        var expected: [UInt32] = []
        var number: UInt32 = 0
        for _ in 0..<3000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                number += 1
                let effect = [CommandEffect.read, .idempotentWrite, .write].randomElement(using: &random)
                add(&queue, number, effect ?? .read, bytes: Int.random(in: 1...30, using: &random), deadline: 1 << 40)
                expected.append(number)
            case 4..<7:
                let unsent = queue.unsent.count
                if unsent > 0 { queue.markSent(Int.random(in: 1...unsent, using: &random)) }
            case 7, 8:
                guard let (record, _) = queue.first, queue.bytes - queue.unsent.count >= record.length else { continue }
                check(result(&queue) == expected.removeFirst())
            default:
                let lost = Set(queue.interrupt(&budget).map(\.record.completion.operation))
                expected.removeAll { lost.contains($0) }
            }
            check(queue.count == expected.count)
        }
        queue.markSent(queue.unsent.count)
        for number in expected { check(result(&queue) == number) }
        check(queue.bytes == 0)
    }
}
