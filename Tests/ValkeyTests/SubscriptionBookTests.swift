import Testing

@testable import Valkey

/// `#expect` takes no call that changes its receiver.
private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
}

/// The book is pure: it is told of wishes and replies, and no server is needed.
@Suite("Subscription book")
struct SubscriptionBookTests {
    private let news = SubscriptionTarget.channel(Array("news".utf8))
    private let sport = SubscriptionTarget.channel(Array("sport".utf8))

    /// A book on a connection, with `targets` subscribed.
    private func book(_ targets: SubscriptionTarget...) -> SubscriptionBook {
        var book = SubscriptionBook()
        book.connected()
        for target in targets {
            check(!book.retain(target))
            check(book.takeRequests() == [.subscribe(target)])
            check(book.received(confirmationOf: .subscribe(target)) == .confirmed(target))
        }
        return book
    }

    @Test("asks once however often a target is retained, and tells when it is confirmed")
    func once() {
        var book = SubscriptionBook()
        book.connected()
        check(!book.retain(news))
        check(!book.retain(news))
        check(book.takeRequests() == [.subscribe(news)])
        check(book.received(confirmationOf: .subscribe(news)) == .confirmed(news))
        check(book.retain(news))
        check(!book.hasRequests)
    }

    @Test("unsubscribes with the last reference, and is unused once that is confirmed")
    func last() {
        var book = book(news)
        check(book.retain(news))
        book.release(news)
        check(!book.hasRequests)
        book.release(news)
        check(book.takeRequests() == [.unsubscribe(news)])
        check(!book.isUnused)
        check(book.received(confirmationOf: .unsubscribe(news)) == .nothing)
        check(book.isUnused)
    }

    @Test("has one request under way for a target: a changed mind waits for its confirmation")
    func changedMind() {
        var book = SubscriptionBook()
        book.connected()
        _ = book.retain(news)
        _ = book.takeRequests()
        book.release(news)
        check(!book.hasRequests)
        check(book.received(confirmationOf: .subscribe(news)) == .confirmed(news))
        check(book.takeRequests() == [.unsubscribe(news)])
        check(!book.retain(news))
        check(!book.hasRequests)
        check(book.received(confirmationOf: .unsubscribe(news)) == .nothing)
        check(book.takeRequests() == [.subscribe(news)])
        check(book.received(confirmationOf: .subscribe(news)) == .confirmed(news))
        check(book.retain(news))
    }

    @Test("asks for everything desired on a new connection, and for nothing else")
    func reconnection() {
        var book = book(news, sport)
        book.release(sport)
        book.disconnected()
        check(book.count == 1)
        check(!book.hasRequests)
        check(!book.retain(news))
        book.connected()
        check(book.takeRequests() == [.subscribe(news)])
        check(book.received(confirmationOf: .subscribe(news)) == .confirmed(news))
    }

    @Test("forgets requests of a lost connection: their replies are unexpected on the next")
    func lostRequests() {
        var book = SubscriptionBook()
        book.connected()
        _ = book.retain(news)
        _ = book.takeRequests()
        book.disconnected()
        book.release(news)
        check(book.isUnused)
        book.connected()
        check(book.received(confirmationOf: .subscribe(news)) == .unexpected)
    }

    @Test("waits without a connection, and what is taken back by then is never asked for")
    func withoutConnection() {
        var book = SubscriptionBook()
        check(!book.retain(news))
        check(!book.retain(sport))
        check(!book.hasRequests)
        book.release(sport)
        book.connected()
        check(book.takeRequests() == [.subscribe(news)])
    }

    @Test("gives an error to the subscription whose turn it is")
    func refusal() {
        var book = book()
        _ = book.retain(news)
        book.ping()
        _ = book.retain(sport)
        check(book.takeRequests() == [.subscribe(news), .ping, .subscribe(sport)])
        check(book.received(confirmationOf: .subscribe(news)) == .confirmed(news))
        check(book.received(confirmationOf: .ping) == .nothing)
        check(book.receivedError() == .refused(sport))
        book.release(sport)
        check(book.count == 1)
        check(!book.hasRequests)
    }

    @Test("takes a connection for useless that answers what was not asked, or refuses to unsubscribe")
    func unexpected() {
        var book = book(news)
        check(book.received(confirmationOf: .subscribe(news)) == .unexpected)
        check(book.receivedError() == .unexpected)
        book.release(news)
        _ = book.takeRequests()
        check(book.receivedError() == .unexpected)
        book.disconnected()
        check(book.isUnused)
    }

    @Test("a channel and a pattern of the same name are two targets")
    func patterns() {
        var book = book(news)
        let pattern = SubscriptionTarget.pattern(Array("news".utf8))
        check(!book.retain(pattern))
        check(book.takeRequests() == [.subscribe(pattern)])
        check(book.received(confirmationOf: .subscribe(news)) == .unexpected)
    }
}
