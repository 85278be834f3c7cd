import EventLoop
import JSONRPC
import Valkey

/// One client's subscription to a channel or pattern.
@EventLoop
final class ChannelSubscription: SubscriptionHandler {
    /// Its name on the wire.
    let name: String
    /// What the parameters of its notifications begin with.
    let head: [UInt8]
    /// What its messages begin with.
    let messageHead: [UInt8]
    /// The connection that it belongs to.
    let peer: Peer
    /// Which messages it wants; nil for all.
    let filter: MessageFilter?
    /// Messages of the turn, by their places in the log.
    var gathered: [UInt32] = []
    /// Messages that wait for the connection.
    var queue: MessageQueue
    /// Messages meant for it so far.
    var sequence: UInt64 = 0
    /// The call that waits for Valkey's confirmation.
    var call: CallID?
    /// Its share in the link's subscriptions.
    var upstream: Subscription?
    /// Whether nothing is sent any more.
    var isEnded = false
    // The feature lives as long as the process.
    private unowned(unsafe) let channels: Channels

    init(
        number: UInt64,
        _ peer: Peer,
        _ call: CallID,
        _ filter: MessageFilter?,
        _ queue: MessageQueue,
        of owner: Channels
    ) {
        name = "channel-\(number)"
        let head = "{\"subscription\":\"\(name)\""
        self.head = Array(head.utf8)
        messageHead = Array("{\"jsonrpc\":\"2.0\",\"method\":\"channel.message\",\"params\":\(head),".utf8)
        self.peer = peer
        self.call = call
        self.filter = filter
        self.queue = queue
        unsafe channels = owner
    }

    func subscriptionBegan(_ subscription: Subscription) {
        unsafe channels.began(self)
    }

    func subscriptionEnded(_ subscription: Subscription, _ failure: SubscriptionFailure) {
        unsafe channels.ended(self, failure)
    }

    func received(_ message: PublishedMessage, _ subscription: Subscription) {
        unsafe channels.deliver(message, to: self)
    }

    func messagesMayBeMissing(_ subscription: Subscription, _ reason: GapReason) {
        unsafe channels.tellGap(reason, to: self)
    }
}
