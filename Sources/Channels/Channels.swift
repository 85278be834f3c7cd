import Bytes
public import Contract
public import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
public import Valkey

/// The methods `channel.*`: messages to whoever is subscribed now, at most once, in order, at the lowest latency.
///
/// However many clients subscribe to a channel, Valkey is subscribed to it once. The messages of a turn
/// of the loop are written once, and copied into one connection's output after the other, which is sent at once. For a
/// connection that takes no output they wait in the subscription's bounded queue, so that nobody waits for a slow
/// reader, and no memory grows with it.
@EventLoop
public final class Channels {
    /// Counts since the start.
    public struct Counts: Sendable {
        /// Messages published by clients of this agent.
        public var published: UInt64 = 0
        /// Messages handed to connections.
        public var delivered: UInt64 = 0
        /// Messages that a subscription's filter kept away.
        public var filtered: UInt64 = 0
        /// Messages dropped because a connection did not take them.
        public var dropped: UInt64 = 0
        /// Subscriptions ended because their connection did not take their messages.
        public var slowConsumers: UInt64 = 0
    }

    enum Operation: UInt32 {
        case publish
        case publishRemembered
    }

    /// Output of a connection, in bytes, from which on what waits stays in the queues until that was sent.
    static let outputBytesHigh = 64 << 10

    /// Counts since the start.
    public internal(set) var counts = Counts()
    /// Bounds that the configuration sets; what is replaced while calls run holds for new subscriptions.
    public var settings: ChannelSettings
    /// Subscriptions that there are.
    public internal(set) var subscriptionCount = 0
    /// Bytes of messages that wait for connections to take them.
    public internal(set) var queuedBytes = 0
    let link: Link
    let calls: CallTable
    let keyspace: Keyspace
    /// The messages of the turn.
    var log: MessageLog
    /// Subscriptions for which the turn has messages.
    var gathering: [ChannelSubscription] = []
    var subscriptions: [ObjectIdentifier: [ChannelSubscription]] = [:]
    var lastNumber: UInt64 = 0

    /// Serves the methods from a store.
    public init(link: Link, calls: CallTable, keyspace: Keyspace, settings: ChannelSettings = ChannelSettings()) {
        self.link = link
        self.calls = calls
        self.keyspace = keyspace
        self.settings = settings
        log = MessageLog(prefixLength: keyspace.prefix.count, depthMax: calls.limits.depthMax)
        link.register(ChannelScripts.publish)
        calls.addObserver(self)
        calls.addCanceller(self)
    }

    /// Begins to hand messages on; before the server starts, so that it sends them in the same turn.
    public func start() {
        EventLoop.reactor.addTurnHandler(self)
    }

    /// Answers `channel.publish`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the channel is not usable.
    public func publish(_ parameters: ChannelPublishParameters, _ context: CallContext) throws(RPCError) {
        let name = keyspace.prefix + (try channel(parameters.channel, parameter: "channel")).copy()
        guard let request = parameters.requestID else {
            return send(.publish, .write, context) { command in
                command.append(commandOf: 3)
                command.append(word: "PUBLISH")
                name.withByteView { command.append(word: $0) }
                command.append(word: parameters.message.text)
            }
        }
        let remembered = try RememberedRequest(
            request,
            context,
            method: "channel.publish",
            key: name,
            keyspace: keyspace,
            parameters: { $0.append(parameters.message.text) }
        )
        send(.publishRemembered, .idempotentWrite, context) { command in
            command.append(callOf: ChannelScripts.publish, keys: 2, arguments: 4)
            // The script knows a record as its second key; a channel is none.
            remembered.appendKey(to: &command)
            remembered.appendKey(to: &command)
            RememberedRequest.appendArguments(remembered, to: &command)
            name.withByteView { command.append(word: $0) }
            command.append(word: parameters.message.text)
        }
    }

    /// The bytes of a channel's name or pattern, lent until the keyspace resolves another.
    func channel(_ string: JSONString, parameter: String) throws(RPCError) -> ByteView {
        let name = try keyspace.resolve(string, parameter: parameter)
        guard !name.hasPrefix("__") else {
            let reason = "\(parameter) must not begin with __: such channels are Valkey's"
            throw .invalidParams(reason, parameter: parameter)
        }
        return name
    }

    private func send(
        _ operation: Operation,
        _ effect: CommandEffect,
        _ context: CallContext,
        _ encode: (inout ByteBuffer) -> Void
    ) {
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: operation.rawValue, call: context.call.rawValue),
            effect: effect,
            deadline: context.deadline
        )
        link.send(request, lane: context.lane, encode)
    }
}

/// Bounds on channels.
public struct ChannelSettings: Equatable, Sendable {
    /// Most messages that wait for a subscriber that names no bound.
    public var queueMax: Int
    /// Most bytes of messages that wait for one subscriber; a single message may be longer.
    public var queueBytesMax: Int
    /// Most bytes of messages that wait in all queues; what many wait for counts for each.
    public var queuedBytesMax: Int
    /// Most subscriptions of one connection.
    public var subscriptionsMax: Int

    /// Bounds; by default those of the configuration's defaults.
    public init(
        queueMax: Int = 4096,
        queueBytesMax: Int = 1 << 20,
        queuedBytesMax: Int = 256 << 20,
        subscriptionsMax: Int = 1024
    ) {
        self.queueMax = queueMax
        self.queueBytesMax = queueBytesMax
        self.queuedBytesMax = queuedBytesMax
        self.subscriptionsMax = subscriptionsMax
    }
}

extension Channels: ReplyReceiver {
    /// Answers the publisher.
    public func received(_ reply: Reply, _ completion: Completion) {
        let call = CallID(rawValue: completion.call)
        let isRemembered = completion.operation == Operation.publishRemembered.rawValue
        if reply.kind == .error || reply.kind == .tooLarge {
            return calls.fail(call, RPCError(refusal: reply, isRemembered ? .idempotentWrite : .write))
        }
        counts.published += 1
        calls.reply(call) { result in
            result.append("{\"receivers\":")
            if isRemembered {
                result.append(reply.bytes)
            } else {
                result.append(decimal: reply.integer)
            }
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Tells the publisher that there is no reply.
    public func failed(_ failure: LinkFailure, _ completion: Completion) {
        var error = RPCError(failure)
        // The outcome is remembered: repeating the request does no harm, whatever became of it.
        if completion.operation == Operation.publishRemembered.rawValue { error.isRetryable = true }
        calls.fail(CallID(rawValue: completion.call), error)
    }
}

/// The Lua scripts of channels.
@EventLoop
enum ChannelScripts {
    /// Publishes ARGV[4] to the channel ARGV[3], once for the record KEYS[2]; answers the number of receivers.
    ///
    /// ARGV[1] and ARGV[2] belong to ``RememberedRequest``.
    static let publish = Script(
        """
        -- squire channel.publish 1
        \(RememberedRequest.luaRecall)
        local outcome = tostring(redis.call('PUBLISH', ARGV[3], ARGV[4]))
        \(RememberedRequest.luaRemember)
        return outcome
        """
    )
}
