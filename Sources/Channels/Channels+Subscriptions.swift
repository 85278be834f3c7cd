import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Channels {
    /// Answers `channel.subscribe`, once Valkey has confirmed: at most one round trip, and none where others of this
    /// agent are subscribed to the same already.
    ///
    /// - Throws: ``RPCError`` where channel, pattern or filter is not usable, or the connection has too many.
    public func subscribe(_ parameters: ChannelSubscribeParameters, _ context: CallContext) throws(RPCError) {
        let target = try target(parameters)
        let filter: MessageFilter? =
            if let object = parameters.filter { try MessageFilter(object) } else { nil }
        guard let peer = calls.peer(of: context.call) else { return calls.reply(context.call) { $0.append("{}") } }
        try calls.bind(toProcessOf: peer)
        guard subscriptions[ObjectIdentifier(peer), default: []].count < settings.subscriptionsMax else {
            let limit = "a connection has at most \(settings.subscriptionsMax) subscriptions"
            throw RPCError(.overloaded, limit, isRetryable: false)
        }
        lastNumber += 1
        let overflow: MessageQueue.Overflow = parameters.overflow == .dropOldest ? .dropOldest : .disconnect
        let subscription = ChannelSubscription(
            number: lastNumber,
            peer,
            context.call,
            filter,
            MessageQueue(
                countMax: parameters.queue.map { Int($0) } ?? settings.queueMax,
                bytesMax: settings.queueBytesMax,
                overflow: overflow
            ),
            of: self
        )
        subscriptions[ObjectIdentifier(peer), default: []].append(subscription)
        subscriptionCount += 1
        peer.bindings += 1
        let upstream = link.subscriber.subscribe(to: target, handler: subscription, deadline: context.deadline)
        if !subscription.isEnded { subscription.upstream = upstream }
    }

    private func target(_ parameters: ChannelSubscribeParameters) throws(RPCError) -> SubscriptionTarget {
        if let name = parameters.channel {
            return .channel(keyspace.prefix + (try channel(name, parameter: "channel")).copy())
        }
        guard let pattern = parameters.pattern else { preconditionFailure("a channel or a pattern is given") }
        return .pattern(Glob.escaped(keyspace.prefix) + (try channel(pattern, parameter: "pattern")).copy())
    }

    /// Answers `channel.unsubscribe`.
    public func unsubscribe(_ parameters: ChannelUnsubscribeParameters, _ context: CallContext) {
        let name = parameters.subscription.decoded()
        let own = calls.peer(of: context.call).flatMap { subscriptions[ObjectIdentifier($0)] } ?? []
        let subscription = own.first { $0.name == name && $0.call == nil }
        if let subscription { remove(subscription) }
        calls.reply(context.call) { result in
            result.append("{\"unsubscribed\":")
            result.append(jsonBoolean: subscription != nil)
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Tells every subscriber that there will be nothing more: the agent is ending.
    public func close() {
        for subscription in subscriptions.values.flatMap(\.self) {
            ended(subscription, .link(.closing))
        }
    }

    /// Valkey confirmed: the caller is told before any message.
    func began(_ subscription: ChannelSubscription) {
        guard let call = subscription.call else { return }
        subscription.call = nil
        calls.reply(call) { result in
            result.append(subscription.head)
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Valkey ended a subscription, or never began it.
    func ended(_ subscription: ChannelSubscription, _ failure: SubscriptionFailure) {
        guard !subscription.isEnded else { return }
        guard let call = subscription.call else {
            turnEnded()
            if case .refused = failure { return close(subscription, "refused") }
            return close(subscription, "shutting_down")
        }
        remove(subscription)
        switch failure {
        case .link(let failure): calls.fail(call, RPCError(failure))
        case .refused(let text): calls.fail(call, text.withByteView { RPCError(refusal: $0, .read) })
        }
    }

    /// Ends a subscription and says why.
    func close(_ subscription: ChannelSubscription, _ reason: StaticString) {
        let dropped = subscription.queue.count
        counts.dropped += UInt64(dropped)
        remove(subscription)
        calls.push(subscription.peer, "channel.closed") { parameters in
            parameters.append(subscription.head)
            parameters.append(",\"reason\":\"")
            parameters.append(reason)
            parameters.append("\",\"dropped\":")
            parameters.append(decimal: dropped)
            parameters.append(UInt8(ascii: "}"))
        }
    }

    /// Ends a subscription, of which nothing is sent any more.
    private func remove(_ subscription: ChannelSubscription) {
        let key = ObjectIdentifier(subscription.peer)
        subscriptions[key]?.removeAll { $0 === subscription }
        if subscriptions[key]?.isEmpty == true { subscriptions[key] = nil }
        release(subscription)
    }

    private func release(_ subscription: ChannelSubscription) {
        subscription.isEnded = true
        subscriptionCount -= 1
        subscription.peer.bindings -= 1
        queuedBytes -= subscription.queue.bytes
        if let upstream = subscription.upstream { link.subscriber.unsubscribe(upstream) }
        subscription.upstream = nil
    }
}

extension Channels: PeerObserver {
    /// Ends the subscriptions of a connection that is gone.
    public func peerClosed(_ peer: Peer) {
        for subscription in subscriptions.removeValue(forKey: ObjectIdentifier(peer)) ?? [] {
            release(subscription)
            // Nobody hears it, but the call has ended.
            if let call = subscription.call { calls.fail(call, RPCError(.cancelled, "the connection is gone")) }
        }
    }

    /// Ends the subscriptions of a process that has ended, although its connection lives.
    public func peerProcessEnded(_ peer: Peer) {
        turnEnded()
        for subscription in subscriptions[ObjectIdentifier(peer)] ?? [] {
            guard let call = subscription.call else {
                close(subscription, "process_ended")
                continue
            }
            subscription.call = nil
            remove(subscription)
            calls.fail(call, .processEnded)
        }
    }

    /// Hands on what waited for a connection, each of its subscriptions in turn.
    public func peerDrained(_ peer: Peer) {
        let waiting = (subscriptions[ObjectIdentifier(peer)] ?? []).filter { !$0.queue.isEmpty }
        var isDone = waiting.isEmpty
        while !isDone {
            isDone = true
            for subscription in waiting {
                guard peer.output.count < Channels.outputBytesHigh else {
                    peer.hasBacklog = true
                    return
                }
                if sendFirst(of: subscription) { isDone = false }
            }
        }
    }
}

extension Channels: CallCanceller {
    /// Ends a subscription that Valkey has not confirmed yet.
    public func cancel(_ call: CallID) -> Bool {
        guard let peer = calls.peer(of: call),
            let subscription = subscriptions[ObjectIdentifier(peer)]?.first(where: { $0.call == call })
        else { return false }
        subscription.call = nil
        remove(subscription)
        calls.fail(call, .cancelled(.notApplied))
        return true
    }
}
