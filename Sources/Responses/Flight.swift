import EventLoop
import JSONRPC
import Linux
import Valkey

/// What a call asks for that would compute a missing response.
struct FlightWish {
    /// The call.
    let request: ResponseRequest
    /// Its connection.
    let peer: Peer
    /// When it must have been answered.
    let deadline: Instant
    /// When it would rather have a plain miss than wait on.
    let until: Instant
    /// How long it would hold the lease, in milliseconds.
    let leaseMilliseconds: Int64

    /// When it is answered at the latest.
    var end: Instant { min(until, deadline) }
}

/// The lease of a response that somebody on this host asks the model for.
struct HeldLease {
    let token: [UInt8]
    /// Whose connection it ends with.
    let peer: Peer
    /// Ends it.
    let timer: TimerID
}

/// A missing response that calls of this host wait for.
///
/// One task asks Valkey on behalf of all of them: for the response, or for the lease of the one who has waited longest.
/// It asks again when it is told, over the channel of the response's name, that the response was stored or its lease
/// ended; when the lease's time is over; when messages may have been missed; and every second, as a lease also ends with
/// the generations that it was given under.
@EventLoop
final class Flight: SubscriptionHandler {
    /// What is waited for.
    let identity: RequestIdentity
    /// Who waits, the longest first.
    var waiters: [FlightWish] = []
    /// The id of an entry that is there and out of date.
    var stale: [UInt8]
    /// Whether Valkey is to be asked, because something is known to have happened or nothing is known yet.
    private(set) var hasNews = true
    /// When Valkey is asked again in any case.
    var nextQuestion = Instant.distantFuture
    private var subscription: Subscription?
    private var isSubscribed = false
    private var sleeper: CheckedContinuation<Void, Never>?

    init(_ identity: RequestIdentity, stale: [UInt8]) {
        self.identity = identity
        self.stale = stale
    }

    /// Takes note that Valkey is being asked.
    func takeNews() {
        hasNews = false
    }

    /// Has Valkey asked as soon as may be.
    func tellNews() {
        hasNews = true
        wake()
    }

    /// Has the task look at its waiters.
    func wake() {
        let continuation = sleeper
        sleeper = nil
        continuation?.resume()
    }

    /// Waits for news or an instant.
    func sleep(until instant: Instant) async {
        guard !hasNews else { return }
        let timer = EventLoop.reactor.timers.schedule(at: instant) { self.wake() }
        await withCheckedContinuation { sleeper = $0 }
        EventLoop.reactor.timers.cancel(timer)
    }

    /// Makes sure that news is told.
    ///
    /// - Returns: False where it is not; true where it is from now on or was already, as `wasTold` says.
    func listen(
        _ subscriber: Subscriber,
        _ channel: [UInt8],
        until deadline: Instant
    ) async -> (isTold: Bool, wasTold: Bool) {
        if isSubscribed { return (true, true) }
        guard subscription == nil else { return (false, false) }
        await withCheckedContinuation { continuation in
            sleeper = continuation
            let subscription = subscriber.subscribe(to: .channel(channel), handler: self, deadline: deadline)
            if sleeper != nil { self.subscription = subscription }
        }
        return (isSubscribed, false)
    }

    /// Listens no longer.
    func leave(_ subscriber: Subscriber) {
        guard let subscription else { return }
        self.subscription = nil
        isSubscribed = false
        subscriber.unsubscribe(subscription)
    }

    func subscriptionBegan(_ subscription: Subscription) {
        self.subscription = subscription
        isSubscribed = true
        tellNews()
    }

    func subscriptionEnded(_ subscription: Subscription, _ failure: SubscriptionFailure) {
        self.subscription = nil
        isSubscribed = false
        tellNews()
    }

    func received(_ message: PublishedMessage, _ subscription: Subscription) {
        tellNews()
    }

    func messagesMayBeMissing(_ subscription: Subscription, _ reason: GapReason) {
        tellNews()
    }
}
