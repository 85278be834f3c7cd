import Valkey

/// The messages of one subscription that wait until its connection takes output again: bounded in number and bytes.
///
/// What is lost is told where it was lost: each message knows how many were dropped just before it, and whether the
/// connection to Valkey was away. Bodies are shared by all subscriptions that the same message waits for.
///
/// Pure: it holds what it is given and hands it back in order.
struct MessageQueue {
    /// What happens to a message for which there is no room.
    enum Overflow {
        /// It is not taken, and the subscription ends.
        case disconnect
        /// The oldest give way.
        case dropOldest
    }

    /// What comes next.
    enum Item: Equatable {
        /// Messages may be missing here.
        case gap(GapReason)
        /// A message, before which `dropped` were dropped.
        case message(body: [UInt8], sequence: UInt64, dropped: UInt64)
    }

    /// What precedes a message.
    private struct Loss {
        var dropped: UInt64 = 0
        var gap: GapReason?

        /// What precedes the message after one that is dropped, or the end of the queue.
        mutating func add(_ earlier: Loss) {
            dropped += earlier.dropped
            gap = gap ?? earlier.gap
        }
    }

    private struct Entry {
        var body: [UInt8]
        var sequence: UInt64
        var loss: Loss
    }

    private let countMax: Int
    private let bytesMax: Int
    private let overflow: Overflow
    private var entries: [Entry] = []
    /// Entries before this one have been taken.
    private var start = 0
    /// What precedes the next message to be added.
    private var pending = Loss()
    /// Bytes of the messages that wait.
    private(set) var bytes = 0

    /// A queue of at most `countMax` messages and `bytesMax` bytes; one message may be longer.
    init(countMax: Int, bytesMax: Int, overflow: Overflow) {
        self.countMax = countMax
        self.bytesMax = bytesMax
        self.overflow = overflow
    }

    /// Messages that wait.
    var count: Int { entries.count - start }

    /// Whether there is nothing to tell.
    var isEmpty: Bool { count == 0 && pending.gap == nil }

    /// Takes a message in.
    ///
    /// - Parameters:
    ///   - body: What is written when its turn comes.
    ///   - sequence: Its number.
    /// - Returns: Whether there was room, or room was made: how many messages were dropped; nil where the
    ///   subscription is to end.
    mutating func append(_ body: [UInt8], sequence: UInt64) -> Int? {
        var dropped = 0
        while count > 0, count >= countMax || bytes + body.count > bytesMax {
            guard overflow == .dropOldest else { return nil }
            dropFirst()
            dropped += 1
        }
        entries.append(Entry(body: body, sequence: sequence, loss: pending))
        pending = Loss()
        bytes += body.count
        return dropped
    }

    /// Drops a message that is not taken in although there were room: others have used up what is there for all.
    ///
    /// - Returns: How many messages were dropped; nil where the subscription is to end.
    mutating func refuse() -> Int? {
        guard overflow == .dropOldest else { return nil }
        pending.dropped += 1
        return 1
    }

    /// Notes that messages may be missing between the last one that was added and the next.
    mutating func appendGap(_ reason: GapReason) {
        pending.gap = reason
    }

    /// Takes what comes next out; nil where nothing waits.
    mutating func takeFirst() -> Item? {
        guard count > 0 else {
            guard let gap = pending.gap else { return nil }
            pending.gap = nil
            return .gap(gap)
        }
        if let gap = entries[start].loss.gap {
            entries[start].loss.gap = nil
            return .gap(gap)
        }
        let entry = removeFirst()
        return .message(body: entry.body, sequence: entry.sequence, dropped: entry.loss.dropped)
    }

    /// How many messages were dropped behind which none waits, for a message that is handed on without waiting.
    mutating func takeDropped() -> UInt64 {
        guard count == 0 else { return 0 }
        defer { pending.dropped = 0 }
        return pending.dropped
    }

    private mutating func dropFirst() {
        var loss = removeFirst().loss
        loss.dropped += 1
        if count > 0 {
            entries[start].loss.add(loss)
        } else {
            pending.add(loss)
        }
    }

    private mutating func removeFirst() -> Entry {
        let entry = entries[start]
        entries[start].body = []
        start += 1
        bytes -= entry.body.count
        if start == entries.count {
            entries.removeAll()
            start = 0
        } else if start >= 64, start * 2 >= entries.count {
            entries.removeFirst(start)
            start = 0
        }
        return entry
    }
}
