import Bytes
import EventLoop
import Linux
import Observability
import TestSupport

@testable import Valkey

/// Keeps what one subscription is told, as words.
@EventLoop
final class SubscriptionRecord: SubscriptionHandler {
    private(set) var events: [String] = []
    private(set) var messages: [String] = []
    private(set) var numbers: [UInt64] = []
    private(set) var gaps = 0

    func subscriptionBegan(_ subscription: Subscription) { events.append("began") }

    func subscriptionEnded(_ subscription: Subscription, _ failure: SubscriptionFailure) {
        switch failure {
        case .link(let failure): events.append("\(failure.code)")
        case .refused(let text): events.append(String(decoding: text, as: UTF8.self))
        }
    }

    func received(_ message: PublishedMessage, _ subscription: Subscription) {
        messages.append("\(message.channel.text()) \(message.content.bytes.text())")
        numbers.append(message.number)
    }

    func messagesMayBeMissing(_ subscription: Subscription, _ reason: GapReason) { gaps += 1 }
}

/// A link to a server of a test, driven from the test's task.
@EventLoop
final class SubscriberFixture {
    let link: Link

    init(socketPath: String, user: String? = nil, password: String? = nil) {
        var endpoint = Endpoint(address: .unix(path: socketPath))
        endpoint.user = user
        endpoint.password = password
        link = Link(name: "cache", configuration: LinkConfiguration(endpoint: endpoint), log: Log(level: .error))
        link.start()
    }

    func subscribe(
        _ target: SubscriptionTarget,
        _ record: SubscriptionRecord,
        within limit: Duration = .seconds(5)
    ) -> Subscription {
        link.subscriber.subscribe(to: target, handler: record, deadline: Instant.now.advanced(by: limit))
    }

    /// Subscribes and waits for the confirmation.
    func begin(_ target: SubscriptionTarget, _ record: SubscriptionRecord) async throws -> Subscription {
        let subscription = subscribe(target, record)
        try await waitUntil("the subscription begins") { record.events == ["began"] }
        return subscription
    }

    func unsubscribe(_ subscription: Subscription) { link.subscriber.unsubscribe(subscription) }

    var status: Subscriber.Status { link.subscriber.status }

    var isConnected: Bool { link.status.isConnected }

    var hasConnection: Bool { link.subscriber.connection != nil }

    func close() { link.close() }
}

/// Runs `body` with a server and a link to it.
func withSubscriber(
    _ kind: ServerKind = .preferred,
    _ body: (ValkeyServer, SubscriberFixture) async throws -> Void
) async throws {
    LoopThread.start()
    try await withValkeyServer(kind) { server in
        let fixture = await SubscriberFixture(socketPath: server.socketPath)
        do {
            try await waitUntil("the link is connected") { await fixture.isConnected }
            try await body(server, fixture)
        } catch {
            await fixture.close()
            throw error
        }
        await fixture.close()
    }
}
