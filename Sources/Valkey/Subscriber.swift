import Bytes
public import EventLoop
public import Linux
import Observability

/// The subscriptions of a link: one connection of their own, however many there are.
///
/// The connection is made when something is subscribed and closed a second after the last subscription ended. When it
/// breaks it is made anew like the link's data connections, and only while the server is there for those; then all that
/// is desired is subscribed again, and each subscription is told that messages may be missing. Messages are handed on
/// in the order received, within the call that read them.
@EventLoop
public final class Subscriber: ConnectionUser {
    /// How long the connection is kept after the last subscription ended.
    static let unusedMax: Int64 = 1_000_000_000
    /// Shortest time between two connection attempts that a new subscription brings forward.
    static let attemptInterval = Duration.milliseconds(250)

    /// The subscriptions to one target.
    final class Group {
        let target: SubscriptionTarget
        var subscriptions: [Subscription] = []

        init(_ target: SubscriptionTarget) {
            self.target = target
        }

        func matches(_ name: ByteView, isPattern: Bool) -> Bool {
            target.isPattern == isPattern && target.name.withByteView { $0.equals(name) }
        }
    }

    // The link owns its subscriber and outlives it.
    private unowned(unsafe) let owner: Link
    let configuration: LinkConfiguration
    var book = SubscriptionBook()
    var groups: [SubscriptionTarget: Group] = [:]
    /// The group of the last message: messages of one channel come in runs.
    var recent: Group?
    var connection: Connection?
    var output = ByteBuffer()
    var silence = SilenceWatch()
    var timer: TimerID?
    var unusedSince: Instant?
    var lastFault: String?
    var messages: UInt64 = 0
    var gaps: UInt64 = 0

    init(link: Link, configuration: LinkConfiguration) {
        unsafe owner = link
        var configuration = configuration
        configuration.clientName += "-subscriber"
        self.configuration = configuration
    }

    var link: Link { unsafe owner }

    /// The state of a subscriber, for statistics.
    public struct Status: Sendable {
        /// Whether the connection is there.
        public var isConnected: Bool
        /// Channels and patterns that Valkey was asked for.
        public var targets: Int
        /// Messages received since the start.
        public var messages: UInt64
        /// Reconnections and lost messages that subscriptions were told of, since the start.
        public var gaps: UInt64
    }

    /// The subscriber's present state.
    public var status: Status {
        Status(isConnected: book.isConnected, targets: book.count, messages: messages, gaps: gaps)
    }

    /// Subscribes `handler` to a channel or pattern.
    ///
    /// - Parameters:
    ///   - target: What to subscribe to. However many subscribe to the same, Valkey is asked once.
    ///   - handler: Told of the beginning, of messages and gaps, or of why there is no beginning.
    ///   - deadline: When to stop waiting for Valkey's confirmation.
    /// - Returns: The subscription, which lasts over every reconnection until ``unsubscribe(_:)``.
    @discardableResult
    public func subscribe(
        to target: SubscriptionTarget,
        handler: any SubscriptionHandler,
        deadline: Instant
    ) -> Subscription {
        let subscription = Subscription(target, handler)
        if let failure = link.subscriptionFailure {
            end(subscription, .link(failure))
            return subscription
        }
        let group = groups[target] ?? Group(target)
        groups[target] = group
        group.subscriptions.append(subscription)
        unusedSince = nil
        if book.retain(target) {
            subscription.state = .active
            handler.subscriptionBegan(subscription)
            return subscription
        }
        subscription.timer = EventLoop.reactor.timers.schedule(at: deadline) {
            subscription.timer = nil
            self.fail(subscription, .link(LinkFailure(.deadlineExceeded, .none)))
        }
        connect()
        return subscription
    }

    /// Ends a subscription, of which nothing is told any more; one that has ended is left alone.
    public func unsubscribe(_ subscription: Subscription) {
        guard subscription.state != .ended else { return }
        forget(subscription)
        let target = subscription.target
        if let group = groups[target], let index = group.subscriptions.firstIndex(where: { $0 === subscription }) {
            group.subscriptions.remove(at: index)
            if group.subscriptions.isEmpty {
                groups[target] = nil
                if recent === group { recent = nil }
            }
        }
        book.release(target)
    }

    /// Asks what the turn gathered.
    func flush() {
        guard book.hasRequests || !output.isEmpty, let connection, connection.isReady else { return }
        for request in book.takeRequests() { output.append(request) }
        output.consume(connection.send(output.view))
        if connection.isBroken { connection.end("the connection broke while sending") }
    }

    /// Ends every subscription, and the connection.
    func close() {
        failAll { _ in true }
        dropConnection()
    }

    /// Ends the subscriptions that wait for a connection: none can be made now.
    func failWaiting() {
        guard !book.isConnected else { return }
        failAll { $0.state == .waiting }
    }

    private func failAll(_ isConcerned: (Subscription) -> Bool) {
        let failure =
            link.subscriptionFailure
            ?? LinkFailure(.unavailable, .none, retryAfterMilliseconds: link.retryAfterMilliseconds)
        for group in Array(groups.values) {
            for subscription in group.subscriptions where isConcerned(subscription) {
                fail(subscription, .link(failure))
            }
        }
    }

    func fail(_ subscription: Subscription, _ failure: SubscriptionFailure) {
        guard subscription.state != .ended else { return }
        let handler = subscription.handler
        unsubscribe(subscription)
        handler?.subscriptionEnded(subscription, failure)
    }

    /// Ends a subscription that was never taken up.
    private func end(_ subscription: Subscription, _ failure: SubscriptionFailure) {
        let handler = subscription.handler
        forget(subscription)
        handler?.subscriptionEnded(subscription, failure)
    }

    private func forget(_ subscription: Subscription) {
        subscription.state = .ended
        subscription.handler = nil
        if let timer = subscription.timer { EventLoop.reactor.timers.cancel(timer) }
        subscription.timer = nil
    }
}

extension ByteBuffer {
    /// Appends the command of a request.
    fileprivate mutating func append(_ request: SubscriptionBook.Request) {
        switch request {
        case .ping: append(command: "PING")
        case .subscribe(let target): append(target.isPattern ? "PSUBSCRIBE" : "SUBSCRIBE", target.name)
        case .unsubscribe(let target): append(target.isPattern ? "PUNSUBSCRIBE" : "UNSUBSCRIBE", target.name)
        }
    }

    private mutating func append(_ word: StaticString, _ name: [UInt8]) {
        append(commandOf: 2)
        append(word: word)
        name.withByteView { append(word: $0) }
    }
}
