import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

/// A call that settles messages and waits for Valkey.
struct SettlingCall {
    /// What is said of the messages.
    enum Kind {
        case ack
        case nack
        case extend
    }

    /// A message that the call names.
    struct Item {
        let id: MessageID
        /// The number of its delivery; nil where it is known not to be the subscription's.
        let deliveries: Int64?
    }

    let kind: Kind
    let call: CallID
    let subscription: TopicSubscription
    /// The messages in the order of the call.
    let items: [Item]
    /// When the command was sent.
    let sent: Instant

    /// Those that Valkey is asked about.
    var asked: [(id: MessageID, deliveries: Int64)] {
        items.compactMap { item in item.deliveries.map { (item.id, $0) } }
    }
}

extension Topics {
    /// Answers `topic.ack`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the subscription or an id is none.
    public func ack(_ parameters: TopicAckParameters, _ context: CallContext) throws(RPCError) {
        let subscription = try subscription(parameters.subscription, context)
        try settle(.ack, subscription, parameters.ids, context) { command, call in
            command.append(callOf: TopicScripts.ack, keys: 5, arguments: 3 + 2 * call.asked.count)
            Topics.appendHolder(subscription, to: &command)
        }
    }

    /// Answers `topic.nack`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the subscription or an id is none.
    public func nack(_ parameters: TopicNackParameters, _ context: CallContext) throws(RPCError) {
        let subscription = try subscription(parameters.subscription, context)
        let delay = parameters.delayMilliseconds
        try settle(.nack, subscription, parameters.ids, context) { command, call in
            let keys = subscription.group.keys
            command.append(callOf: TopicScripts.nack, keys: 5, arguments: 8 + 2 * call.asked.count)
            Topics.appendHolder(subscription, to: &command)
            command.append(word: keys.topic.text)
            command.append(word: keys.wakeChannel)
            command.append(word: keys.deadWakeChannel)
            command.append(word: delay)
            command.append(word: subscription.terms.deliveriesMax)
        }
    }

    /// Answers `topic.extend`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the subscription or an id is none.
    public func extend(_ parameters: TopicExtendParameters, _ context: CallContext) throws(RPCError) {
        let subscription = try subscription(parameters.subscription, context)
        try settle(.extend, subscription, parameters.ids, context) { command, call in
            command.append(callOf: TopicScripts.extend, keys: 5, arguments: 4 + 2 * call.asked.count)
            Topics.appendHolder(subscription, to: &command)
            command.append(word: subscription.terms.ackMilliseconds)
        }
    }

    /// Appends what the scripts that settle have in common.
    private static func appendHolder(_ subscription: TopicSubscription, to command: inout ByteBuffer) {
        for name in subscription.group.keys.names { command.append(word: name) }
        command.append(word: subscription.group.keys.group)
        command.append(word: subscription.consumer)
        command.append(word: subscription.group.generation)
    }

    /// The subscription of the caller's connection that a name stands for.
    private func subscription(_ name: JSONString, _ context: CallContext) throws(RPCError) -> TopicSubscription {
        let prefix: StaticString = "topic-"
        guard name.raw.hasPrefix(prefix), let number = name.raw.dropFirst(prefix.utf8CodeUnitCount).integer,
            let subscription = subscriptions[UInt64(clamping: number)], subscription.isJoined,
            subscription.peer === calls.peer(of: context.call)
        else {
            throw RPCError(
                .subscriptionNotFound,
                "this connection has no such subscription; topic.subscribe makes one",
                outcome: .notApplied
            )
        }
        return subscription
    }

    private func settle(
        _ kind: SettlingCall.Kind,
        _ subscription: TopicSubscription,
        _ ids: StringList,
        _ context: CallContext,
        _ begin: (inout ByteBuffer, SettlingCall) -> Void
    ) throws(RPCError) {
        let now = Instant.now
        var named: [MessageID] = []
        for (index, string) in ids.enumerated() {
            guard !string.hasEscapes, let id = MessageID(string.raw) else {
                let parameter = "ids[\(index)]"
                throw .invalidParams("\(parameter) must be an id such as 1763622000000-0", parameter: parameter)
            }
            named.append(id)
        }
        let items = named.map { id in
            let lease =
                kind == .extend
                ? subscription.leases.beginExtending(id, at: now) : subscription.leases.beginSettling(id, at: now)
            return SettlingCall.Item(id: id, deliveries: lease?.deliveries)
        }
        let call = SettlingCall(kind: kind, call: context.call, subscription: subscription, items: items, sent: now)
        let asked = call.asked
        guard !asked.isEmpty else { return answer(call, verdicts: ByteView("")) }
        lastSettling &+= 1
        settling[lastSettling] = call
        subscription.settling += 1
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.settle.rawValue, detail: lastSettling),
            // A second time finds the message settled, which is told apart from one that was lost.
            effect: .idempotentWrite,
            deadline: context.deadline
        )
        link.send(request, lane: context.lane) { command in
            begin(&command, call)
            for (id, deliveries) in asked {
                command.append(word: id.text)
                command.append(word: deliveries)
            }
        }
    }

    /// Takes a script's answer.
    func answerSettling(_ number: UInt32, _ reply: Reply) {
        guard let call = settling.removeValue(forKey: number) else { return }
        defer { settled(call.subscription) }
        guard reply.kind == .bulk, let space = reply.bytes.firstIndex(of: UInt8(ascii: " ")),
            space == call.asked.count
        else {
            let error =
                reply.kind == .error
                ? RPCError(refusal: reply, .idempotentWrite)
                : RPCError(.internalError, "Valkey answered a script with something else than verdicts")
            return fail(call, error)
        }
        let group = call.subscription.group
        answer(call, verdicts: reply.bytes.prefix(space))
        let number = reply.bytes.dropFirst(space + 1).integer ?? 0
        if call.kind == .nack { counts.dead += UInt64(clamping: number) }
        let heirs = call.kind == .ack ? number : 0
        // What became due is fetched by whoever freed it; where nobody here takes messages, others are to know.
        if heirs > 0, !group.subscriptions.contains(where: { $0.openCredit > 0 }) { wake(group) }
        fetch(group)
    }

    /// Answers the caller.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - verdicts: A character for each message that Valkey was asked about, as ``TopicScripts/ack`` says.
    private func answer(_ call: SettlingCall, verdicts: ByteView) {
        var next = 0
        var isDone: [Bool] = []
        for item in call.items {
            guard let deliveries = item.deliveries else {
                isDone.append(false)
                continue
            }
            isDone.append(take(verdicts[next], item.id, deliveries, call))
            next += 1
        }
        let done = UInt64(isDone.count { $0 })
        counts.lost += UInt64(isDone.count) - done
        switch call.kind {
        case .ack: counts.acked += done
        case .nack: counts.nacked += done
        case .extend: break
        }
        calls.reply(call.call) { result in
            result.append("{\"acked\":[")
            Topics.append(zip(call.items, isDone).filter(\.1).map(\.0.id), to: &result)
            result.append("],\"lost\":[")
            Topics.append(zip(call.items, isDone).filter { !$0.1 }.map(\.0.id), to: &result)
            result.append("]}")
        }
    }

    /// Takes Valkey's verdict on a message.
    ///
    /// - Returns: Whether the call took effect. Where the message was settled before while nobody else can have had it,
    ///   it was by this very call, whose first answer was lost on the way.
    private func take(_ verdict: UInt8, _ id: MessageID, _ deliveries: Int64, _ call: SettlingCall) -> Bool {
        let subscription = call.subscription
        let isOwn = subscription.leases[id].map { Instant.now < $0.safeUntil } ?? false
        let isDone = verdict == UInt8(ascii: "1") || verdict == UInt8(ascii: "2") && isOwn
        if call.kind == .extend, isDone {
            let milliseconds = subscription.terms.ackMilliseconds
            subscription.leases.extend(
                id,
                deliveries,
                safeUntil: call.sent.advanced(milliseconds: milliseconds),
                ends: Instant.now.advanced(milliseconds: milliseconds)
            )
        } else {
            subscription.leases.remove(id, deliveries)
        }
        return isDone
    }

    /// Takes note that a call is without an answer: it may be made again.
    func failSettling(_ number: UInt32, _ error: RPCError) {
        guard let call = settling.removeValue(forKey: number) else { return }
        fail(call, error)
        settled(call.subscription)
    }

    /// Takes note that a call which settled messages has ended: the last one of a subscription that is over has it released.
    private func settled(_ subscription: TopicSubscription) {
        subscription.settling -= 1
        guard subscription.settling == 0, let release = subscription.release else { return }
        subscription.release = nil
        release()
    }

    private func fail(_ call: SettlingCall, _ error: RPCError) {
        for (id, deliveries) in call.asked {
            if call.kind == .extend {
                call.subscription.leases.failedExtending(id, deliveries)
            } else {
                call.subscription.leases.failedSettling(id, deliveries)
            }
        }
        var error = error
        // Made again, the call finds out whether it was carried out.
        if error.outcome == .unknown { error.isRetryable = true }
        calls.fail(call.call, error)
    }

    private static func append(_ ids: [MessageID], to result: inout ByteBuffer) {
        for (index, id) in ids.enumerated() {
            result.append(index == 0 ? "\"" : ",\"")
            id.append(to: &result)
            result.append(UInt8(ascii: "\""))
        }
    }
}
