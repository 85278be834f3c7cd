public import Bytes
public import EventLoop

/// One party's interest in a channel or pattern.
@EventLoop
public final class Subscription {
    enum State {
        /// The server has not confirmed it yet.
        case waiting
        /// Messages are handed on; gaps are told.
        case active
        /// Nothing is told any more.
        case ended
    }

    /// What is subscribed to.
    public let target: SubscriptionTarget
    var state = State.waiting
    /// Told of everything; nil after the end.
    var handler: (any SubscriptionHandler)?
    /// Ends the wait for the confirmation.
    var timer: TimerID?

    init(_ target: SubscriptionTarget, _ handler: any SubscriptionHandler) {
        self.target = target
        self.handler = handler
    }

    /// Whether the server confirmed it and it has not ended.
    public var isActive: Bool { state == .active }
}

/// Something that subscribes.
///
/// It is kept alive until its subscription ends, and may subscribe and unsubscribe within each of these methods.
@EventLoop
public protocol SubscriptionHandler: AnyObject {
    /// The server confirmed the subscription: what is published from now on is handed on. Told at most once, and before
    /// ``Subscriber/subscribe(to:handler:deadline:)`` returns where the server had confirmed it to another.
    func subscriptionBegan(_ subscription: Subscription)
    /// The subscription ended, whether it had begun or not, and not by ``Subscriber/unsubscribe(_:)``.
    func subscriptionEnded(_ subscription: Subscription, _ failure: SubscriptionFailure)
    /// A message was published; it is lent until the method returns.
    func received(_ message: PublishedMessage, _ subscription: Subscription)
    /// Messages may be missing between the last one and the next.
    func messagesMayBeMissing(_ subscription: Subscription, _ reason: GapReason)
}

/// A message of a channel, lent until its receiver returns.
public struct PublishedMessage {
    /// Number of the message among all that the subscriber received, for work that is done once for several receivers.
    public let number: UInt64
    /// The channel's name as Valkey knows it.
    public let channel: ByteView
    /// What was published: a bulk string, but for channels of Valkey's own.
    public let content: Reply
}

/// Why messages may be missing.
public enum GapReason: Sendable {
    /// The connection was lost, and is there again.
    case reconnected
    /// A message was larger than the agent takes in; its channel is not known.
    case messageTooLarge
}

/// Why a subscription ended by itself.
public enum SubscriptionFailure: Error, Equatable, Sendable {
    /// The server could not be asked, or did not answer in time.
    case link(LinkFailure)
    /// The server refused with this error text.
    case refused([UInt8])
}
