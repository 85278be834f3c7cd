import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Subscribers that do not read")
struct SlowConsumerTests {
    /// What a stuck subscriber found when it read at last.
    private struct Account: Sendable {
        var sequences: [Int64] = []
        var dropped: [Int64] = []
        var closing: String?
        var closingDropped: Int64 = 0
    }

    private static let payload = String(repeating: "x", count: 1000)

    /// Publishes 3000 messages past a subscriber that reads none before the last, beside one that reads each.
    ///
    /// - Parameters:
    ///   - agent: The agent through which both subscribe.
    ///   - server: Where the messages are published.
    ///   - policy: Members of the stuck one's subscription.
    /// - Returns: What each found.
    /// - Throws: `FixtureError` where something does not come.
    private func run(_ agent: Daemon, _ server: ValkeyServer, _ policy: String) async throws -> (Account, [Int64]) {
        let path = agent.socketPath
        return try await onThread {
            let (stuck, fast) = try (ChannelClient(path), ChannelClient(path))
            _ = try stuck.subscribe(#"{"channel":"news",\#(policy)}"#)
            _ = try fast.subscribe(#"{"channel":"news","queue":1}"#)
            let publisher = try server.connect()
            var fastSequences: [Int64] = []
            for number in 1...3000 {
                try publisher.command("PUBLISH", "news", "[\(number),\"\(Self.payload)\"]")
                fastSequences.append(try fast.next().params?["sequence"]?.integer ?? 0)
            }
            var account = Account()
            while account.closing == nil, account.sequences.last != 3001 {
                // What comes after the backlog is told in its place.
                if account.sequences.count == 10 { try publisher.command("PUBLISH", "news", "[3001]") }
                let message = try stuck.next()
                if message.method == "channel.closed" {
                    account.closing = message.params?["reason"]?.string
                    account.closingDropped = message.params?["dropped"]?.integer ?? 0
                } else {
                    account.sequences.append(message.params?["sequence"]?.integer ?? 0)
                    account.dropped.append(message.params?["dropped"]?.integer ?? 0)
                }
            }
            return (account, fastSequences)
        }
    }

    @Test("are cut off, are told so when they read, and hold nobody up", arguments: ServerKind.installed)
    func disconnect(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let (account, fast) = try await run(agents[0], server, #""queue":100"#)
            #expect(fast == Array(1...3000))
            #expect(account.sequences == Array(1...Int64(account.sequences.count)))
            #expect(account.dropped.allSatisfy { $0 == 0 })
            #expect(account.closing == "slow_consumer")
            #expect(account.closingDropped == 100)
            let stats = try await agents[0].call("agent.stats")?.object?["channels"]?.object
            #expect(stats?["slow_consumers"] == 1)
            #expect(stats?["queued_bytes"] == 0)
        }
    }

    @Test("lose the oldest where they want that, with the number in its place", arguments: ServerKind.installed)
    func dropOldest(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let (account, fast) = try await run(agents[0], server, #""queue":100,"overflow":"drop_oldest""#)
            #expect(fast == Array(1...3000))
            #expect(account.closing == nil)
            #expect(account.sequences.last == 3001)
            var last: Int64 = 0
            for (sequence, dropped) in zip(account.sequences, account.dropped) {
                #expect(sequence == last + dropped + 1)
                last = sequence
            }
            #expect(account.dropped.filter { $0 > 0 }.count == 1)
            let total = try #require(account.dropped.max())
            #expect(total > 1000)
            let stats = try await agents[0].call("agent.stats")?.object?["channels"]?.object
            #expect(stats?["dropped"] == .integer(total))
            #expect(stats?["queued_bytes"] == 0)
        }
    }

    @Test("are bounded by bytes too")
    func bytes() async throws {
        try await withAgents { server, agents in
            let (account, fast) = try await run(agents[0], server, #""overflow":"drop_oldest""#)
            #expect(fast == Array(1...3000))
            // 1 MiB of messages of a little more than 1000 bytes waits, of the 4096 that may.
            let waited = account.sequences.drop { $0 < 2000 }.count - 1
            #expect(waited < (1 << 20) / 1000)
            #expect(waited > 900)
        }
    }

    @Test("are bounded as the configuration says, where they name no bound of their own")
    func configured() async throws {
        let bounds = ["SQUIRE_CHANNELS_QUEUE_MAX": "50", "SQUIRE_CHANNELS_SUBSCRIPTIONS_MAX": "2"]
        try await withAgents(environment: bounds) { server, agents in
            let (account, fast) = try await run(agents[0], server, #""overflow":"disconnect""#)
            #expect(fast == Array(1...3000))
            #expect(account.closing == "slow_consumer")
            #expect(account.closingDropped == 50)
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                for _ in 1...2 { _ = try client.subscribe(#"{"channel":"news"}"#) }
                try expect(client.fault("channel.subscribe", #"{"channel":"news"}"#), "overloaded")
            }
        }
        let bytes = ["SQUIRE_CHANNELS_QUEUE_BYTES_MAX": "100000"]
        try await withAgents(environment: bounds.merging(bytes) { $1 }) { server, agents in
            let (account, _) = try await run(agents[0], server, #""overflow":"drop_oldest","queue":4096"#)
            let waited = account.sequences.drop { $0 < 2000 }.count - 1
            #expect((50..<100).contains(waited))
        }
    }

    @Test("do not lose their other calls: an answer behind the messages arrives")
    func calls() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let name = try client.subscribe(#"{"channel":"news","queue":10,"overflow":"drop_oldest"}"#)
                for number in 1...1000 {
                    try server.command("PUBLISH", "news", "[\(number),\"\(Self.payload)\"]")
                }
                let unsubscribed = try client.call("channel.unsubscribe", #"{"subscription":"\#(name)"}"#)
                try expect(unsubscribed["unsubscribed"]?.kind, .true)
                try expect(client.call("agent.ping", "{}")["pong"]?.kind, .true)
            }
        }
    }
}
