import Linux
import TestSupport
import Testing
import Valkey

@Suite("The subscriptions of a link")
struct SubscriberTests {
    private let news = SubscriptionTarget.channel(Array("news".utf8))

    @Test("messages of channels and patterns come in order, exact ones once", arguments: ServerKind.installed)
    func order(_ kind: ServerKind) async throws {
        try await withSubscriber(kind) { server, fixture in
            let exact = SubscriptionRecord()
            let pattern = SubscriptionRecord()
            _ = try await fixture.begin(news, exact)
            _ = try await fixture.begin(.pattern(Array("n*s".utf8)), pattern)
            let publisher = try server.connect()
            for number in 0..<1000 { try publisher.command("PUBLISH", "news", "\(number)") }
            try publisher.command("PUBLISH", "nos", "other")
            try await waitUntil("all came") { await pattern.messages.count == 1001 }
            let expected = (0..<1000).map { "news \($0)" }
            #expect(await exact.messages == expected)
            #expect(await pattern.messages == expected + ["nos other"])
        }
    }

    @Test("Valkey is asked once for all that want the same, until the last has left", arguments: ServerKind.installed)
    func references(_ kind: ServerKind) async throws {
        try await withSubscriber(kind) { server, fixture in
            let records = [SubscriptionRecord(), SubscriptionRecord(), SubscriptionRecord()]
            var subscriptions: [Subscription] = []
            for record in records { subscriptions.append(try await fixture.begin(news, record)) }
            #expect(try server.subscribers("news") == 1)
            #expect(try server.command("PUBLISH", "news", "1") == .integer(1))
            for record in records {
                try await waitUntil("it came") { await record.messages == ["news 1"] }
            }
            await fixture.unsubscribe(subscriptions[0])
            await fixture.unsubscribe(subscriptions[1])
            try server.command("PUBLISH", "news", "2")
            try await waitUntil("it came") { await records[2].messages == ["news 1", "news 2"] }
            #expect(await records[0].messages == ["news 1"])
            await fixture.unsubscribe(subscriptions[2])
            try await waitUntil("nobody is subscribed") { try server.subscribers("news") == 0 }
            try await waitUntil("the connection is closed") { await !fixture.hasConnection }
            let again = SubscriptionRecord()
            _ = try await fixture.begin(news, again)
            #expect(try server.subscribers("news") == 1)
        }
    }

    @Test(
        "after a restart everything is subscribed again, and each is told of the gap",
        arguments: ServerKind.installed
    )
    func restarts(_ kind: ServerKind) async throws {
        try await withSubscriber(kind) { server, fixture in
            let records = [SubscriptionRecord(), SubscriptionRecord()]
            _ = try await fixture.begin(news, records[0])
            _ = try await fixture.begin(.pattern(Array("*".utf8)), records[1])
            for round in 1...3 {
                try await server.restart()
                for record in records {
                    try await waitUntil("the gap is told") { await record.gaps == round }
                }
                try server.command("PUBLISH", "news", "\(round)")
                for record in records {
                    try await waitUntil("it came") { await record.messages.last == "news \(round)" }
                    #expect(await record.events == ["began"])
                }
            }
        }
    }

    @Test("a connection that the server closes alone is made anew")
    func killed() async throws {
        try await withSubscriber { server, fixture in
            let record = SubscriptionRecord()
            _ = try await fixture.begin(news, record)
            #expect(try server.command("CLIENT", "KILL", "TYPE", "pubsub") == .integer(1))
            try await waitUntil("the gap is told") { await record.gaps == 1 }
            #expect(try server.subscribers("news") == 1)
        }
    }

    @Test("a server that says nothing for three seconds is taken for dead, a silent one is not")
    func silence() async throws {
        try await withSubscriber { server, fixture in
            let record = SubscriptionRecord()
            _ = try await fixture.begin(news, record)
            let asked = { try server.command("INFO", "commandstats").text?.contains("cmdstat_ping:calls=") ?? false }
            try server.command("CONFIG", "RESETSTAT")
            try await waitUntil("it was asked whether it is there", asked)
            #expect(await record.gaps == 0)
            try server.pause()
            try await waitUntil("the connection is given up") { await !fixture.status.isConnected }
            try server.resume()
            try await waitUntil("the gap is told") { await record.gaps == 1 }
        }
    }

    @Test("without a server a subscription fails, at its deadline or at once, and is not kept")
    func unavailable() async throws {
        try await withSubscriber { server, fixture in
            server.kill()
            try await waitUntil("the link is lost") { await !fixture.isConnected }
            let record = SubscriptionRecord()
            _ = await fixture.subscribe(news, record)
            try await waitUntil("it failed") { await record.events == ["unavailable"] }
            #expect(await fixture.status.targets == 0)
            try await server.start()
            try await waitUntil("the link is connected") { await fixture.isConnected }
            _ = try await fixture.begin(news, SubscriptionRecord())
        }
    }

    @Test("a server that does not confirm in time costs the caller its deadline and no more")
    func deadline() async throws {
        try await withSubscriber { server, fixture in
            _ = try await fixture.begin(news, SubscriptionRecord())
            try server.pause()
            let record = SubscriptionRecord()
            _ = await fixture.subscribe(.channel(Array("late".utf8)), record, within: .milliseconds(100))
            try await waitUntil("it failed") { await record.events == ["deadlineExceeded"] }
            try server.resume()
            try await waitUntil("what nobody wants is unsubscribed") {
                try server.subscribers("late") == 0 && server.subscribers("news") == 1
            }
            try server.command("PUBLISH", "late", "1")
            #expect(await record.messages.isEmpty)
        }
    }

    @Test("what the server refuses is said to those who asked, and the others go on")
    func refusal() async throws {
        try await withSubscriber { server, _ in
            try server.command("ACL", "SETUSER", "reader", "on", ">secret", "+@all", "resetchannels", "&news")
            let fixture = await SubscriberFixture(socketPath: server.socketPath, user: "reader", password: "secret")
            let record = SubscriptionRecord()
            _ = try await fixture.begin(news, record)
            let refused = SubscriptionRecord()
            _ = await fixture.subscribe(.channel(Array("secrets".utf8)), refused)
            try await waitUntil("it was refused") { await refused.events.first?.hasPrefix("NOPERM") == true }
            try server.command("PUBLISH", "news", "1")
            try await waitUntil("it came") { await record.messages == ["news 1"] }
            #expect(await record.gaps == 0)
            await fixture.close()
            #expect(await record.events == ["began", "closing"])
        }
    }
}
