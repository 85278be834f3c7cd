import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("How long topics keep messages")
struct TopicRetentionTests {
    @Test("a full topic refuses, until every group has handled the oldest", arguments: ServerKind.installed)
    func full(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let full = #"{"topic":"orders","message":6,"length_max":5}"#
                let (fast, slow) = try (client.consume("orders", "fast"), client.consume("orders", "slow"))
                var ids: [String] = []
                for number in 1...5 { ids.append(try client.put("orders", "\(number)", #","length_max":5"#)) }
                for _ in 1...10 { _ = try client.take() }
                let refusal = try client.reply("topic.publish", full).error
                try expect(refusal?.kind, "topic_full")
                try expect(refusal?.data?["outcome"]?.string, "not_applied")
                try expect(client.settle("ack", fast, ids).acked, ids)
                try expect(client.fault("topic.publish", full), "topic_full")
                // Behind a message that is not handled nothing goes, in whatever order the others were.
                try client.settle("ack", slow, [ids[1], ids[2]])
                try expect(client.fault("topic.publish", full), "topic_full")
                try client.settle("ack", slow, [ids[0]])
                _ = try client.call("topic.publish", full)
                // Both groups are given the new one.
                for _ in 1...2 { try expect(client.take().content, "6") }
                // No more goes than what makes room.
                try expect(client.inspect("orders"), "5; fast: 1 0 1; slow: 3 0 1")
                // A message that was refused is not remembered.
                let remembered = #"{"topic":"orders","message":7,"length_max":3,"request_id":"r"}"#
                try expect(client.fault("topic.publish", remembered), "topic_full")
                _ = try client.call("topic.publish", remembered.replacing(#""length_max":3"#, with: #""length_max":4"#))
            }
        }
    }

    @Test("a full topic lets go of what makes room, and keeps the rest of its history", arguments: ServerKind.installed)
    func history(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let name = try client.consume("orders", "billing")
                for number in 1...500 {
                    try client.put("orders", "\(number)")
                    try client.settle("ack", name, [client.take().id])
                }
                for bound in [500, 500, 350] {
                    try client.put("orders", "0", #","length_max":\#(bound)"#)
                    try expect(client.inspect("orders").split(separator: ";").first, "\(bound)")
                    try client.settle("ack", name, [client.take().id])
                }
            }
        }
    }

    @Test("without a group nothing makes room by itself")
    func noGroup() async throws {
        try await withAgents(environment: ["SQUIRE_TOPICS_LENGTH_MAX": "2"]) { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                try client.put("orders", "1")
                try client.put("orders", "2")
                try expect(client.fault("topic.publish", #"{"topic":"orders","message":3}"#), "topic_full")
                try expect(client.call("topic.trim", #"{"topic":"orders","length_max":0}"#)["trimmed"]?.integer, 2)
                try client.put("orders", "3")
                try expect(client.inspect("orders"), "1")
            }
        }
    }

    @Test("trimming stops before what the slowest group has not handled", arguments: ServerKind.installed)
    func slowest(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let (fast, slow) = try (ChannelClient(path), ChannelClient(path))
                let fastName = try fast.consume("orders", "fast")
                let slowName = try slow.consume("orders", "slow", #","credit":2"#)
                let ids = try (1...300).map { try client.put("orders", "\($0)") }
                for _ in ids { _ = try fast.settle("ack", fastName, [fast.take().id]) }
                _ = try slow.take(2)
                func trim(_ bound: String) throws -> Int64? {
                    try client.call("topic.trim", #"{"topic":"orders",\#(bound)}"#)["trimmed"]?.integer
                }
                try expect(trim(#""length_max":10"#), 0)
                try expect(trim(#""age_max_ms":0"#), 0)
                try slow.settle("ack", slowName, [ids[0]])
                try expect(trim(#""length_max":0"#), 1)
                try slow.settle("ack", slowName, [ids[1]])
                try expect(trim(#""age_max_ms":86400000"#), 0)
                try expect(trim(#""age_max_ms":0"#), 1)
                for _ in 3...300 { _ = try slow.settle("ack", slowName, [slow.take().id]) }
                try expect(trim(#""length_max":7"#), 291)
                try expect(server.command("XLEN", "topic:{orders}").integer, 7)
                try expect(trim(#""length_max":7"#), 0)
                try expect(client.inspect("orders"), "7; fast: 0 0 1; slow: 0 0 1")
            }
        }
    }

    @Test("trimmed by force, a group loses messages and its subscribers are told", arguments: ServerKind.installed)
    func force(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let (client, other) = try (ChannelClient(paths[0]), ChannelClient(paths[1]))
                let name = try client.consume("orders", "billing", #","credit":1"#)
                _ = try other.consume("orders", "current")
                try client.put("orders", "1", key: "a")
                try client.put("orders", "2", key: "a")
                try client.put("orders", "3", key: "b")
                let one = try client.take()
                for _ in 1...3 { try other.ack(other.take()) }
                let params = #"{"topic":"orders","length_max":1,"force":true}"#
                try expect(other.call("topic.trim", params)["trimmed"]?.integer, 2)
                // Who has handled everything has lost nothing.
                try other.expectNothing()
                // What is in its hands can still be acked; what is gone is passed over.
                try client.settle("ack", name, [one.id])
                let gap = try client.next()
                try expect(gap.method, "topic.gap")
                try expect(gap.params?["reason"]?.string, "trimmed")
                let three = try client.take()
                try expect(three.content, "3")
                try client.ack(three)
                try client.put("orders", "4", key: "a")
                try expect(client.take(1), ["4"])
            }
        }
    }

    @Test(
        "a group that nobody takes part in can be removed, and then holds nothing back",
        arguments: ServerKind.installed
    )
    func deleteGroup(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { server, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let client = try ChannelClient(paths[0])
                do {
                    let member = try ChannelClient(paths[1])
                    _ = try member.consume("orders", "old")
                    try client.put("orders", "1", key: "a")
                    try client.put("orders", "2", key: "a")
                    try expect(member.take(1), ["1"])
                    let params = #"{"topic":"orders","group":"old"}"#
                    try expect(client.fault("topic.delete_group", params), "conflict")
                    // Whoever has unsubscribed is in nobody's way, from the answer on.
                    let name = try member.consume("orders", "brief")
                    _ = try member.call("topic.unsubscribe", #"{"subscription":"\#(name)"}"#)
                    let brief = #"{"topic":"orders","group":"brief"}"#
                    try expect(member.call("topic.delete_group", brief)["deleted"]?.kind, .true)
                    withExtendedLifetime(member) {}
                }
                let end = Instant.now.advanced(by: .seconds(15))
                while try client.inspect("orders") != "2; old: 1 1 0", Instant.now < end {}
                try expect(client.call("topic.trim", #"{"topic":"orders","length_max":0}"#)["trimmed"]?.integer, 0)
                let params = #"{"topic":"orders","group":"old"}"#
                try expect(client.call("topic.delete_group", params)["deleted"]?.kind, .true)
                try expect(client.call("topic.delete_group", params)["deleted"]?.kind, .false)
                try expect(client.inspect("orders"), "2")
                try expect(server.command("KEYS", "*").elements?.count, 1)
                try expect(client.call("topic.trim", #"{"topic":"orders","length_max":0}"#)["trimmed"]?.integer, 2)
            }
        }
    }

    @Test("a bound far below the length lets go of all that was handled", arguments: ServerKind.installed)
    func lowBound(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                try Self.fill(server, 5000)
                try server.command("XGROUP", "CREATE", "topic:{orders}", "billing", "$")
                let client = try ChannelClient(path)
                try client.put("orders", "1", #","length_max":10"#)
                try expect((1...10).contains(server.command("XLEN", "topic:{orders}").integer ?? 0), true)
            }
        }
    }

    @Test("after a forced trim no lag is told that is none", arguments: ServerKind.installed)
    func lagAfterForce(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let stream = "topic:{orders}"
                try Self.fill(server, 1000)
                try server.command("XGROUP", "CREATE", stream, "billing", "0")
                let client = try ChannelClient(path)
                func read(_ count: Int) throws {
                    let words = "XREADGROUP GROUP billing c COUNT \(count) NOACK STREAMS \(stream) >"
                    _ = try server.connect().command(words.split(separator: " ").map { Array($0.utf8) })
                }
                try read(100)
                try expect(client.inspect("orders"), "1000; billing: 0 900 0")
                try client.call("topic.trim", #"{"topic":"orders","length_max":50,"force":true}"#)
                try expect(client.inspect("orders"), "50; billing: 0 50 0")
                for (count, lag) in [(20, "null"), (30, "0")] {
                    try read(count)
                    try expect(client.inspect("orders"), "50; billing: 0 \(lag) 0")
                }
            }
        }
    }

    /// Writes messages into the topic `orders`.
    private static func fill(_ server: ValkeyServer, _ count: Int) throws {
        let script = "for i = 1, \(count) do redis.call('XADD', KEYS[1], '*', 'message', i) end"
        try server.command("EVAL", script, "1", "topic:{orders}")
    }
}
