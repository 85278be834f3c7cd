import Bytes
import EventLoop
import JSON
import JSONRPC
import Valkey

extension Channels {
    /// Hands a message to a subscription: to its connection where that takes output, else to its queue.
    func deliver(_ message: PublishedMessage, to subscription: ChannelSubscription) {
        guard encoder.encode(message) else { return }
        if let filter = subscription.filter, !passes(message, filter) {
            counts.filtered += 1
            return
        }
        guard encoder.body.count <= calls.limits.replyBytesMax else {
            return tellGap(.messageTooLarge, to: subscription)
        }
        subscription.sequence += 1
        let peer = subscription.peer
        guard !peer.isBlocked, subscription.queue.isEmpty else { return keep(for: subscription) }
        let dropped = subscription.queue.takeDropped()
        send(encoder.body, subscription.sequence, dropped: dropped, to: subscription)
        if peer.output.count >= Channels.outputBytesHigh { calls.flush(peer) }
    }

    private func passes(_ message: PublishedMessage, _ filter: MessageFilter) -> Bool {
        guard encoder.isJSON,
            let value = try? JSONScanner.scan(message.content.bytes, depthMax: calls.limits.depthMax)
        else { return false }
        return filter.matches(value)
    }

    /// Puts the message into the queue, as the subscription's policy has it.
    private func keep(for subscription: ChannelSubscription) {
        let body = encoder.sharedBody()
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
        calls.push(subscription.peer, "channel.message") { parameters in
            parameters.append(subscription.head)
            parameters.append(UInt8(ascii: ","))
            parameters.append(body)
            parameters.append(",\"sequence\":")
            parameters.append(decimal: sequence)
            if dropped > 0 {
                parameters.append(",\"dropped\":")
                parameters.append(decimal: dropped)
            }
            parameters.append(UInt8(ascii: "}"))
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
