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
        guard !peer.isBlocked, subscription.queue.isEmpty else {
            for index in indices where !subscription.isEnded {
                subscription.sequence += 1
                keep(Int(index), for: subscription)
            }
            return
        }
        if subscription.isEnded { return }
        // The memory that one connection's output takes serves the next.
        if indices.count > 1 { calls.expectOutput(of: peer) }
        send(indices, to: subscription)
        calls.flush(peer)
    }

    /// Writes messages of the log into the output of a subscription's connection.
    private func send(_ indices: [UInt32], to subscription: ChannelSubscription) {
        var sequence = subscription.sequence
        var dropped = subscription.queue.takeDropped()
        // What belongs to the subscription is looked up once: this is the agent's most frequent loop.
        subscription.messageHead.withByteView { head in
            calls.push(subscription.peer, count: indices.count) { position, message in
                sequence += 1
                Channels.append(head, log.body(Int(indices[position])), sequence, dropped: dropped, to: &message)
                dropped = 0
            }
        }
        subscription.sequence = sequence
        counts.delivered += UInt64(indices.count)
    }

    /// Puts a message into the queue, as the subscription's policy has it.
    private func keep(_ index: Int, for subscription: ChannelSubscription) {
        let body = log.sharedBody(index)
        let before = subscription.queue.bytes
        let hasRoom = queuedBytes + body.count <= settings.queuedBytesMax
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
            counts.delivered += 1
            subscription.messageHead.withByteView { head in
                body.withByteView { body in
                    calls.push(subscription.peer, count: 1) { _, message in
                        Channels.append(head, body, sequence, dropped: dropped, to: &message)
                    }
                }
            }
        }
        return true
    }

    /// Appends a whole notification.
    private static func append(
        _ head: ByteView,
        _ body: ByteView,
        _ sequence: UInt64,
        dropped: UInt64,
        to message: inout ByteBuffer
    ) {
        message.append(head)
        message.append(body)
        message.append(decimal: sequence)
        if dropped > 0 {
            message.append(",\"dropped\":")
            message.append(decimal: dropped)
        }
        message.append("}}")
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
