import Bytes
import Contract
public import EventLoop
public import JSONRPC
import Linux
public import Observability
public import Store
public import Valkey

/// What locks, semaphores and elections have in common: places of which each is held by few, in turn, by whoever asked
/// first.
///
/// Valkey decides who holds what (``LeaseScripts``); this keeps what was granted to connections of this agent: it renews
/// while the connection lives and releases when it ends, tells when a lease can no longer be relied on, and stands in
/// the queue for those who wait, woken by messages.
@EventLoop
public final class Leases {
    enum Operation: UInt32 {
        case acquire
        case renew
        case claim
        case release
    }

    /// Counts since the start.
    public struct Counts: Sendable {
        /// Leases granted, at once or after waiting.
        public var granted: UInt64 = 0
        /// Of those, the ones that were waited for.
        public var grantedAfterWaiting: UInt64 = 0
        /// Leases refused, at once or after waiting.
        public var refused: UInt64 = 0
        /// Leases released by their clients.
        public var released: UInt64 = 0
        /// Leases released because their connection or its process ended.
        public var releasedAfterEnd: UInt64 = 0
        /// Leases that their holders were told to be lost.
        public var lost: UInt64 = 0
        /// Waits that ended because they closed a cycle.
        public var deadlocks: UInt64 = 0
        /// Renewals that Valkey answered.
        public var renewals: UInt64 = 0
    }

    /// How long a place in a queue lasts without being tended, in milliseconds: the time for which the death of an agent
    /// may hold others up.
    static let waitLifeMilliseconds: Int64 = 15_000
    /// Most time until the places of those who wait are kept alive again.
    static let tendInterval = Duration.seconds(5)
    /// Most time between two looks at a place for which somebody waits: nobody tells of a lease that was granted to
    /// another agent and not taken, so its end is known by then.
    static let lookInterval = Duration.milliseconds(Int64(LeaseScripts.claimMilliseconds))
    /// How long a call within the agent may take that no client waits for.
    static let backgroundTimeout = Duration.seconds(5)
    /// Time until an attempt to reach Valkey that failed is repeated.
    static let retryDelay = Duration.milliseconds(100)
    /// Most time until an attempt is repeated that failed again and again.
    static let retryDelayMax = Duration.seconds(1)
    /// The name of this host.
    static let hostName = Host.name

    /// Counts since the start.
    public internal(set) var counts = Counts()
    /// Tells whether the store can be trusted with leases.
    public let safety: StoreSafety
    /// Link to the state store.
    public let link: Link
    /// Where calls are answered.
    public let calls: CallTable
    /// Names keys.
    public let keyspace: Keyspace
    /// Where losses are recorded.
    public let log: Log
    /// This agent's name among all of them: 16 hexadecimal digits.
    let agent: [UInt8]
    /// What the names of the agents' channels begin with.
    let stem: [UInt8]
    /// The key of the waits-for graph.
    let graph: [UInt8]
    /// Names for the next leases.
    private var names: [LeaseID] = []
    var leases: [UInt64: Lease] = [:]
    var ids: [LeaseID: Lease] = [:]
    var peers: [ObjectIdentifier: PeerLeases] = [:]
    var waits: [LeasePlace: WaitingPlace] = [:]
    /// This agent's entries in the waits-for graph, and of how many waits each is.
    var entries: [WaitsForEntry: Int] = [:]
    /// When the entries are kept again.
    var entriesTimer: TimerID?
    /// Waits that are to be looked at for cycles, the first first, and how many are being looked at.
    var looks: (waiting: [Lease], running: Int) = ([], 0)
    var news: AgentNews?
    /// Leases that are asked for once this agent listens, or once Valkey has forgotten the one of the same name.
    var deferred: [Lease] = []
    /// How often each lease is being released, however long that takes.
    var departing: [LeaseID: Int] = [:]
    /// Releases that nobody waits for, and renewals of clients, of one lease follow one another: whose it is then is known.
    let turns = Turns<LeaseID>(behind: "others renewed or released the lease")
    /// Leases that were ended by clients of these users while somebody had their turn.
    var endedMeanwhile: [LeaseID: Set<UInt32>] = [:]
    /// Whether nobody is let wait any more: the agent is ending.
    var isEnding = false
    /// Whether what connections hold stays theirs when they end.
    var isHandedOver = false
    private(set) var lastNumber: UInt64 = 0
    private var lastParty: UInt64 = 0

    /// Keeps leases in the state store.
    ///
    /// - Parameters:
    ///   - link: Link to the store that must not evict.
    ///   - safety: Tells whether it does.
    ///   - calls: Where calls are answered, and connections end.
    ///   - keyspace: Names keys.
    ///   - log: Where losses are recorded.
    public init(link: Link, safety: StoreSafety, calls: CallTable, keyspace: Keyspace, log: Log) {
        self.link = link
        self.safety = safety
        self.calls = calls
        self.keyspace = keyspace
        self.log = log
        var agent: [UInt8] = []
        agent.append(hexadecimal: .random(in: 0 ... .max))
        self.agent = agent
        stem = keyspace.prefix + Array("__squire:agent:".utf8)
        graph = keyspace.prefix + Array("lock-graph".utf8)
        for script in LeaseScripts.all { link.register(script) }
        calls.addObserver(self)
        calls.addCanceller(self)
    }

    /// Leases that are held, and waits, of this agent's connections.
    public var use: (held: Int, waiting: Int) {
        let waiting = waits.values.reduce(0) { $0 + $1.leases.count }
        return (leases.values.count { $0.state == .held }, waiting)
    }

    // MARK: Asking

    /// Asks for a lease; the owner is told of what becomes of it.
    ///
    /// - Parameters:
    ///   - wish: What is wanted.
    ///   - id: The lease's name, where the same wish was made before or will be made again; nil for a new one.
    ///   - request: Who asks.
    ///   - peer: The connection for which it is.
    ///   - owner: Told of everything; it must live as long as the agent.
    /// - Returns: The lease.
    /// - Throws: ``RPCError`` where it cannot be asked for: the connection's process has ended.
    @discardableResult
    public func acquire(
        _ wish: LeaseWish,
        id: LeaseID? = nil,
        for request: LeaseRequest,
        of peer: Peer,
        owner: any LeaseOwner
    ) throws(RPCError) -> Lease {
        guard !isEnding else {
            throw RPCError(.shuttingDown, "the agent is shutting down", outcome: .notApplied)
        }
        if let id, let known = ids[id] {
            // The same request again: whoever made it now has what came of it, and takes the place in the queue.
            takeOver(known)
        }
        let lease = try register(wish, id ?? newName(), request, peer, owner)
        if safety.isKnown {
            ask(lease)
        } else {
            Task { @EventLoop in
                await self.safety.check()
                self.ask(lease)
            }
        }
        return lease
    }

    private func newName() -> LeaseID {
        if names.isEmpty { names = LeaseID.make(16) }
        return names.removeLast()
    }

    /// Takes a lease in among those of a connection.
    func register(
        _ wish: LeaseWish,
        _ id: LeaseID,
        _ request: LeaseRequest,
        _ peer: Peer,
        _ owner: any LeaseOwner,
        party: [UInt8]? = nil
    ) throws(RPCError) -> Lease {
        if wish.isBound { try calls.bind(toProcessOf: peer) }
        let holder = holder(of: peer)
        lastNumber += 1
        let lease = Lease(
            id,
            wish,
            number: lastNumber,
            holder: holder,
            party: party ?? wish.owner.map { Leases.party($0, of: request.userID) } ?? holder.party,
            request,
            owner: owner
        )
        leases[lease.number] = lease
        ids[id] = lease
        holder.leases[id] = lease
        if wish.isBound {
            peer.bindings += 1
            peer.leases += 1
        }
        return lease
    }

    /// Ends what the same request made before, which asks for the same lease again: its place in the queue stays.
    func takeOver(_ known: Lease) {
        let isOpen = known.isOpen
        deferred.removeAll { $0 === known }
        unregister(known)
        if isOpen { unsafe known.owner.leaseFailed(known, Leases.takenOver) }
        known.isAbandoned = true
    }

    /// The error of a call in whose place the same request waits.
    static let takenOver = RPCError(
        .conflict,
        "the same request was made again, and its later call has what comes of it",
        outcome: .notApplied
    )

    /// What is kept of a connection.
    func holder(of peer: Peer) -> PeerLeases {
        if let known = peers[ObjectIdentifier(peer)] { return known }
        lastParty += 1
        let holder = PeerLeases(peer, party: agent + Array("-\(lastParty)".utf8))
        peers[ObjectIdentifier(peer)] = holder
        return holder
    }

    /// The name of a party that a user named: the same for all agents, and nobody else's.
    private static func party(_ owner: [UInt8], of userID: UInt32) -> [UInt8] {
        var buffer = ByteBuffer()
        buffer.append("u")
        buffer.append(decimal: Int64(userID))
        buffer.append("-")
        owner.withByteView { Base64.encode($0, to: &buffer) }
        return buffer.view.copy()
    }

    /// Forgets a lease that is over.
    func unregister(_ lease: Lease) {
        guard lease.state != .ended else { return }
        lease.state = .ended
        lease.cancelTimer()
        leases[lease.number] = nil
        if ids[lease.id] === lease { ids[lease.id] = nil }
        if lease.holder.leases[lease.id] === lease { lease.holder.leases[lease.id] = nil }
        if lease.wish.isBound {
            lease.peer.bindings -= 1
            lease.peer.leases -= 1
        }
        forgetWait(lease)
    }

    /// Asks Valkey.
    ///
    /// - Parameters:
    ///   - lease: The lease.
    ///   - isHeard: Whether it is asked for although this agent may not listen.
    func ask(_ lease: Lease, isHeard: Bool = false) {
        guard lease.state != .ended else { return }
        if let error = safety.error { return fail(lease, error) }
        if lease.isAbandoned { return unregister(lease) }
        lease.state = .asking
        if departing[lease.id] != nil { return askLater(lease) }
        // Whoever waits must hear of its turn.
        if lease.wish.waitMilliseconds != 0, !isHeard, news?.isListening != true { return askLater(lease) }
        if lease.wish.waitMilliseconds != 0, lease.waitEnd <= lease.deadline { scheduleWaitEnd(lease) }
        lease.isGranted = false
        lease.sent = .now
        if lease.wish.replicas != nil { return askDurably(lease) }
        link.send(request(.acquire, lease, lease.answerDeadline), lane: lease.lane) {
            append(acquisitionOf: lease, to: &$0)
        }
    }

    func append(acquisitionOf lease: Lease, to command: inout ByteBuffer) {
        let wish = lease.wish
        command.append(callOf: LeaseScripts.acquire, keys: 2, arguments: 8)
        append(headOf: wish.place, to: &command)
        command.append(word: lease.id.text)
        command.append(word: wish.weight)
        command.append(word: wish.capacity)
        command.append(word: wish.lifeMilliseconds)
        command.append(word: wish.waitMilliseconds == 0 ? 0 : Leases.waitLifeMilliseconds)
        let user = UInt64(lease.userID)
        let about = lease.holder.text(of: lease.description)
        command.append(wordOf: ByteBuffer.digitCount(user) + agent.count + lease.party.count + about.count + 3)
        command.append(decimal: user)
        for part in [agent, lease.party, about] {
            command.append(UInt8(ascii: " "))
            command.append(part)
        }
        command.append("\r\n")
    }

    /// Appends the keys of a script, and its first two arguments.
    func append(headOf place: LeasePlace, to command: inout ByteBuffer) {
        place.append(to: &command)
        command.append(word: stem)
        command.append(word: place.kind == .leader ? newsChannel(of: place) : [])
    }

    func request(_ operation: Operation, _ lease: Lease, _ deadline: Instant) -> CommandRequest {
        CommandRequest(
            receiver: self,
            completion: Completion(operation: operation.rawValue, call: lease.number),
            effect: .idempotentWrite,
            deadline: deadline
        )
    }

    /// The channel that is told when the holder of a place changes.
    public func newsChannel(of place: LeasePlace) -> [UInt8] {
        keyspace.prefix + Array("__squire:changed:".utf8) + place.key
    }

    /// Ends a lease that was not had.
    func fail(_ lease: Lease, _ error: RPCError) {
        guard lease.state != .ended else { return }
        unregister(lease)
        if !lease.isAbandoned { unsafe lease.owner.leaseFailed(lease, error) }
    }

    /// Ends a lease that is not had yet and that nobody wants any more; its owner is not told.
    ///
    /// What Valkey is being asked for stays known until its fate is: then it is released.
    func forsake(_ lease: Lease) {
        let isDeferred = deferred.contains { $0 === lease }
        if lease.state == .asking, !isDeferred {
            lease.isAbandoned = true
            lease.cancelTimer()
            return
        }
        deferred.removeAll { $0 === lease }
        letGo(lease)
        unregister(lease)
    }
}

extension ByteBuffer {
    /// Appends bytes as a word of a command.
    mutating func append(word bytes: [UInt8]) {
        bytes.withByteView { append(word: $0) }
    }
}
