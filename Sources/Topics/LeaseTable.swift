import Linux

/// The messages in one subscription's hands, as far as its agent knows.
///
/// Valkey decides whose a message is. The agent counts what may be in the client's hands, so that it asks for no more
/// than the client wants, and knows which delivery a client speaks of when it names a message. Pure: it is told the time.
struct LeaseTable {
    /// One message in the subscription's hands.
    struct Lease {
        /// Number of the delivery, from 1.
        var deliveries: Int64
        /// A moment at or before the end by Valkey's clock: until then nobody else can have got the message.
        var safeUntil: Instant
        /// A moment at or after the end by Valkey's clock.
        var ends: Instant
        /// How many bytes its connection was to be sent before it.
        var position: UInt64 = 0
        /// Whether a call that settles it is on its way.
        var isSettling = false
        /// Calls on their way that extend it: as long as there are any, Valkey alone knows whether its time is over.
        var extensions = 0

        /// Whether a call may name it.
        func isHeld(at now: Instant) -> Bool { now < ends || extensions > 0 }
    }

    /// Most messages that are remembered whose time is over.
    private static let lapsedMax = 10_000

    private var leases: [MessageID: Lease] = [:]
    /// Messages whose time is over, and which may still be the subscription's in Valkey until somebody else gets them.
    private var lapsed: [MessageID: Int64] = [:]
    /// A moment at or before the first end.
    private(set) var firstEnd = Instant.distantFuture

    /// Messages in the subscription's hands.
    var count: Int { leases.count }

    /// Their ids, and those of messages whose time is over, each with the number of its delivery, in no order.
    var seen: [(id: MessageID, deliveries: Int64)] {
        seen(before: .max)
    }

    /// Those of the ``seen`` that had begun to leave for the client, or whose time is over.
    ///
    /// - Parameter sent: How many bytes the connection was sent.
    /// - Returns: Each with the number of its delivery, in no order.
    func seen(before sent: UInt64) -> [(id: MessageID, deliveries: Int64)] {
        leases.filter { $0.value.position < sent }.map { ($0.key, $0.value.deliveries) }
            + lapsed.map { ($0.key, $0.value) }
    }

    /// What is known of a message; nil for one that is not the subscription's.
    subscript(id: MessageID) -> Lease? { leases[id] }

    /// Takes a message in; one that is delivered again is there with its new number.
    mutating func add(_ id: MessageID, _ lease: Lease) {
        leases[id] = lease
        lapsed[id] = nil
        firstEnd = min(firstEnd, lease.ends)
    }

    /// Marks a message that is being settled.
    ///
    /// - Returns: Its lease; nil where it is not the subscription's, its time is over, or it is being settled already.
    mutating func beginSettling(_ id: MessageID, at now: Instant) -> Lease? {
        guard let lease = leases[id], !lease.isSettling, lease.isHeld(at: now) else { return nil }
        leases[id]?.isSettling = true
        return lease
    }

    /// Marks a message that is being extended: it stays until ``extend(_:_:safeUntil:ends:)``,
    /// ``failedExtending(_:_:)`` or ``remove(_:_:)``.
    ///
    /// - Returns: Its lease; nil where it is not the subscription's, its time is over, or it is being settled.
    mutating func beginExtending(_ id: MessageID, at now: Instant) -> Lease? {
        guard let lease = leases[id], !lease.isSettling, lease.isHeld(at: now) else { return nil }
        leases[id]?.extensions += 1
        return lease
    }

    /// Takes note that the call which extended a message failed; its time may be over.
    mutating func failedExtending(_ id: MessageID, _ deliveries: Int64) {
        guard let lease = leases[id], lease.deliveries == deliveries else { return }
        leases[id]?.extensions -= 1
        firstEnd = min(firstEnd, lease.ends)
    }

    /// Takes note that the call which settled a message failed, and may be made again.
    mutating func failedSettling(_ id: MessageID, _ deliveries: Int64) {
        guard leases[id]?.deliveries == deliveries else { return }
        leases[id]?.isSettling = false
    }

    /// Lets a message go, unless it was delivered again meanwhile.
    mutating func remove(_ id: MessageID, _ deliveries: Int64) {
        guard leases[id]?.deliveries == deliveries else { return }
        leases[id] = nil
    }

    /// Prolongs a lease that was being extended, unless the message was delivered again meanwhile.
    mutating func extend(_ id: MessageID, _ deliveries: Int64, safeUntil: Instant, ends: Instant) {
        guard leases[id]?.deliveries == deliveries else { return }
        leases[id]?.extensions -= 1
        leases[id]?.safeUntil = safeUntil
        leases[id]?.ends = ends
        firstEnd = min(firstEnd, ends)
    }

    /// Lets go what is over.
    ///
    /// - Returns: How many messages that were.
    /// - Complexity: O(1) where nothing can be over, else O(n).
    mutating func expire(at now: Instant) -> Int {
        guard firstEnd <= now else { return 0 }
        let over = leases.filter { !$0.value.isHeld(at: now) }
        if lapsed.count + over.count > LeaseTable.lapsedMax { lapsed.removeAll() }
        for (id, lease) in over {
            lapsed[id] = lease.deliveries
            leases[id] = nil
        }
        firstEnd = leases.values.lazy.filter { $0.extensions == 0 }.map(\.ends).min() ?? .distantFuture
        return over.count
    }

    /// Lets everything go.
    mutating func removeAll() {
        leases.removeAll()
        lapsed.removeAll()
        firstEnd = .distantFuture
    }
}
