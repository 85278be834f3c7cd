import EventLoop
import JSONRPC
import Linux

/// What a call asks for that would compute a missing entry.
struct LeaseWish {
    /// The call.
    let call: CallID
    /// Its connection.
    let peer: Peer
    /// Its lane.
    let lane: Int
    /// When it must have been answered.
    let deadline: Instant
    /// When it would rather have a plain miss than wait on.
    let until: Instant
    /// How long it would hold the lease, in milliseconds.
    let leaseMilliseconds: Int64

    /// Whether it said for how long it would wait, which then counts while Valkey is being asked too; who would wait for
    /// nobody, or has a stale value at hand, waits for that answer.
    var isPatient: Bool
    /// Whether it must not be answered with what was there before it came, whoever asked for that.
    var isFresh = false
    /// Whether Valkey was asked, last, when it waited already.
    var isAsked = false

    /// When it is answered at the latest.
    ///
    /// - Parameter isAsked: Whether Valkey is being asked.
    /// - Returns: The moment.
    func end(isAsked: Bool) -> Instant { isAsked && !isPatient ? deadline : min(until, deadline) }
}

/// An entry that is not there, and who computes it or waits for it.
final class LeasedKey {
    /// A question for a lease.
    struct Question {
        /// The lease.
        let token: [UInt8]
        /// Whose commands are executed in the order sent.
        let lane: Int
        /// When the lease would be over, were it given now.
        let end: Instant
        /// For how long it was asked, in milliseconds: as whoever had waited longest wished.
        let leaseMilliseconds: Int64
        /// Whether the lease may be given although nobody was told, by this question or one before it.
        var mayBeGiven = false
    }

    /// Who computes the entry on this host.
    struct Holder {
        let token: [UInt8]
        let peer: Peer
        /// When the lease was given, and so before anything was read to compute the entry: microseconds by the server's
        /// clock, for an entry of this host alone nanoseconds by the host's own; 0 where nobody knows.
        let begun: Int64
        let end: Instant
        /// Whether the lease was given while Valkey was away.
        let isLocal: Bool
        /// Whether it may be known in Valkey, and is to be ended there.
        let mayBeKnown: Bool
    }

    /// Waits until an entry may be kept that was there, and whose tags must be asked for; see ``SecondSteps``.
    struct AwaitedTurn {
        /// Which of the waits of the key it is.
        let number: Int
        /// How much is to be kept.
        let bytes: Int
        /// The connections whose turn is awaited: the first that comes is taken.
        var peers: Set<ObjectIdentifier> = []
    }

    /// A connection's turn that has come: Valkey is asked anew.
    struct Turn {
        let peer: Peer
        let bytes: Int
    }

    /// Full name of the entry's key.
    let name: [UInt8]
    /// Number of its namespace.
    let namespace: UInt16
    /// By what completions name it.
    let number: UInt32
    /// The one on this host who computes it.
    var holder: Holder? {
        didSet {
            oldValue?.peer.computations -= 1
            holder?.peer.computations += 1
        }
    }
    /// Whether the entry may have been written or removed since the holder got the lease, which would have ended it.
    var isDoubtful = false
    /// Whether an entry that cannot be read has been removed from the lease's place.
    var hasPurged = false
    /// Times that the entry was to be removed because its tags had moved on.
    var removals = 0
    /// Whether the holder computes what is there already, and may be served until it is done.
    var isRefresh = false
    /// When the lease ends that runs elsewhere.
    var foreignEnd = Instant.distantFuture
    /// The lease that Valkey is being asked for.
    var asked: Question?
    /// The last question that got no answer: Valkey may give its lease yet, or has.
    var unanswered: Question?
    /// The turn that is awaited, while the question rests.
    var awaited: AwaitedTurn?
    /// How many turns were awaited.
    var turnsAwaited = 0
    /// The turn that the question has.
    var turn: Turn?
    /// Whether there was news since Valkey was asked.
    var isNews = false
    /// Who waits, the longest first.
    var waiters: [LeaseWish] = []
    var timer: TimerID?
    var timerInstant = Instant.distantFuture

    /// The stripe of ``NearCache`` that the name is in.
    let stripe: Int

    init(name: [UInt8], namespace: UInt16, number: UInt32, stripe: Int) {
        self.name = name
        self.stripe = stripe
        self.namespace = namespace
        self.number = number
    }
}

/// The entries that somebody on this host computes or waits for.
struct LeaseTable: ~Copyable {
    /// Most entries that are computed over one connection at a time.
    static let computationsMax = 4096

    private var keys: [[UInt8]: LeasedKey] = [:]
    private var numbers: [UInt32: LeasedKey] = [:]
    private var stripes: [Int: [LeasedKey]] = [:]
    private var last: UInt32 = 0
    /// The leases that calls end.
    var ending: [CallID: (key: LeasedKey, holder: LeasedKey.Holder)] = [:]
    /// What Valkey is being told of the end of, by number.
    var releases: [UInt32: LeaseRelease] = [:]
    private var lastRelease: UInt32 = 0
    /// Leases given since the start.
    var granted: UInt64 = 0

    init() {}

    var isEmpty: Bool { keys.isEmpty }

    var all: [LeasedKey] { Array(keys.values) }

    /// Those whose names are in a stripe of ``NearCache``.
    func inStripe(_ stripe: Int) -> [LeasedKey] { stripes[stripe] ?? [] }

    subscript(name: [UInt8]) -> LeasedKey? { keys[name] }

    subscript(number: UInt32) -> LeasedKey? { numbers[number] }

    /// The key of a name, which is taken in where it is not there.
    mutating func key(_ name: [UInt8], _ namespace: UInt16, stripe: Int) -> LeasedKey {
        if let known = keys[name] { return known }
        repeat { last &+= 1 } while numbers[last] != nil
        let key = LeasedKey(name: name, namespace: namespace, number: last, stripe: stripe)
        keys[name] = key
        numbers[last] = key
        stripes[stripe, default: []].append(key)
        return key
    }

    /// Takes note of a lease that Valkey is told of the end of.
    ///
    /// - Returns: Its number among ``releases``, never 0.
    mutating func begin(_ release: LeaseRelease) -> UInt32 {
        repeat { lastRelease &+= 1 } while lastRelease == 0 || releases[lastRelease] != nil
        releases[lastRelease] = release
        return lastRelease
    }

    mutating func remove(_ key: LeasedKey) {
        // Another may have come in its place, while a call that ends its lease ran.
        if keys[key.name] === key { keys[key.name] = nil }
        numbers[key.number] = nil
        stripes[key.stripe]?.removeAll { $0 === key }
        if stripes[key.stripe]?.isEmpty == true { stripes[key.stripe] = nil }
    }
}

/// A lease that Valkey is to end.
struct LeaseRelease {
    /// Full name of the entry's key.
    let name: [UInt8]
    let token: [UInt8]
    /// Whose commands are executed in the order sent.
    let lane: Int
    /// When it is over by itself.
    let end: Instant
    /// How long to wait before Valkey is told again, where it could not be told.
    var delay = Duration.milliseconds(50)
}
