import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Valkey

/// The channel over which scripts tell this agent what they granted to it and took from it.
@EventLoop
final class AgentNews: SubscriptionHandler {
    // It lives as long as the process.
    private unowned(unsafe) let owner: Leases
    /// Whether Valkey confirmed that it tells.
    private(set) var isListening = false

    init(of leases: Leases) {
        unsafe owner = leases
    }

    func subscriptionBegan(_ subscription: Subscription) {
        isListening = true
        unsafe owner.newsBegan()
    }

    func subscriptionEnded(_ subscription: Subscription, _ failure: SubscriptionFailure) {
        unsafe owner.newsEnded()
    }

    func received(_ message: PublishedMessage, _ subscription: Subscription) {
        unsafe owner.received(news: message.content.bytes)
    }

    func messagesMayBeMissing(_ subscription: Subscription, _ reason: GapReason) {
        unsafe owner.newsMayBeMissing()
    }
}

extension Leases {
    /// Begins to listen, where that has not begun: before anybody waits, and before anything is held that an operator
    /// may revoke.
    func listen() {
        guard news == nil, !isEnding else { return }
        let news = AgentNews(of: self)
        self.news = news
        let deadline = Instant.now.advanced(by: Leases.backgroundTimeout)
        link.subscriber.subscribe(to: .channel(stem + agent), handler: news, deadline: deadline)
    }

    /// Has a lease asked for as soon as this agent listens, or it turns out that it cannot, and a release of the same
    /// lease is over.
    func askLater(_ lease: Lease) {
        deferred.append(lease)
        lease.cancelTimer()
        let waitEnd = lease.wish.waitMilliseconds == 0 ? .distantFuture : lease.waitEnd
        lease.timer = EventLoop.reactor.timers.schedule(at: min(waitEnd, lease.answerDeadline)) {
            lease.timer = nil
            self.deferred.removeAll { $0 === lease }
            if waitEnd <= lease.deadline { return self.giveUp(lease) }
            self.fail(
                lease,
                RPCError(.deadlineExceeded, "the deadline passed before Valkey answered", outcome: .notApplied)
            )
        }
        listen()
    }

    private func askDeferred() {
        let leases = deferred
        deferred = []
        for lease in leases where lease.state == .asking {
            lease.cancelTimer()
            ask(lease, isHeard: true)
        }
    }

    /// Valkey tells from now on.
    func newsBegan() {
        askDeferred()
        newsMayBeMissing()
        // While this agent did not listen, its waits did not count.
        lookAgainAtAllWaits()
    }

    /// What came to pass meanwhile nobody told.
    func newsMayBeMissing() {
        for place in Array(waits.values) { tend(place) }
        // A renewal tells whether a lease was revoked.
        for lease in Array(leases.values) where lease.state == .held && lease.wish.isBound && !lease.isRenewing {
            lease.retryAt = .now
            keep(lease)
        }
    }

    /// Valkey could not be asked for the channel: it is asked again while somebody needs it.
    func newsEnded() {
        news = nil
        askDeferred()
        guard !isEnding else { return }
        Task { @EventLoop in
            await EventLoop.reactor.timers.sleep(for: Leases.retryDelay)
            if !self.leases.isEmpty { self.listen() }
        }
    }

    /// Takes a message: a letter and the name of a lease.
    func received(news: ByteView) {
        guard news.count == LeaseID.textCount + 1, let id = LeaseID(news.dropFirst(1)) else { return }
        let lease = ids[id]
        switch news[0] {
        case UInt8(ascii: "g"):
            // Granted to a wait that has ended: whoever ended it has it released already.
            if let lease { claim(lease) }
        case UInt8(ascii: "r"):
            if let lease { revoked(lease) }
        default: return
        }
    }
}
