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
        /// Whether a call that settles it is on its way.
        var isSettling = false
    }

    /// Most messages that are remembered whose time is over.
    private static let lapsedMax = 10_000

    private var leases: [MessageID: Lease] = [:]
    /// Messages whose time is over, and which may still be the subscription's in Valkey until somebody else gets them.
    private var lapsed: Set<MessageID> = []
    /// A moment at or before the first end.
    private(set) var firstEnd = Instant.distantFuture

    /// Messages in the subscription's hands.
    var count: Int { leases.count }

    /// Their ids, and those of messages whose time is over, in no order.
    var seen: [MessageID] { Array(leases.keys) + lapsed }

    /// What is known of a message; nil for one that is not the subscription's.
    subscript(id: MessageID) -> Lease? { leases[id] }

    /// Takes a message in; one that is delivered again is there with its new number.
    mutating func add(_ id: MessageID, _ lease: Lease) {
        leases[id] = lease
        lapsed.remove(id)
        firstEnd = min(firstEnd, lease.ends)
    }

    /// Marks a message that is being settled.
    ///
    /// - Returns: Its lease; nil where it is not the subscription's, its time is over, or it is being settled already.
    mutating func beginSettling(_ id: MessageID, at now: Instant) -> Lease? {
        guard let lease = leases[id], !lease.isSettling, now < lease.ends else { return nil }
        leases[id]?.isSettling = true
        return lease
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

    /// Prolongs a lease, unless the message was delivered again meanwhile.
    mutating func extend(_ id: MessageID, _ deliveries: Int64, safeUntil: Instant, ends: Instant) {
        guard leases[id]?.deliveries == deliveries else { return }
        leases[id]?.safeUntil = safeUntil
        leases[id]?.ends = ends
    }

    /// Lets go what is over.
    ///
    /// - Returns: How many messages that were.
    /// - Complexity: O(1) where nothing can be over, else O(n).
    mutating func expire(at now: Instant) -> Int {
        guard firstEnd <= now else { return 0 }
        let over = leases.filter { $0.value.ends <= now }.keys
        if lapsed.count + over.count > LeaseTable.lapsedMax { lapsed.removeAll() }
        lapsed.formUnion(over)
        for id in over { leases[id] = nil }
        firstEnd = leases.values.map(\.ends).min() ?? .distantFuture
        return over.count
    }

    /// Lets everything go.
    mutating func removeAll() {
        leases.removeAll()
        lapsed.removeAll()
        firstEnd = .distantFuture
    }
}
