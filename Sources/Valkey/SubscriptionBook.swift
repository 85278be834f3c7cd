/// What is to be subscribed and what is, by the server's word: the subscriber without its socket.
///
/// Each target has a number of references, which is what is desired, and a state on the present connection, which is
/// what is actual. One request at most is on its way for a target; its confirmation shows whether another has to
/// follow, and a new connection begins with everything desired and nothing actual.
///
/// Pure: it is told of wishes, connections and replies, and says what to ask and what a reply means.
struct SubscriptionBook {
    /// What the server is asked.
    enum Request: Equatable {
        case subscribe(SubscriptionTarget)
        case unsubscribe(SubscriptionTarget)
        case ping
    }

    /// What a reply means.
    enum News: Equatable {
        /// Nothing that anybody waits for.
        case nothing
        /// Messages of the target come from now on.
        case confirmed(SubscriptionTarget)
        /// The server does not let us subscribe.
        case refused(SubscriptionTarget)
        /// It answers no request that was made: the connection is of no more use.
        case unexpected
    }

    private enum Actual {
        case absent
        case subscribing
        case subscribed
        case unsubscribing
    }

    private struct Entry {
        var references = 0
        var actual = Actual.absent
    }

    private var entries: [SubscriptionTarget: Entry] = [:]
    /// Requests that were not taken to be sent yet.
    private var unsent: [Request] = []
    /// Requests whose replies are to come, from `awaitedStart` on.
    private var awaited: [Request] = []
    private var awaitedStart = 0
    private(set) var isConnected = false

    /// Whether nothing is desired and nothing is subscribed or about to be.
    var isUnused: Bool { entries.isEmpty }

    /// Targets that are desired, or not unsubscribed yet.
    var count: Int { entries.count }

    /// Whether requests are to be sent.
    var hasRequests: Bool { !unsent.isEmpty }

    /// Adds a reference to `target`.
    ///
    /// - Returns: Whether the server confirmed its subscription already, so that messages come.
    mutating func retain(_ target: SubscriptionTarget) -> Bool {
        entries[target, default: Entry()].references += 1
        reconcile(target)
        return entries[target]?.actual == .subscribed
    }

    /// Takes a reference to `target` back, of which there must be one.
    mutating func release(_ target: SubscriptionTarget) {
        guard let references = entries[target]?.references, references > 0 else {
            preconditionFailure("a subscription was released more often than retained")
        }
        entries[target]?.references = references - 1
        reconcile(target)
    }

    /// A connection is there: everything desired is asked for anew.
    mutating func connected() {
        isConnected = true
        for target in entries.keys { reconcile(target) }
    }

    /// The connection is gone, and with it all that was subscribed and asked.
    mutating func disconnected() {
        isConnected = false
        unsent.removeAll()
        awaited.removeAll()
        awaitedStart = 0
        for target in entries.keys {
            entries[target]?.actual = .absent
            reconcile(target)
        }
    }

    /// Asks the server whether it is there.
    mutating func ping() {
        guard isConnected else { return }
        unsent.append(.ping)
    }

    /// The requests to be sent, in order; their replies are awaited from now on.
    mutating func takeRequests() -> [Request] {
        defer { unsent.removeAll() }
        awaited += unsent
        return unsent
    }

    /// Takes the confirmation that a target is subscribed, or is no more.
    mutating func received(confirmationOf request: Request) -> News {
        guard takeAwaited() == request else { return .unexpected }
        switch request {
        case .ping: return .nothing
        case .unsubscribe(let target):
            entries[target]?.actual = .absent
            reconcile(target)
            return .nothing
        case .subscribe(let target):
            entries[target]?.actual = .subscribed
            reconcile(target)
            return .confirmed(target)
        }
    }

    /// Takes an error of the server, which answers the request whose turn it is.
    ///
    /// - Returns: What was refused. Where it is no subscription the connection is of no more use; a new one is
    ///   subscribed to what is desired and nothing else.
    mutating func receivedError() -> News {
        guard case .subscribe(let target) = takeAwaited() else { return .unexpected }
        // Whoever wants it is told, and takes the wish back.
        entries[target]?.actual = .absent
        if entries[target]?.references == 0 { entries[target] = nil }
        return .refused(target)
    }

    private mutating func takeAwaited() -> Request? {
        guard awaitedStart < awaited.count else { return nil }
        let request = awaited[awaitedStart]
        awaitedStart += 1
        if awaitedStart == awaited.count {
            awaited.removeAll(keepingCapacity: true)
            awaitedStart = 0
        }
        return request
    }

    /// Asks for what separates the actual from the desired, unless an answer is still to come.
    private mutating func reconcile(_ target: SubscriptionTarget) {
        guard let entry = entries[target] else { return }
        switch entry.actual {
        case .absent where entry.references == 0:
            entries[target] = nil
        case .absent where isConnected:
            entries[target]?.actual = .subscribing
            unsent.append(.subscribe(target))
        case .subscribed where entry.references == 0:
            entries[target]?.actual = .unsubscribing
            unsent.append(.unsubscribe(target))
        case .absent, .subscribing, .subscribed, .unsubscribing:
            break
        }
    }
}
