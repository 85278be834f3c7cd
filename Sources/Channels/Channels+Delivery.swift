import Bytes
public import EventLoop
import JSON
import JSONRPC
import Valkey

extension Channels: TurnHandler {
    /// Hands the messages of the turn to the connections, one connection after the other.
    public func turnEnded() {
        guard !gathering.isEmpty else { return log.removeAll() }
        let subscriptions = gathering
        gathering.removeAll(keepingCapacity: true)
        for subscription in subscriptions { handOn(subscription) }
        log.removeAll()
    }

    /// Notes a message for a subscription.
    func deliver(_ message: PublishedMessage, to subscription: ChannelSubscription) {
        if log.isFull(for: message) { turnEnded() }
        guard let index = log.add(message) else { return }
        if let filter = subscription.filter, !passes(message, filter) {
            counts.filtered += 1
            return
        }
        guard log.body(index).count <= calls.limits.replyBytesMax else {
            return tellGap(.messageTooLarge, to: subscription)
        }
        if subscription.gathered.isEmpty { gathering.append(subscription) }
        subscription.gathered.append(UInt32(index))
    }

    private func passes(_ message: PublishedMessage, _ filter: MessageFilter) -> Bool {
        guard log.isJSON,
            let value = try? JSONScanner.scan(message.content.bytes, depthMax: calls.limits.depthMax)
        else { return false }
        return filter.matches(value)
    }

    /// Hands on what the turn gathered for a subscription: to its connection where that takes output, else to its queue.
    private func handOn(_ subscription: ChannelSubscription) {
        let peer = subscription.peer
        let indices = subscription.gathered
        subscription.gathered = []
        for index in indices {
            if subscription.isEnded { return }
            subscription.sequence += 1
            guard !peer.isBlocked, subscription.queue.isEmpty else {
                keep(Int(index), for: subscription)
                continue
            }
            let dropped = subscription.queue.takeDropped()
            send(log.body(Int(index)), subscription.sequence, dropped: dropped, to: subscription)
            if peer.output.count >= Channels.outputBytesHigh { calls.flush(peer) }
        }
        // The memory that one connection's output took serves the next.
        if !peer.isBlocked { calls.flush(peer) }
    }

    /// Puts a message into the queue, as the subscription's policy has it.
    private func keep(_ index: Int, for subscription: ChannelSubscription) {
        let body = log.sharedBody(index)
        let before = subscription.queue.bytes
        let hasRoom = queuedBytes + body.count <= Channels.queuedBytesMax
        let dropped =
            hasRoom
            ? subscription.queue.append(body, sequence: subscription.sequence)
            : subscription.queue.refuse()
        queuedBytes += subscription.queue.bytes - before
        guard let dropped else {
            counts.slowConsumers += 1
            return close(subscription, "slow_consumer")
        }
        counts.dropped += UInt64(dropped)
        subscription.peer.hasBacklog = true
    }

    /// Tells a subscription that messages may be missing, in their place.
    func tellGap(_ reason: GapReason, to subscription: ChannelSubscription) {
        turnEnded()
        guard !subscription.peer.isBlocked, subscription.queue.isEmpty else {
            subscription.queue.appendGap(reason)
            subscription.peer.hasBacklog = true
            return
        }
        sendGap(reason, to: subscription)
    }

    /// Sends what waited longest for a subscription.
    ///
    /// - Returns: Whether something waited.
    func sendFirst(of subscription: ChannelSubscription) -> Bool {
        let before = subscription.queue.bytes
        let item = subscription.queue.takeFirst()
        queuedBytes += subscription.queue.bytes - before
        switch item {
        case nil: return false
        case .gap(let reason): sendGap(reason, to: subscription)
        case .message(let body, let sequence, let dropped):
            body.withByteView { send($0, sequence, dropped: dropped, to: subscription) }
        }
        return true
    }

    private func send(_ body: ByteView, _ sequence: UInt64, dropped: UInt64, to subscription: ChannelSubscription) {
        counts.delivered += 1
        calls.push(subscription.peer) { message in
            message.append(subscription.messageHead)
            message.append(body)
            message.append(decimal: sequence)
            if dropped > 0 {
                message.append(",\"dropped\":")
                message.append(decimal: dropped)
            }
            message.append("}}")
        }
    }

    private func sendGap(_ reason: GapReason, to subscription: ChannelSubscription) {
        calls.push(subscription.peer, "channel.gap") { parameters in
            parameters.append(subscription.head)
            switch reason {
            case .reconnected: parameters.append(",\"reason\":\"reconnected\"}")
            case .messageTooLarge: parameters.append(",\"reason\":\"message_too_large\"}")
            }
        }
    }
}
