import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
import Observability
public import Store
import Valkey

extension Topics {
    /// Answers `topic.subscribe`, once the channel that wakes is listened to and the consumer is in its group.
    ///
    /// - Throws: ``RPCError`` where topic, group or beginning are not usable, or the connection has too many.
    public func subscribe(_ parameters: TopicSubscribeParameters, _ context: CallContext) throws(RPCError) {
        let topic = try TopicName(parameters.topic, keyspace)
        let name = try keyspace.resolve(parameters.group, parameter: "group").copy()
        let deliveriesMax: Int64 =
            switch parameters.deliveriesMax {
            case .absent: 10
            case .null: 0
            case .value(let value): value
            }
        let terms = TopicSubscription.Terms(
            credit: Int(parameters.credit),
            ackMilliseconds: parameters.ackMilliseconds,
            deliveriesMax: deliveriesMax,
            from: try Topics.position(parameters.from)
        )
        guard let peer = calls.peer(of: context.call) else { return calls.reply(context.call) { $0.append("{}") } }
        try calls.bind(toProcessOf: peer)
        let holder = peers[ObjectIdentifier(peer)] ?? PeerTopics(peer)
        guard holder.subscriptions.count < Topics.subscriptionsMax else {
            let limit = "a connection has at most \(Topics.subscriptionsMax) subscriptions to topics"
            throw RPCError(.overloaded, limit, isRetryable: false)
        }
        let group = group(GroupKeys(topic, name, keyspace))
        lastNumber += 1
        let subscription = TopicSubscription(
            number: lastNumber,
            agent: agent,
            holder,
            context.call,
            terms,
            group,
            deadline: context.deadline,
            of: self
        )
        subscriptions[subscription.number] = subscription
        peers[ObjectIdentifier(peer)] = holder
        holder.subscriptions.append(subscription)
        group.subscriptions.append(subscription)
        peer.bindings += 1
        Task { @EventLoop in
            do throws(RPCError) {
                try await self.safety.ensure(until: context.deadline)
            } catch {
                return self.refuse(subscription, error)
            }
            self.listen(subscription, context.deadline)
        }
    }

    /// Where a new group begins, as Valkey takes it.
    private static func position(_ from: JSONString?) throws(RPCError) -> [UInt8] {
        guard let from, !from.equals("new") else { return Array("$".utf8) }
        if from.equals("start") { return Array("0".utf8) }
        guard !from.hasEscapes, let id = MessageID(from.raw) else {
            throw .invalidParams(
                "from must be new, start, or a message's id such as 1763622000000-0",
                parameter: "from"
            )
        }
        return id.text
    }

    /// The group of this agent that these keys name.
    private func group(_ keys: GroupKeys) -> TopicGroup {
        let name = keys.names[1]
        if let group = groups[name] { return group }
        lastGroup &+= 1
        let group = TopicGroup(number: lastGroup, keys)
        groups[name] = group
        groupsByNumber[group.number] = group
        return group
    }

    private func listen(_ subscription: TopicSubscription, _ deadline: Instant) {
        guard !subscription.isEnded, !isClosing else { return }
        let target = SubscriptionTarget.channel(subscription.group.keys.wakeChannel)
        let upstream = link.subscriber.subscribe(to: target, handler: subscription, deadline: deadline)
        if !subscription.isEnded { subscription.upstream = upstream }
    }

    /// The channel that wakes is listened to: now nothing can be missed.
    func listens(_ subscription: TopicSubscription) {
        guard subscription.call != nil else { return fetch(subscription.group) }
        Task { @EventLoop in await self.join(subscription) }
    }

    /// The channel that wakes is listened to no more, or never was.
    func listensNoMore(_ subscription: TopicSubscription, _ failure: SubscriptionFailure) {
        subscription.upstream = nil
        subscription.losses += 1
        guard subscription.call != nil else {
            // Messages still come, by asking for them: later than otherwise. It is tried again with the timer.
            guard subscription.losses == 1, !isClosing else { return }
            return log.warning("a topic's subscriber is not woken", ["reason": "the channel is refused or lost"])
        }
        switch failure {
        case .link(let failure): refuse(subscription, RPCError(failure))
        case .refused(let text): refuse(subscription, text.withByteView { RPCError(refusal: $0, .read) })
        }
    }

    /// Has a subscription be a consumer of its group, and answers its caller.
    private func join(_ subscription: TopicSubscription) async {
        subscription.isJoining = true
        let group = subscription.group
        let reply: ReplyValue
        do throws(RPCError) {
            reply = try await call(.idempotentWrite, subscription.deadline, lane: group.lane) { command in
                command.append(callOf: TopicScripts.join, keys: 5, arguments: 4)
                for name in group.keys.names { command.append(word: name) }
                command.append(word: group.keys.group)
                // One that this agent knew was lost, and goes on from the oldest message that is left.
                if group.generation.isEmpty {
                    command.append(word: subscription.terms.from)
                } else {
                    command.append(word: "0")
                }
                command.append(word: subscription.consumer)
                command.append(word: agent)
            }
        } catch {
            if error.outcome == .unknown { release(subscription) }
            return refuse(subscription, error)
        }
        subscription.isJoined = true
        guard !subscription.isEnded, let call = subscription.call, calls.isWaiting(call) else {
            if subscription.isEnded { release(subscription) } else { end(subscription) }
            if let call = subscription.call { calls.abandon(call) }
            return
        }
        // Nothing is missing to one that begins: what happened to the group is told to the others.
        if let answer = reply.elements, answer.count == 3 {
            note(generation: answer[0].bytes ?? [], trims: answer[1].integer ?? 0, group)
        }
        subscription.call = nil
        calls.reply(call) { result in
            result.append(subscription.head)
            result.append(UInt8(ascii: "}"))
        }
        fetch(group)
    }

    /// Ends a subscription that never began.
    private func refuse(_ subscription: TopicSubscription, _ error: RPCError) {
        guard let call = subscription.call else { return }
        subscription.call = nil
        end(subscription)
        calls.fail(call, error)
    }

    /// Answers `topic.unsubscribe`, once Valkey has been told: one round trip.
    public func unsubscribe(_ parameters: TopicUnsubscribeParameters, _ context: CallContext) {
        let name = parameters.subscription.decoded()
        let peer = calls.peer(of: context.call)
        let own = peer.flatMap { peers[ObjectIdentifier($0)]?.subscriptions } ?? []
        let subscription = own.first { $0.name == name && $0.isJoined }
        guard let subscription else { return calls.reply(context.call) { $0.append("{\"unsubscribed\":false}") } }
        subscription.ending = context
        end(subscription)
    }

    /// Ends every subscription and says so: the agent is ending.
    ///
    /// What is in clients' hands is given back.
    public func close() {
        isClosing = true
        for subscription in Array(subscriptions.values) {
            close(subscription, "shutting_down", RPCError(LinkFailure.closing))
        }
    }

    /// Ends a subscription and says why, or that it does not begin.
    private func close(_ subscription: TopicSubscription, _ reason: StaticString, _ error: RPCError) {
        if subscription.call != nil { return refuse(subscription, error) }
        calls.push(subscription.peer, "topic.closed") { parameters in
            parameters.append(subscription.head)
            parameters.append(",\"reason\":\"")
            parameters.append(reason)
            parameters.append("\"}")
        }
        end(subscription)
    }

    /// Ends a subscription, of which nothing is sent any more.
    func end(_ subscription: TopicSubscription) {
        subscription.holder.subscriptions.removeAll { $0 === subscription }
        if subscription.holder.subscriptions.isEmpty { peers[ObjectIdentifier(subscription.peer)] = nil }
        letGo(subscription)
    }

    private func letGo(_ subscription: TopicSubscription) {
        guard !subscription.isEnded else { return }
        subscription.isEnded = true
        // What never left for a connection that is gone, nobody can have seen.
        let peer = subscription.peer
        subscription.delivered = subscription.leases.seen(before: peer.isClosed ? peer.sentBytes : .max)
        subscription.leases.removeAll()
        subscriptions[subscription.number] = nil
        subscription.peer.bindings -= 1
        if let upstream = subscription.upstream { link.subscriber.unsubscribe(upstream) }
        subscription.upstream = nil
        let group = subscription.group
        group.subscriptions.removeAll { $0 === subscription }
        if subscription.isJoined { release(subscription) }
        forgetIfUnused(group)
    }

    /// Lets a group go that has no consumer here; a question on its way is answered first.
    func forgetIfUnused(_ group: TopicGroup) {
        guard group.subscriptions.isEmpty else { return }
        if let timer = group.timer { EventLoop.reactor.timers.cancel(timer) }
        group.timer = nil
        if groups[group.keys.names[1]] === group { groups[group.keys.names[1]] = nil }
        if group.running == nil { groupsByNumber[group.number] = nil }
    }

    /// Tells Valkey that a consumer is gone, so that others get at once what is in its hands.
    ///
    /// Where Valkey cannot be told, it is tried again for a while, at least until the leases are over anyway. Whoever ended
    /// the subscription is answered after the first attempt: here it has ended in any case.
    private func release(_ subscription: TopicSubscription) {
        releasing += 1
        // What its client settled before it ended is not to be given back: whatever way the calls take, their answers tell
        // that Valkey has them.
        guard subscription.settling == 0 else {
            subscription.release = { self.beginRelease(subscription) }
            return
        }
        beginRelease(subscription)
    }

    private func beginRelease(_ subscription: TopicSubscription) {
        let keys = subscription.group.keys
        let patience = max(subscription.terms.ackMilliseconds, Topics.fetchTimeout.wholeMilliseconds)
        Task { @EventLoop in
            defer { self.releasing -= 1 }
            let end = Instant.now.advanced(milliseconds: patience)
            var isTold = false
            while !isTold, Instant.now < end {
                let deadline = subscription.ending?.deadline ?? Instant.now.advanced(by: Topics.fetchTimeout)
                isTold = await self.tellRelease(subscription, keys, deadline)
                if let call = subscription.ending?.call {
                    self.calls.reply(call) { $0.append("{\"unsubscribed\":true}") }
                }
                subscription.ending = nil
                if !isTold, self.isClosing { return }
                if !isTold { await EventLoop.reactor.timers.sleep(for: .milliseconds(500)) }
            }
        }
    }

    private func tellRelease(
        _ subscription: TopicSubscription,
        _ keys: GroupKeys,
        _ deadline: Instant
    ) async -> Bool {
        do throws(LinkFailure) {
            let reply = try await link.call(.idempotentWrite, deadline: deadline, lane: subscription.group.lane) {
                command in
                let delivered = subscription.delivered
                command.append(callOf: TopicScripts.release, keys: 5, arguments: 7 + 2 * delivered.count)
                for name in keys.names { command.append(word: name) }
                command.append(word: keys.group)
                command.append(word: subscription.consumer)
                command.append(word: keys.topic.text)
                command.append(word: keys.wakeChannel)
                command.append(word: keys.deadWakeChannel)
                command.append(word: subscription.terms.deliveriesMax)
                let isLast = groups[keys.names[1]] == nil
                if isLast { command.append(word: agent) } else { command.append(word: "") }
                for (id, deliveries) in delivered {
                    command.append(word: id.text)
                    command.append(word: deliveries)
                }
            }
            if case .error = reply { return false }
            counts.dead += UInt64(clamping: reply.integer ?? 0)
            return true
        } catch {
            return false
        }
    }
}

extension Topics: PeerObserver {
    /// Ends the subscriptions of a connection that is gone.
    public func peerClosed(_ peer: Peer) {
        for subscription in peers.removeValue(forKey: ObjectIdentifier(peer))?.subscriptions ?? [] {
            let call = subscription.call
            subscription.call = nil
            letGo(subscription)
            // Nobody hears it, but the call has ended.
            if let call { calls.fail(call, RPCError(.cancelled, "the connection is gone")) }
        }
    }

    /// Ends the subscriptions of a process that has ended, although its connection lives: others get its messages.
    public func peerProcessEnded(_ peer: Peer) {
        for subscription in peers[ObjectIdentifier(peer)]?.subscriptions ?? [] {
            close(subscription, "process_ended", .processEnded)
        }
    }

    /// Asks for messages again for a connection that takes output again.
    public func peerDrained(_ peer: Peer) {
        guard let holder = peers[ObjectIdentifier(peer)] else { return }
        serve(holder)
        for subscription in holder.subscriptions { fetch(subscription.group) }
    }
}

extension Topics: CallCanceller {
    /// Ends a subscription that has not begun; one that may have made its group by now is left to its course.
    public func cancel(_ call: CallID) -> Bool {
        guard let peer = calls.peer(of: call),
            let subscription = peers[ObjectIdentifier(peer)]?.subscriptions.first(where: { $0.call == call }),
            !subscription.isJoining
        else { return false }
        refuse(subscription, .cancelled(.notApplied))
        return true
    }
}
