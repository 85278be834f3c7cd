import Testing
import Valkey

@testable import Channels

/// `#expect` takes no call that changes its receiver.
private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
}

/// The queue is pure: no connection is needed.
@Suite("Queue of a subscription")
struct MessageQueueTests {
    private func body(_ number: UInt64, bytes: Int = 10) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: bytes)
    }

    /// A queue of the messages 1 … `count`.
    private func queue(
        _ count: UInt64,
        countMax: Int = 4,
        _ overflow: MessageQueue.Overflow = .dropOldest
    ) -> MessageQueue {
        var queue = MessageQueue(countMax: countMax, bytesMax: 1 << 20, overflow: overflow)
        for number in 0..<count { _ = queue.append(body(number + 1), sequence: number + 1) }
        return queue
    }

    private func numbers(_ queue: inout MessageQueue) -> [UInt64] {
        var numbers: [UInt64] = []
        while case .message(_, let sequence, _) = queue.takeFirst() { numbers.append(sequence) }
        return numbers
    }

    @Test("gives messages back in order, with nothing lost")
    func order() {
        var queue = queue(300, countMax: 300)
        #expect(queue.count == 300)
        #expect(queue.bytes == 3000)
        check(queue.takeFirst() == .message(body: body(1), sequence: 1, dropped: 0))
        check(numbers(&queue) == Array(2...300))
        check(queue.takeFirst() == nil)
        #expect(queue.isEmpty)
        #expect(queue.bytes == 0)
    }

    @Test("drops the oldest where there are too many, and says so before the next")
    func dropOldest() {
        var queue = queue(4)
        check(queue.append(body(5), sequence: 5) == 1)
        check(queue.append(body(6), sequence: 6) == 1)
        #expect(queue.count == 4)
        check(queue.takeFirst() == .message(body: body(3), sequence: 3, dropped: 2))
        check(queue.takeFirst() == .message(body: body(4), sequence: 4, dropped: 0))
        check(numbers(&queue) == [5, 6])
    }

    @Test("ends the subscription where there are too many and nothing may be dropped")
    func disconnect() {
        var queue = queue(4, .disconnect)
        check(queue.append(body(5), sequence: 5) == nil)
        #expect(queue.count == 4)
        check(queue.refuse() == nil)
    }

    @Test("is bounded in bytes too, but takes one message of any length")
    func bytes() {
        let half = (1 << 20) / 2
        var queue = MessageQueue(countMax: 100, bytesMax: 1 << 20, overflow: .dropOldest)
        check(queue.append(body(1, bytes: half), sequence: 1) == 0)
        check(queue.append(body(2, bytes: half), sequence: 2) == 0)
        check(queue.append(body(3, bytes: 1), sequence: 3) == 1)
        #expect(queue.bytes == half + 1)
        check(queue.append(body(4, bytes: 3 * half), sequence: 4) == 2)
        #expect(queue.count == 1)
        check(queue.takeFirst() == .message(body: body(4, bytes: 3 * half), sequence: 4, dropped: 3))
        var strict = MessageQueue(countMax: 100, bytesMax: 1 << 20, overflow: .disconnect)
        check(strict.append(body(1, bytes: 3 * half), sequence: 1) == 0)
        check(strict.append(body(2, bytes: 1), sequence: 2) == nil)
    }

    @Test("keeps a gap in its place, also where the message behind it is dropped")
    func gaps() {
        var queue = queue(1)
        queue.appendGap(.reconnected)
        check(queue.append(body(2), sequence: 2) == 0)
        check(queue.takeFirst() == .message(body: body(1), sequence: 1, dropped: 0))
        check(queue.takeFirst() == .gap(.reconnected))
        check(queue.takeFirst() == .message(body: body(2), sequence: 2, dropped: 0))

        queue.appendGap(.reconnected)
        for number: UInt64 in 3...7 { _ = queue.append(body(number), sequence: number) }
        check(queue.takeFirst() == .gap(.reconnected))
        check(queue.takeFirst() == .message(body: body(4), sequence: 4, dropped: 1))
    }

    @Test("tells a gap that no message follows")
    func lastGap() {
        var queue = queue(0)
        queue.appendGap(.messageTooLarge)
        #expect(!queue.isEmpty)
        check(queue.takeFirst() == .gap(.messageTooLarge))
        check(queue.takeFirst() == nil)
        #expect(queue.isEmpty)
    }

    @Test("counts what is refused for want of memory before the message that comes next")
    func refusal() {
        var queue = queue(1)
        check(queue.refuse() == 1)
        check(queue.append(body(3), sequence: 3) == 0)
        check(queue.takeDropped() == 0)
        check(queue.takeFirst() == .message(body: body(1), sequence: 1, dropped: 0))
        check(queue.takeFirst() == .message(body: body(3), sequence: 3, dropped: 1))
        check(queue.refuse() == 1)
        check(queue.takeDropped() == 1)
        check(queue.takeDropped() == 0)
    }

    @Test("a queue of one keeps the newest")
    func one() {
        var queue = queue(5, countMax: 1)
        check(queue.takeFirst() == .message(body: body(5), sequence: 5, dropped: 4))
    }
}
