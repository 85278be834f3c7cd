import Bytes
import Contract
public import EventLoop
public import JSONRPC
import Linux
public import Observability
public import Store
public import Valkey

/// The methods `topic.*`: messages that stay until they were handled, at least once, in order.
///
/// A topic is a stream in Valkey, a group one of its consumer groups with three keys beside it; ``TopicScripts`` says
/// how they hang together. Whatever changes whose a message is, is one script. The agent asks for messages on behalf of
/// all its consumers of a group at once, as many as they take, when it is woken by the channel on which each
/// publication is announced, when something is due again, and every few seconds in case it was not woken.
@EventLoop
public final class Topics {
    /// Counts since the start.
    public struct Counts: Sendable {
        /// Messages published by clients of this agent.
        public var published: UInt64 = 0
        /// Publications refused because the topic was full.
        public var refused: UInt64 = 0
        /// Messages handed to connections.
        public var delivered: UInt64 = 0
        /// Those of them that had been delivered before.
        public var redelivered: UInt64 = 0
        /// Messages that were handled.
        public var acked: UInt64 = 0
        /// Messages that were given back.
        public var nacked: UInt64 = 0
        /// Answers to messages that were no longer the subscription's.
        public var lost: UInt64 = 0
        /// Leases whose time was over.
        public var expired: UInt64 = 0
        /// Messages moved to the dead letters.
        public var dead: UInt64 = 0
        /// Times that subscriptions were told that messages are missing, or may come again.
        public var gaps: UInt64 = 0

        /// Every count with its name, for statistics.
        public var all: [(name: String, value: UInt64)] {
            [
                ("published", published), ("refused", refused), ("delivered", delivered),
                ("redelivered", redelivered), ("acked", acked), ("nacked", nacked), ("lost", lost),
                ("expired", expired), ("dead", dead), ("gaps", gaps),
            ]
        }
    }

    enum Operation: UInt32 {
        case publish
        case publishRemembered
        case settle
        case fetch
    }

    /// Most subscriptions of one connection.
    static let subscriptionsMax = 1024
    /// How long Valkey may take to answer a question for messages.
    static let fetchTimeout = Duration.seconds(30)

    /// Counts since the start.
    public internal(set) var counts = Counts()
    /// Bounds that the configuration sets; may be replaced while calls run.
    public var settings: TopicSettings
    let link: Link
    let calls: CallTable
    let keyspace: Keyspace
    let safety: StoreSafety
    let log: Log
    /// The agent's name among the consumers in Valkey.
    let agent = "squire-" + String(UInt64.random(in: .min ... .max), radix: 16)
    /// Groups with consumers here.
    var groups: [[UInt8]: TopicGroup] = [:]
    /// The same by number, and those that wait for an answer.
    var groupsByNumber: [UInt32: TopicGroup] = [:]
    var subscriptions: [UInt64: TopicSubscription] = [:]
    /// The subscriptions by connection.
    var peers: [ObjectIdentifier: PeerTopics] = [:]
    var lastNumber: UInt64 = 0
    var lastGroup: UInt32 = 0
    /// Publications that wait until it is known whether the store may evict.
    var unchecked: [Unchecked] = []
    /// Tells one filling of ``unchecked`` from the next.
    var uncheckedGeneration: UInt64 = 0
    /// What ends the first of them whose caller waits no longer, and when.
    var uncheckedTimer: (id: TimerID, fires: Instant)?
    /// Calls that settle messages and wait for Valkey.
    var settling: [UInt32: SettlingCall] = [:]
    var lastSettling: UInt32 = 0
    /// Consumers whose end Valkey has not been told.
    var releasing = 0
    var isClosing = false

    /// Serves the methods from the state store.
    ///
    /// - Parameters:
    ///   - link: Link to the store that must not evict.
    ///   - safety: Tells whether it may.
    ///   - calls: Where calls are answered.
    ///   - keyspace: Names keys.
    ///   - settings: Bounds that the configuration sets.
    ///   - log: Where trouble is recorded.
    public init(
        link: Link,
        safety: StoreSafety,
        calls: CallTable,
        keyspace: Keyspace,
        settings: TopicSettings,
        log: Log
    ) {
        self.link = link
        self.safety = safety
        self.calls = calls
        self.keyspace = keyspace
        self.settings = settings
        self.log = log
        for script in TopicScripts.all { link.register(script) }
        calls.addObserver(self)
        calls.addCanceller(self)
    }

    /// Subscriptions that there are.
    public var subscriptionCount: Int { subscriptions.count }

    /// Messages in the hands of this agent's clients.
    public var outstanding: Int { subscriptions.values.reduce(0) { $0 + $1.leases.count } }

    /// Whether Valkey has still to be told of subscriptions that ended.
    public var isReleasing: Bool { releasing > 0 }

    /// Sends a command and waits for what is no error.
    ///
    /// - Throws: ``RPCError`` of the link or of Valkey.
    func call(
        _ effect: CommandEffect,
        _ deadline: Instant,
        lane: Int,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(RPCError) -> ReplyValue {
        let reply: ReplyValue
        do throws(LinkFailure) {
            reply = try await link.call(effect, deadline: deadline, lane: lane, encode)
        } catch {
            throw RPCError(error)
        }
        if case .error(let text) = reply { throw text.withByteView { RPCError(topicRefusal: $0, effect) } }
        return reply
    }
}

/// Bounds on topics.
public struct TopicSettings: Sendable {
    /// Most messages in a topic whose publisher names no bound.
    public var lengthMax: Int64
    /// Longest message that is delivered, in bytes; longer ones, which only other clients can write, are dead.
    public var messageBytesMax: Int

    /// Bounds.
    public init(lengthMax: Int64, messageBytesMax: Int) {
        self.lengthMax = lengthMax
        self.messageBytesMax = messageBytesMax
    }
}

extension Topics: ReplyReceiver {
    /// Takes a reply to where it was asked for.
    public func received(_ reply: Reply, _ completion: Completion) {
        guard let operation = Operation(rawValue: completion.operation) else {
            preconditionFailure("a reply to a command that topics did not send")
        }
        let call = CallID(rawValue: completion.call)
        switch operation {
        case .publish: answerPublish(call, reply, .write)
        case .publishRemembered: answerPublish(call, reply, .idempotentWrite)
        case .settle: answerSettling(completion.detail, reply)
        case .fetch: answerFetch(completion.detail, reply)
        }
    }

    /// Tells whoever asked that there is no reply.
    public func failed(_ failure: LinkFailure, _ completion: Completion) {
        guard let operation = Operation(rawValue: completion.operation) else {
            preconditionFailure("a failure of a command that topics did not send")
        }
        var error = RPCError(failure)
        switch operation {
        case .publish: calls.fail(CallID(rawValue: completion.call), error)
        case .publishRemembered:
            // The outcome is remembered: repeating the request does no harm, whatever became of it.
            error.isRetryable = true
            calls.fail(CallID(rawValue: completion.call), error)
        case .settle: failSettling(completion.detail, error)
        case .fetch: failFetch(completion.detail, failure)
        }
    }
}

extension RPCError {
    /// The error reply for the text of an error of Valkey, or of a script of topics.
    init(topicRefusal text: ByteView, _ effect: CommandEffect) {
        if text.hasPrefix(TopicScripts.full) {
            self.init(
                .topicFull,
                "the topic holds as many messages as it may: length_max may be raised, and topic.inspect shows which "
                    + "group has not handled the oldest",
                outcome: .notApplied
            )
        } else if text.hasPrefix(TopicScripts.busy) {
            self.init(.conflict, "the group has subscribers", outcome: .notApplied)
        } else {
            self.init(refusal: text, effect)
        }
    }
}
