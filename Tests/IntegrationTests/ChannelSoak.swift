import JSON
import Linux
import RPCClient
import TestSupport
import Testing

/// The long forms of ``ChannelTests``, ``ChannelFaultTests`` and ``SlowConsumerTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct ChannelSoak {
    private static let payload = String(repeating: "x", count: 180)

    @Test("a hundred subscribers get every message in order, beside one that does not read")
    func fanOut() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            let rate = try await onThread { try Self.fanOut(server, path, rounds: 200, messages: 250) }
            File.writeToStandardError("ChannelSoak: \(rate) deliveries a second, each looked at\n")
            let stats = try await agents[0].call("agent.stats")?.object
            #expect(stats?["channels"]?.object?["slow_consumers"] == 1)
            #expect(stats?["channels"]?.object?["queued_bytes"] == 0)
            let resident = try #require(stats?["process"]?.object?["resident_bytes"]?.integer)
            #expect(resident < 96 << 20)
        }
    }

    /// Publishes rounds of messages, each of which every subscriber reads whole and in order before the next.
    ///
    /// - Returns: Deliveries a second.
    private static func fanOut(
        _ server: ValkeyServer,
        _ path: String,
        rounds: Int,
        messages: Int
    ) throws -> Int {
        let stuck = try ChannelClient(path)
        _ = try stuck.subscribe(#"{"channel":"news"}"#)
        let subscribers = try (0..<100).map { _ in try ChannelClient(path) }
        for subscriber in subscribers { _ = try subscriber.subscribe(#"{"channel":"news"}"#) }
        let publisher = try ChannelClient(path)
        let start = Instant.now
        var number = 0
        for _ in 0..<rounds {
            for offset in 1...messages {
                let params = #"{"channel":"news","message":[\#(number + offset),"\#(payload)"]}"#
                _ = publisher.client.send("channel.publish", params: JSONFragment(params))
            }
            let end = Instant.now.advanced(by: .seconds(30))
            for _ in 0..<messages {
                let reply = try publisher.client.receive(until: end)
                try expect(reply.result?["receivers"]?.integer, 1)
            }
            for subscriber in subscribers {
                for offset in 1...messages {
                    let line = try subscriber.client.receiveLine(until: end)
                    let text = String(decoding: line, as: UTF8.self)
                    let isNext = text.hasSuffix(#""],"sequence":\#(number + offset)}}"#)
                    try expect(isNext && text.contains("\"message\":[\(number + offset),"), true)
                }
            }
            number += messages
        }
        let milliseconds = max(Instant.now.milliseconds(since: start), 1)
        return number * subscribers.count * 1000 / Int(milliseconds)
    }

    @Test("subscriptions live through fifty restarts of Valkey, each with its gap", arguments: ServerKind.installed)
    func restarts(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { server, agents in
            try await ChannelFaultTests.restart(server, agents, times: 50)
        }
    }
}
