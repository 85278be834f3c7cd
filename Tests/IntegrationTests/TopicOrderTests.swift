import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Messages of one order key")
struct TopicOrderTests {
    @Test("are handled one at a time in the order published, by all agents together", arguments: ServerKind.installed)
    func oneAtATime(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let publisher = try ChannelClient(paths[0])
                let (first, second) = try (ChannelClient(paths[0]), ChannelClient(paths[1]))
                _ = try first.consume("orders", "billing")
                try publisher.put("orders", "1", key: "a")
                let one = try first.take()
                try publisher.put("orders", "2", key: "a")
                try publisher.put("orders", "3", key: "b")
                try publisher.put("orders", "4", key: "a")
                try publisher.put("orders", "5")
                // Those of another key, and without one, go past.
                let (three, five) = try (first.take(), first.take())
                try expect([three.content, five.content], ["3", "5"])
                try expect(three.orderKey, "b")
                _ = try second.consume("orders", "billing")
                try second.expectNothing()
                try expect(first.inspect("orders"), "5; billing: 3 2 2")
                try first.ack(one)
                let two = try Self.either(first, second)
                try expect(two.message.content, "2")
                try expect(two.message.deliveries, 1)
                try first.expectNothing()
                try second.expectNothing()
                try two.client.ack(two.message)
                let four = try Self.either(first, second)
                try expect(four.message.content, "4")
                try four.client.ack(four.message)
                try first.settle("ack", three.subscription, [three.id, five.id])
                try expect(second.inspect("orders"), "5; billing: 0 0 2")
            }
        }
    }

    @Test("or of none come again in their order, however many come at once", arguments: ServerKind.installed)
    func again(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                // Ids that sort otherwise as text.
                let ids = (1...12).map { "1000-\($0)" }
                for id in ids { try server.command("XADD", "topic:{orders}", id, "message", "1") }
                do {
                    let client = try ChannelClient(path)
                    let name = try client.consume("orders", "billing", #","from":"start","credit":100"#)
                    for id in ids { try expect(client.take().id, id) }
                    try client.settle("nack", name, ids.reversed())
                    for id in ids { try expect(client.take().id, id) }
                }
                let client = try ChannelClient(path)
                let name = try client.consume("orders", "billing", #","credit":5"#)
                for id in ids {
                    let message = try client.take()
                    try expect(message.id, id)
                    try expect(message.deliveries, 3)
                    try expect(client.settle("ack", name, [id]).acked, [id])
                }
            }
        }
    }

    /// The next message, whoever gets it.
    private static func either(
        _ first: ChannelClient,
        _ second: ChannelClient
    ) throws -> (message: DeliveredMessage, client: ChannelClient) {
        let end = Instant.now.advanced(by: .seconds(15))
        while Instant.now < end {
            for client in [first, second] {
                let soon = Instant.now.advanced(by: .milliseconds(5))
                if let message = try? client.client.notification(until: soon) {
                    return (try DeliveredMessage(message), client)
                }
            }
        }
        throw FixtureError("no message comes")
    }

    @Test("wait behind one that was given back, and behind one whose consumer went", arguments: ServerKind.installed)
    func behind(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let publisher = try ChannelClient(path)
                var rest = ["1", "2", "3"]
                for message in rest { try publisher.put("orders", message, key: "a") }
                var deliveries: [Int64] = []
                do {
                    let leaving = try ChannelClient(path)
                    let name = try leaving.consume("orders", "billing", #","from":"start""#)
                    let message = try leaving.take()
                    try expect(message.content, "1")
                    try leaving.settle("nack", name, [message.id], #","delay_ms":50"#)
                    deliveries.append(try leaving.take().deliveries)
                }
                let client = try ChannelClient(path)
                _ = try client.consume("orders", "billing")
                while !rest.isEmpty {
                    let message = try client.take()
                    try expect(message.content, rest.removeFirst())
                    deliveries.append(message.deliveries)
                    try client.ack(message)
                }
                try expect(deliveries, [2, 3, 1, 1])
            }
        }
    }

    @Test("go on behind one that is dead")
    func dead() async throws {
        try await withAgents { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let name = try client.consume("orders", "billing", #","deliveries_max":1"#)
                for message in ["1", "2", "3"] { try client.put("orders", message, key: "a") }
                for message in ["1", "2", "3"] {
                    let delivered = try client.take()
                    try expect(delivered.content, message)
                    try client.settle("nack", name, [delivered.id])
                }
                try expect(client.inspect("orders"), "3; billing: 0 0 1")
                try expect(client.inspect("orders.dead"), "3")
            }
        }
    }

    @Test("do not hold up others, however many they are", arguments: ServerKind.installed)
    func lookahead(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                // More of one key than are read at once.
                let count = 3000
                let end = Instant.now.advanced(by: .seconds(60))
                for number in 1...count {
                    let params = #"{"topic":"orders","message":\#(number),"order_key":"a"}"#
                    _ = client.client.send("topic.publish", params: JSONFragment(params))
                }
                for _ in 1...count { _ = try client.client.receive(until: end) }
                try client.put("orders", "0", key: "b")
                let name = try client.consume("orders", "billing", #","from":"start","credit":10"#)
                let first = try client.take()
                try expect(first.content, "1")
                try expect(client.take(1), ["0"])
                try expect(client.inspect("orders"), "\(count + 1); billing: 2 \(count - 1) 1")
                var id = first.id
                for number in 2...300 {
                    try client.settle("ack", name, [id])
                    let next = try client.take()
                    try expect(next.content, "\(number)")
                    id = next.id
                }
            }
        }
    }
}
