import Bytes
import EventLoop
import JSONRPC
import Linux
import Store
import Valkey

/// One client's subscription: a consumer of a group.
@EventLoop
final class TopicSubscription: SubscriptionHandler {
    /// What the subscriber asked for.
    struct Terms {
        /// Most messages in its hands.
        var credit: Int
        /// How long it has a message, in milliseconds.
        var ackMilliseconds: Int64
        /// Deliveries after which a message is dead; 0 for no end.
        var deliveriesMax: Int64
        /// Where the group begins where it is new, as Valkey takes it.
        var from: [UInt8]
    }

    /// Its number, of which its names are made.
    let number: UInt64
    /// Its name on the wire.
    let name: String
    /// Its name in Valkey.
    let consumer: [UInt8]
    /// What the parameters of its notifications begin with.
    let head: [UInt8]
    /// The subscriptions of the connection that it belongs to.
    let holder: PeerTopics
    /// What was asked for.
    let terms: Terms
    /// The group that it takes part in.
    let group: TopicGroup
    /// The messages in its hands.
    var leases = LeaseTable()
    /// The messages that were handed to its connection and not settled when it ended, each with the number of its delivery.
    var delivered: [(id: MessageID, deliveries: Int64)] = []
    /// The call that waits for its beginning.
    var call: CallID?
    /// When that call must have been answered.
    let deadline: Instant
    /// Its share in the channel that wakes; nil where that is lost.
    var upstream: Subscription?
    /// Times that the share was lost.
    var losses = 0
    /// Whether it is a consumer: the call was answered.
    var isJoined = false
    /// The call that ended it, until Valkey was told.
    var ending: CallContext?
    /// Whether Valkey has been asked to take the consumer in, which may make the group.
    var isJoining = false
    /// Whether nothing is sent any more.
    var isEnded = false
    /// Whether it stands in line until messages can be asked for.
    var isInLine = false
    /// Calls on their way that settle messages of it.
    var settling = 0
    /// Tells Valkey of its end, as soon as those are answered.
    var release: (@EventLoop () -> Void)?
    // The feature lives as long as the process.
    private unowned(unsafe) let topics: Topics

    init(
        number: UInt64,
        agent: String,
        _ holder: PeerTopics,
        _ call: CallID,
        _ terms: Terms,
        _ group: TopicGroup,
        deadline: Instant,
        of owner: Topics
    ) {
        self.number = number
        name = "topic-\(number)"
        consumer = Array("\(agent).\(number)".utf8)
        head = Array("{\"subscription\":\"\(name)\"".utf8)
        self.holder = holder
        self.call = call
        self.terms = terms
        self.group = group
        self.deadline = deadline
        unsafe topics = owner
    }

    /// The connection that it belongs to.
    var peer: Peer { holder.peer }

    /// How many messages it takes now; 0 while its connection takes no output.
    var openCredit: Int {
        guard isJoined, !isEnded, holder.takesOutput else { return 0 }
        return max(terms.credit - leases.count, 0)
    }

    func subscriptionBegan(_ subscription: Subscription) {
        unsafe topics.listens(self)
    }

    func subscriptionEnded(_ subscription: Subscription, _ failure: SubscriptionFailure) {
        unsafe topics.listensNoMore(self, failure)
    }

    func received(_ message: PublishedMessage, _ subscription: Subscription) {
        unsafe topics.fetch(group)
    }

    func messagesMayBeMissing(_ subscription: Subscription, _ reason: GapReason) {
        unsafe topics.fetch(group)
    }
}

/// What the consumers of one agent in one group share: their questions for messages.
@EventLoop
final class TopicGroup {
    /// A question on its way.
    struct Fetch {
        /// Whom the answer is for, in the order of the question.
        var consumers: [TopicSubscription]
        /// When it was sent.
        var sent: Instant
    }

    /// Its number, by which replies find it.
    let number: UInt32
    /// What it is called in Valkey.
    let keys: GroupKeys
    /// Its consumers here.
    var subscriptions: [TopicSubscription] = []
    /// When Valkey is asked for messages.
    var schedule = FetchSchedule()
    /// The question on its way.
    var running: Fetch?
    var timer: TimerID?
    /// Which life of the group in Valkey the agent knows; empty before it knows one.
    var generation: [UInt8] = []
    /// Forced trims that passed the group, so far as the agent knows.
    var trims: Int64 = 0
    /// Whether messages may have been delivered of which the agent knows nothing.
    var isUncertain = false
    /// When Valkey was last told that the agent is there.
    var lastSeen: Instant?
    /// When the consumers of agents that are gone were last looked for.
    var lastSwept: Instant?
    /// Which consumer comes first in the next question.
    var turn = 0
    /// Whether the last question failed, which is logged once.
    var isFailing = false

    init(number: UInt32, _ keys: GroupKeys) {
        self.number = number
        self.keys = keys
    }

    /// Commands of one group are carried out in the order sent.
    var lane: Int { Int(number) }
}
