import Bytes
import EventLoop
import Linux
import Observability

// MARK: The connection's news

extension Subscriber {
    /// The link's data connections reached the server.
    func linkBecameReady() {
        connection?.connect()
    }

    var connectionMayConnect: Bool { link.mayConnectSubscriber }

    var connectionScripts: [String] { [] }

    func connectionIsGreeting() {}

    func connectionBecameReady(_ server: Greeting.Server) {
        silence = SilenceWatch()
        output.removeAll()
        book.connected()
        if lastFault != nil { link.log.notice("subscriptions are taken up again", ["store": link.name]) }
        lastFault = nil
        flush()
    }

    func connectionCanSend() {
        flush()
    }

    func connectionEnded(_ ending: Connection.Ending) {
        book.disconnected()
        guard lastFault != ending.reason else { return }
        lastFault = ending.reason
        link.log.warning(
            "the connection for subscriptions is lost; trying again",
            ["store": link.name, "reason": ending.reason]
        )
    }

    func connectionReceived(_ reply: Reply) {
        switch reply.kind {
        case .array: receivedArray(reply)
        case .status where reply.bytes.equals("PONG"): take(book.received(confirmationOf: .ping), .empty)
        case .error: take(book.receivedError(), reply.bytes)
        case .tooLarge: tellAll(.messageTooLarge)
        case .status, .integer, .bulk, .null: take(.unexpected, .empty)
        }
    }

    private func receivedArray(_ reply: Reply) {
        var elements = reply.elements()
        guard let word = elements.next()?.bytes, let name = elements.next() else { return }
        if word.equals("message") {
            if let content = elements.next() { handOn(name.bytes, name.bytes, content, isPattern: false) }
        } else if word.equals("pmessage") {
            if let channel = elements.next(), let content = elements.next() {
                handOn(name.bytes, channel.bytes, content, isPattern: true)
            }
        } else if word.equals("pong") {
            take(book.received(confirmationOf: .ping), .empty)
        } else if word.equals("subscribe") || word.equals("psubscribe") {
            let target = SubscriptionTarget(name: name.bytes.copy(), isPattern: word.count > 9)
            take(book.received(confirmationOf: .subscribe(target)), .empty)
        } else if word.equals("unsubscribe") || word.equals("punsubscribe") {
            let target = SubscriptionTarget(name: name.bytes.copy(), isPattern: word.count > 11)
            take(book.received(confirmationOf: .unsubscribe(target)), .empty)
        }
    }

    private func handOn(_ name: ByteView, _ channel: ByteView, _ content: Reply, isPattern: Bool) {
        messages += 1
        guard let group = group(name, isPattern: isPattern) else { return }
        let message = PublishedMessage(number: messages, channel: channel, content: content)
        for subscription in group.subscriptions where subscription.state == .active {
            subscription.handler?.received(message, subscription)
        }
    }

    private func group(_ name: ByteView, isPattern: Bool) -> Group? {
        if let recent, recent.matches(name, isPattern: isPattern) { return recent }
        guard let group = groups[SubscriptionTarget(name: name.copy(), isPattern: isPattern)] else { return nil }
        recent = group
        return group
    }

    /// Does what a reply asks for; `text` is the server's where it refused.
    private func take(_ news: SubscriptionBook.News, _ text: ByteView) {
        switch news {
        case .nothing: return
        case .unexpected:
            connection?.end("it answered what it was not asked: \(text.prefix(min(text.count, 64)).text())")
        case .confirmed(let target): confirmed(target)
        case .refused(let target):
            let text = text.copy()
            for subscription in groups[target]?.subscriptions ?? [] { fail(subscription, .refused(text)) }
        }
    }

    private func confirmed(_ target: SubscriptionTarget) {
        for subscription in groups[target]?.subscriptions ?? [] {
            switch subscription.state {
            case .ended: continue
            case .active:
                gaps += 1
                subscription.handler?.messagesMayBeMissing(subscription, .reconnected)
            case .waiting:
                if let timer = subscription.timer { EventLoop.reactor.timers.cancel(timer) }
                subscription.timer = nil
                subscription.state = .active
                subscription.handler?.subscriptionBegan(subscription)
            }
        }
    }

    private func tellAll(_ reason: GapReason) {
        for group in Array(groups.values) {
            for subscription in group.subscriptions where subscription.state == .active {
                gaps += 1
                subscription.handler?.messagesMayBeMissing(subscription, reason)
            }
        }
    }
}

// MARK: The connection's life

extension Subscriber {
    /// Sees to a connection.
    func connect() {
        if let connection {
            if link.mayConnectSubscriber { connection.hasten(interval: Subscriber.attemptInterval) }
            return
        }
        let connection = Connection(user: self, configuration: configuration, credentials: link.credentials)
        self.connection = connection
        if link.mayConnectSubscriber { connection.connect() }
        watch(at: EventLoop.reactor.now.advanced(nanoseconds: SilenceWatch.beforePing))
    }

    /// Closes the connection; the next subscription makes another.
    func dropConnection() {
        connection?.close()
        connection = nil
        book.disconnected()
        output.removeAll(keepingCapacityUpTo: 0)
        lastFault = nil
        unusedSince = nil
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = nil
    }

    private func watch(at instant: Instant) {
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = EventLoop.reactor.timers.schedule(at: instant) {
            self.timer = nil
            self.look()
        }
    }

    /// Asks a silent server whether it is there, gives a dead one up, and closes a connection that nobody needs.
    private func look() {
        guard let connection else { return }
        let now = EventLoop.reactor.now
        let later = now.advanced(nanoseconds: SilenceWatch.beforePing)
        if book.isUnused {
            let since = unusedSince ?? now
            unusedSince = since
            if now.nanoseconds(since: since) >= Subscriber.unusedMax { return dropConnection() }
            return watch(at: later)
        }
        guard connection.isReady else { return watch(at: later) }
        switch silence.look(at: now, receivedAt: connection.receivedAt) {
        case .wait(let instant):
            watch(at: instant)
        case .ping(let next):
            book.ping()
            flush()
            watch(at: min(next, later))
        case .dead(let milliseconds):
            watch(at: later)
            connection.endUnlessHeard(silentFor: milliseconds)
        }
    }
}
