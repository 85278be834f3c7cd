import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Publications before the store was asked whether it keeps them")
struct TopicDeadlineTests {
    @Test("wait as long as their own callers do", arguments: [[100, 60_000], [60_000, 100]])
    func ownDeadline(_ milliseconds: [Int64]) async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            let client = try await onThread { ChannelFaultTests.Held(try ChannelClient(path)) }
            try await server.restart()
            try await onThread {
                let client = client.value
                // The connections are new, and nothing is known of the store behind them.
                for (method, params) in [("topic.inspect", #"{"topic":"orders"}"#), ("session.create", "{}")] {
                    _ = try TopicFaultTests.insistently { try client.call(method, params) }
                }
                try server.pause()
                defer { try? server.resume() }
                let calls = milliseconds.map { limit in
                    let params = #"{"topic":"orders","message":\#(limit),"_meta":{"deadline_ms":\#(limit)}}"#
                    return (limit, client.client.send("topic.publish", params: JSONFragment(params)))
                }.sorted { $0.0 < $1.0 }
                let end = Instant.now.advanced(by: .seconds(15))
                let short = try client.client.reply(to: calls[0].1, until: end)
                try expect(short.error?.kind, "deadline_exceeded")
                try expect(short.error?.data?["outcome"]?.string, "not_applied")
                try server.resume()
                let long = try client.client.reply(to: calls[1].1, until: end)
                try expect(long.error?.kind, nil)
                try expect(client.inspect("orders"), "1")
            }
        }
    }
}
