public import EventLoop
public import JSONRPC
public import Linux
public import Store

/// What somebody asks for: places of a lock, a semaphore or an election, and how they are to be kept.
public struct LeaseWish: Sendable {
    /// What is leased.
    public var place: LeasePlace
    /// Places wanted, 1...`capacity`.
    public var weight: Int64
    /// Places that there are.
    public var capacity: Int64
    /// Life of the lease, in milliseconds.
    public var lifeMilliseconds: Int64
    /// How long to wait for it, in milliseconds; 0 for not at all, nil for no end.
    public var waitMilliseconds: Int64?
    /// Whether the lease belongs to the connection: renewed by the agent while it lives, and released when it ends.
    public var isBound: Bool
    /// How long the agent renews without hearing from the client, in milliseconds.
    public var holdMilliseconds: Int64
    /// The name of the party, one of the user's; nil where the connection is the party.
    public var owner: [UInt8]?
    /// What the party calls itself, as JSON text with its quotes.
    public var label: [UInt8]?
    /// How many replicas must know of the lease, and how long to wait for them, in milliseconds; nil for none.
    public var replicas: (count: Int64, waitMilliseconds: Int64)?

    /// A wish for all of a place, bound to the connection.
    public init(_ place: LeasePlace, lifeMilliseconds: Int64) {
        self.place = place
        weight = LeaseWeight.all
        capacity = LeaseWeight.all
        self.lifeMilliseconds = lifeMilliseconds
        waitMilliseconds = 0
        isBound = true
        holdMilliseconds = .max
    }
}

/// Why a lease was not had, or not for long.
public enum LeaseLoss: Sendable {
    /// Valkey could not be asked for a renewal in time.
    case unreachable
    /// An operator revoked it.
    case broken
    /// Valkey does not know it any more.
    case gone
    /// The agent renewed it for as long as it may without hearing from the client.
    case heldTooLong
    /// The client, who renews it itself, did not.
    case expired
    /// The process that made the connection has ended, and with it its leases, although the connection lives.
    case processEnded

    /// The word on the wire.
    public var word: StaticString {
        switch self {
        case .unreachable: "unreachable"
        case .broken: "broken"
        case .gone: "gone"
        case .heldTooLong: "held_too_long"
        case .expired: "expired"
        case .processEnded: "process_ended"
        }
    }
}

/// Who holds what was not had, by the last that is known.
public struct LeaseRefusal: Sendable {
    /// One of the holders.
    public var holder: LeaseRecord?
    /// Milliseconds until the earliest lease ends, unless it is renewed.
    public var retryAfterMilliseconds: Int64
}

/// Whoever asks for leases for clients.
@EventLoop
public protocol LeaseOwner: AnyObject {
    /// The lease is held from now on.
    func leaseGranted(_ lease: Lease)
    /// The lease stands in the queue. Told once, where it was not had at once.
    func leaseWaits(_ lease: Lease)
    /// The lease was not had in the time that the client would wait; it is over.
    func leaseRefused(_ lease: Lease, _ refusal: LeaseRefusal)
    /// The lease was not had for this reason; it is over.
    func leaseFailed(_ lease: Lease, _ error: RPCError)
    /// The lease, which was held, can no longer be relied on.
    func leaseLost(_ lease: Lease, _ loss: LeaseLoss)
}

/// One lease, from being asked for until its end.
@EventLoop
public final class Lease {
    enum State {
        /// Valkey is being asked.
        case asking
        /// It stands in the queue.
        case waiting
        /// It was granted, and is being taken.
        case claiming
        /// It was granted, and is renewed, but replicas do not know of it yet.
        case confirming
        /// It is held.
        case held
        /// It was revoked: it is not renewed, and waits for its holder to end it.
        case revoked
        /// It is over.
        case ended
    }

    /// Its name.
    public let id: LeaseID
    /// What was asked for.
    public let wish: LeaseWish
    /// Who asked, by the kernel's word.
    public let userID: UInt32
    /// The call that waits for it; of the owner's use.
    public var call: CallID?
    /// A number of the owner's own.
    public let tag: UInt64
    /// By what name it was asked for, where the outcome is to be remembered.
    public let remembered: RememberedRequest?
    /// The fence, once it is held.
    public internal(set) var fence: Int64 = 0
    /// When it is to be relied on no more, while it is held.
    public var validUntil: Instant { clock.validUntil }
    /// The connection that it belongs to.
    public var peer: Peer { holder.peer }

    /// By what completions name it.
    let number: UInt64
    unowned(unsafe) let owner: any LeaseOwner
    let holder: PeerLeases
    let party: [UInt8]
    let lane: Int
    /// When whoever asked stops waiting for any answer.
    let deadline: Instant
    /// When whoever asked would rather have a "no".
    let waitEnd: Instant
    var description: LeaseDescription
    var state = State.asking
    var clock: LeaseClock
    /// When it was asked for or claimed last.
    var sent = Instant.now
    /// When its renewal was asked for last.
    var renewalSent = Instant.now
    var timer: TimerID?
    var isRenewing = false
    /// When a renewal that failed is tried again.
    var retryAt: Instant?
    /// Whether nobody wants it any more; it is released as soon as its fate is known.
    var isAbandoned = false
    /// Whether news of its being granted came before the answer that it waits.
    var isGranted = false
    /// Whether the owner knows that it waits.
    var isWaitTold = false
    /// Whether its wait counts among those of the waits-for graph.
    var isListed = false
    /// Whether it stands among the waits that are to be looked at for cycles.
    var isToBeLookedAt = false
    /// Whether it was looked for a cycle since its wait began.
    var isEntered = false
    /// Counts the attempts to have replicas know of it: the end of an earlier one says nothing.
    var attempt = 0
    var refusal = LeaseRefusal(holder: nil, retryAfterMilliseconds: 0)

    init(
        _ id: LeaseID,
        _ wish: LeaseWish,
        number: UInt64,
        holder: PeerLeases,
        party: [UInt8],
        _ request: LeaseRequest,
        owner: any LeaseOwner
    ) {
        self.id = id
        self.wish = wish
        self.number = number
        self.holder = holder
        self.party = party
        userID = request.userID
        call = request.call
        tag = request.tag
        remembered = request.remembered
        lane = request.lane
        deadline = request.deadline
        unsafe self.owner = owner
        let now = EventLoop.reactor.now
        waitEnd = wish.waitMilliseconds.map { request.asked.advanced(milliseconds: $0) } ?? .distantFuture
        clock = LeaseClock(life: wish.lifeMilliseconds, hold: wish.holdMilliseconds, at: now)
        description = LeaseDescription(
            label: wish.label,
            host: Leases.hostName,
            isBound: wish.isBound,
            holdMilliseconds: wish.holdMilliseconds
        )
    }

    /// What the client shows to renew or end it.
    public var token: LeaseToken { LeaseToken(id, wish.place.name) }

    /// Whether it is held, and can be relied on at this moment.
    public var isHeld: Bool { state == .held && Instant.now < clock.validUntil }

    /// For how long it can be relied on unless it is renewed, in whole milliseconds, at least 0.
    public var lifeLeft: Int64 { max(clock.validUntil.milliseconds(since: .now), 0) }

    /// When Valkey ends it by itself, whatever became of the requests that were sent.
    var latestEnd: Instant {
        max(clock.end, max(sent, renewalSent).advanced(milliseconds: clock.lifeMilliseconds))
    }

    /// Whether it is still to be had.
    var isOpen: Bool {
        switch state {
        case .asking, .waiting, .claiming, .confirming: !isAbandoned
        case .held, .revoked, .ended: false
        }
    }

    /// Whether Valkey granted it, and this agent sees to its life.
    var isKept: Bool { state == .held || state == .confirming }

    /// Whether this agent renews it by itself: also one that the client renews, while it does not know of it yet.
    var isRenewed: Bool { wish.isBound || state == .confirming }

    /// Whether it was never had, or is no longer.
    public var isOver: Bool { state == .ended }

    /// When Valkey must have answered: the call's deadline, where one waits.
    var answerDeadline: Instant {
        call == nil ? EventLoop.reactor.now.advanced(by: Leases.backgroundTimeout) : deadline
    }

    func cancelTimer() {
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = nil
    }
}

/// Who asks for a lease, and until when.
public struct LeaseRequest: Sendable {
    /// The call, where one waits.
    public var call: CallID?
    /// Whose commands are executed in order.
    public var lane: Int
    /// When an answer must have come.
    public var deadline: Instant
    /// Who asks, by the kernel's word.
    public var userID: UInt32
    /// A number of the owner's own, by which it knows its lease again.
    public var tag: UInt64 = 0
    /// The request's name, where its outcome is to be remembered.
    public var remembered: RememberedRequest?
    /// When it was asked for; from here on a wait counts.
    public var asked = Instant.now

    /// Names who asks.
    public init(call: CallID?, lane: Int, deadline: Instant, userID: UInt32) {
        self.call = call
        self.lane = lane
        self.deadline = deadline
        self.userID = userID
    }
}

/// The leases of one connection.
@EventLoop
final class PeerLeases {
    let peer: Peer
    /// The connection as a party.
    let party: [UInt8]
    var leases: [LeaseID: Lease] = [:]
    /// What is told of the connection's leases, for those that are described alike.
    private var about: (description: LeaseDescription, text: [UInt8])?

    /// The text of a description; a connection's leases mostly have the same.
    func text(of description: LeaseDescription) -> [UInt8] {
        if let about, about.description == description { return about.text }
        let text = description.text
        about = (description, text)
        return text
    }

    init(_ peer: Peer, party: [UInt8]) {
        self.peer = peer
        self.party = party
    }
}
