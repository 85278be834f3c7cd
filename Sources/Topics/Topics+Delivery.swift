import Bytes
import EventLoop
import JSON
import JSONRPC
import Linux
import Observability
import Store
import Valkey

extension Topics {
    /// Bytes of messages that one question asks for; one message more may come.
    private static let fetchBytes: Int64 = 1 << 20
    /// Time between two looks for consumers of agents that are gone, in nanoseconds.
    private static let sweepNanoseconds: Int64 = 60_000_000_000
    /// Time after which Valkey is told again that the agent is there, in nanoseconds.
    private static let seenNanoseconds: Int64 = 4_000_000_000

    /// Asks for messages for the consumers of a group, now or when the running question is answered.
    func fetch(_ group: TopicGroup) {
        guard group.subscriptions.contains(where: { $0.openCredit > 0 }) else { return keepBacklog(group) }
        guard group.schedule.want() else { return }
        begin(group)
    }

    /// Has connections that take no output say when they do.
    private func keepBacklog(_ group: TopicGroup) {
        for subscription in group.subscriptions where subscription.isJoined && subscription.openCredit == 0 {
            if subscription.leases.count < subscription.terms.credit { subscription.peer.hasBacklog = true }
        }
    }

    /// The timer's turn: lets go what is over, listens again where that was lost, and asks.
    private func tick(_ group: TopicGroup) {
        group.timer = nil
        guard !group.subscriptions.isEmpty, !isClosing else { return }
        expire(group)
        for subscription in group.subscriptions where subscription.isJoined && subscription.upstream == nil {
            listen(again: subscription)
        }
        guard group.schedule.want() else { return }
        begin(group)
    }

    private func expire(_ group: TopicGroup) {
        let now = Instant.now
        for subscription in group.subscriptions { counts.expired += UInt64(subscription.leases.expire(at: now)) }
    }

    private func begin(_ group: TopicGroup) {
        if let timer = group.timer { EventLoop.reactor.timers.cancel(timer) }
        group.timer = nil
        expire(group)
        guard !mustWait(group) else {
            return tick(group, at: Instant.now.advanced(milliseconds: FetchSchedule.pollMilliseconds))
        }
        group.schedule.began()
        if group.isUncertain {
            Task { @EventLoop in await self.recover(group) }
            return
        }
        send(group)
    }

    /// Whether all connections that take messages are being asked for by other groups; those stand in line for them.
    private func mustWait(_ group: TopicGroup) -> Bool {
        let open = group.subscriptions.filter { $0.openCredit > 0 }
        for subscription in open where subscription.holder.isAskedFor {
            subscription.holder.standInLine(subscription)
        }
        return !open.isEmpty && open.allSatisfy(\.holder.isAskedFor)
    }

    /// Asks for those that stand in line for a connection, as far as it takes messages.
    func serve(_ holder: PeerTopics) {
        // Within a question that ends at once, those before go on.
        guard !holder.isServing else { return }
        holder.isServing = true
        while !holder.isAskedFor, holder.takesOutput, let subscription = holder.next() {
            if !subscription.isEnded { fetch(subscription.group) }
        }
        holder.isServing = false
        if holder.hasLine, !holder.takesOutput { holder.peer.hasBacklog = true }
    }

    /// Takes note that a question has its answer, or will have none: others may ask for its consumers' connections.
    private func ended(_ fetch: TopicGroup.Fetch) {
        for subscription in fetch.consumers { subscription.holder.isAskedFor = false }
        for subscription in fetch.consumers { serve(subscription.holder) }
    }

    private func send(_ group: TopicGroup) {
        let now = Instant.now
        let consumers = takers(group)
        for (subscription, _) in consumers { subscription.holder.isAskedFor = true }
        let isToldSeen = group.lastSeen.map { now.nanoseconds(since: $0) >= Topics.seenNanoseconds } ?? true
        if isToldSeen { group.lastSeen = now }
        group.running = TopicGroup.Fetch(consumers: consumers.map(\.subscription), sent: now)
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.fetch.rawValue, detail: group.number),
            effect: .write,
            deadline: now.advanced(by: Topics.fetchTimeout)
        )
        let keys = group.keys
        link.send(request, lane: group.lane) { command in
            command.append(callOf: TopicScripts.fetch, keys: 5, arguments: 6 + 4 * consumers.count)
            for name in keys.names { command.append(word: name) }
            command.append(word: keys.group)
            command.append(word: keys.topic.text)
            command.append(word: keys.deadWakeChannel)
            command.append(word: Topics.fetchBytes)
            command.append(word: Int64(settings.messageBytesMax))
            if isToldSeen { command.append(word: agent) } else { command.append(word: "") }
            for (subscription, credit) in consumers {
                command.append(word: subscription.consumer)
                command.append(word: Int64(credit))
                command.append(word: subscription.terms.ackMilliseconds)
                command.append(word: subscription.terms.deliveriesMax)
            }
        }
    }

    /// The consumers that take messages, those with the fewest in hand first, and each time another among equals.
    private func takers(_ group: TopicGroup) -> [(subscription: TopicSubscription, credit: Int)] {
        group.turn = group.subscriptions.isEmpty ? 0 : (group.turn + 1) % group.subscriptions.count
        let rotated = group.subscriptions[group.turn...] + group.subscriptions[..<group.turn]
        let open = rotated.map { ($0, $0.openCredit) }.filter { $0.1 > 0 && !$0.0.holder.isAskedFor }
        return open.enumerated().sorted { left, right in
            let (fewer, more) = (left.element.0.leases.count, right.element.0.leases.count)
            return fewer == more ? left.offset < right.offset : fewer < more
        }.map { ($0.element.0, $0.element.1) }
    }

    /// Takes an answer.
    func answerFetch(_ number: UInt32, _ reply: Reply) {
        guard let group = groupsByNumber[number], let fetch = group.running else { return }
        group.running = nil
        var parts = reply.elements()
        guard reply.kind == .array, let generation = parts.next(), let trims = parts.next(), let due = parts.next(),
            let more = parts.next(), let buried = parts.next(), let messages = parts.next()
        else {
            // An answer that is too large was cut short by the reader: what it held was never seen.
            group.isUncertain = true
            ended(fetch)
            return failed(group, reply.kind == .error ? reply.errorWord : "an answer that cannot be read")
        }
        group.isFailing = false
        note(generation: generation.bytes.copy(), trims: trims.integer, group)
        counts.dead += UInt64(clamping: buried.integer)
        var elements = messages.elements()
        while let element = elements.next() { deliver(element, fetch) }
        let takesMessages = group.subscriptions.contains { $0.openCredit > 0 }
        let step = group.schedule.succeeded(
            due: due.integer,
            hasMore: more.integer == 1,
            takesMessages: takesMessages,
            at: .now
        )
        sweepIfTime(group)
        // Those that stand in line come before the group asks again.
        ended(fetch)
        take(step, group)
        if !takesMessages { keepBacklog(group) }
    }

    private func take(_ step: FetchSchedule.Step, _ group: TopicGroup) {
        guard !group.subscriptions.isEmpty, !isClosing else { return forgetIfUnused(group) }
        // One that stood in line elsewhere may have had its turn.
        guard !group.schedule.isRunning else { return }
        switch step {
        case .fetch: begin(group)
        case .wait(let instant): tick(group, at: instant)
        }
    }

    /// Has the timer's turn come at a moment, or earlier.
    private func tick(_ group: TopicGroup, at instant: Instant) {
        // A lease that ends frees what its holder may take.
        let first = group.subscriptions.map(\.leases.firstEnd).min() ?? .distantFuture
        if let timer = group.timer { EventLoop.reactor.timers.cancel(timer) }
        group.timer = EventLoop.reactor.timers.schedule(at: min(instant, first)) { self.tick(group) }
    }

    /// Takes note that a question got no answer.
    func failFetch(_ number: UInt32, _ failure: LinkFailure) {
        guard let group = groupsByNumber[number] else { return }
        let fetch = group.running
        group.running = nil
        if let fetch { ended(fetch) }
        if failure.outcome == .unknown || failure.code == .replyTooLarge { group.isUncertain = true }
        group.lastSeen = nil
        failed(group, "\(failure.code)")
    }

    private func failed(_ group: TopicGroup, _ reason: String) {
        if !group.isFailing, !isClosing {
            log.warning("a topic cannot be read; trying again", ["reason": reason])
        }
        group.isFailing = true
        take(group.schedule.failed(at: .now), group)
    }

    /// Gives back what was delivered to nobody, then asks for messages.
    private func recover(_ group: TopicGroup) async {
        for subscription in group.subscriptions where subscription.isJoined {
            do throws(RPCError) {
                _ = try await call(.idempotentWrite, .now.advanced(by: Topics.fetchTimeout), lane: group.lane) {
                    command in
                    let seen = subscription.leases.seen
                    command.append(callOf: TopicScripts.recover, keys: 5, arguments: 2 + 2 * seen.count)
                    for name in group.keys.names { command.append(word: name) }
                    command.append(word: group.keys.group)
                    command.append(word: subscription.consumer)
                    for (id, deliveries) in seen {
                        command.append(word: id.text)
                        command.append(word: deliveries)
                    }
                }
            } catch {
                return failed(group, "\(error.kind)")
            }
        }
        group.isUncertain = false
        guard !group.subscriptions.isEmpty, !isClosing else {
            _ = group.schedule.failed(at: .now)
            return forgetIfUnused(group)
        }
        _ = mustWait(group)
        send(group)
    }

    /// Takes note of which life of the group Valkey speaks, and tells subscribers what happened to it.
    func note(generation: [UInt8], trims: Int64, _ group: TopicGroup) {
        defer {
            group.generation = generation
            group.trims = trims
        }
        guard !group.generation.isEmpty else { return }
        if group.generation != generation {
            for subscription in group.subscriptions { subscription.leases.removeAll() }
            log.warning("a topic's group was begun anew", ["reason": "it was there no more"])
            tellGap("group_recreated", group)
        } else if trims > group.trims {
            tellGap("trimmed", group)
        }
    }

    private func tellGap(_ reason: StaticString, _ group: TopicGroup) {
        for subscription in group.subscriptions where subscription.isJoined && subscription.call == nil {
            counts.gaps += 1
            calls.push(subscription.peer, "topic.gap") { parameters in
                parameters.append(subscription.head)
                parameters.append(",\"reason\":\"")
                parameters.append(reason)
                parameters.append("\"}")
            }
        }
    }

    /// Hands a message to the connection that it was fetched for.
    private func deliver(_ element: Reply, _ fetch: TopicGroup.Fetch) {
        var parts = element.elements()
        guard let index = parts.next()?.integer, let idText = parts.next()?.bytes, let id = MessageID(idText),
            let deliveries = parts.next()?.integer, let fields = parts.next(),
            fetch.consumers.indices.contains(Int(index))
        else { return }
        let subscription = fetch.consumers[Int(index)]
        // One that ended meanwhile was released behind the question, which gave back what it never saw.
        guard !subscription.isEnded else { return }
        let milliseconds = subscription.terms.ackMilliseconds
        let lease = LeaseTable.Lease(
            deliveries: deliveries,
            safeUntil: fetch.sent.advanced(milliseconds: milliseconds),
            ends: Instant.now.advanced(milliseconds: milliseconds),
            position: subscription.peer.sentBytes &+ UInt64(subscription.peer.output.count)
        )
        subscription.leases.add(id, lease)
        counts.delivered += 1
        if deliveries > 1 { counts.redelivered += 1 }
        let message = TopicMessage(fields)
        let depthMax = calls.limits.depthMax
        calls.push(subscription.peer, "topic.message") { parameters in
            parameters.append(subscription.head)
            parameters.append(",\"id\":\"")
            id.append(to: &parameters)
            parameters.append("\",")
            message.append(to: &parameters, depthMax: depthMax)
            parameters.append(",\"deliveries\":")
            parameters.append(decimal: deliveries)
            message.appendDeath(to: &parameters)
            parameters.append(UInt8(ascii: "}"))
        }
    }

    /// Wakes the group's consumers, through every agent.
    func wake(_ group: TopicGroup) {
        let channel = group.keys.wakeChannel
        Task { @EventLoop in
            // Where it is not sent, they ask by themselves some seconds later.
            _ = try? await self.link.call(.write, deadline: .now.advanced(by: .seconds(5)), lane: group.lane) {
                command in
                command.append(commandOf: 3)
                command.append(word: "PUBLISH")
                command.append(word: channel)
                command.append(word: "")
            }
        }
    }

    private func sweepIfTime(_ group: TopicGroup) {
        let now = Instant.now
        guard let last = group.lastSwept else {
            group.lastSwept = now
            return
        }
        guard now.nanoseconds(since: last) >= Topics.sweepNanoseconds else { return }
        group.lastSwept = now
        let keys = group.keys
        Task { @EventLoop in
            // Where it fails, the next agent or the next minute does it.
            _ = try? await self.link.call(.write, deadline: .now.advanced(by: .seconds(5)), lane: group.lane) {
                command in
                command.append(callOf: TopicScripts.sweep, keys: 5, arguments: 2)
                for name in keys.names { command.append(word: name) }
                command.append(word: keys.group)
                command.append(word: Int64(TopicScripts.agentGoneMilliseconds))
            }
        }
    }

    /// Listens again to the channel that wakes.
    private func listen(again subscription: TopicSubscription) {
        let target = SubscriptionTarget.channel(subscription.group.keys.wakeChannel)
        let deadline = Instant.now.advanced(by: .seconds(5))
        let losses = subscription.losses
        let upstream = link.subscriber.subscribe(to: target, handler: subscription, deadline: deadline)
        // It may have been refused within the call.
        if subscription.losses == losses { subscription.upstream = upstream }
    }
}
