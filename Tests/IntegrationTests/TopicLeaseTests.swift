import Glibc
import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Messages in consumers' hands")
struct TopicLeaseTests {
    @Test("are delivered again when their time is over, and the late ack is refused", arguments: ServerKind.installed)
    func expiry(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let (slow, other) = try (ChannelClient(paths[0]), ChannelClient(paths[1]))
                let name = try slow.consume("orders", "billing", #","ack_ms":100,"credit":1"#)
                try slow.put("orders", "1")
                let message = try slow.take()
                let otherName = try other.consume("orders", "billing", #","ack_ms":600000"#)
                // It may come to the slow one again before it comes to the other.
                var taken: DeliveredMessage?
                while taken == nil {
                    taken = try? DeliveredMessage(
                        other.client.notification(until: .now.advanced(by: .milliseconds(20)))
                    )
                }
                try expect(taken?.id, message.id)
                try expect((taken?.deliveries ?? 0) > 1, true)
                for method in ["ack", "nack", "extend"] {
                    let verdict = try slow.settle(method, name, [message.id])
                    try expect(verdict.lost, [message.id])
                    try expect(verdict.acked, [])
                }
                try expect(other.settle("ack", otherName, [message.id]).acked, [message.id])
                try expect(other.inspect("orders"), "1; billing: 0 0 2")
            }
        }
    }

    @Test("free their consumer for others when they are lost")
    func creditOfLost() async throws {
        try await withAgents { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let name = try client.consume("orders", "billing", #","ack_ms":50,"credit":1"#)
                try client.put("orders", "1")
                let deliveries = try (1...3).map { _ in try client.take().deliveries }
                try expect(deliveries, [1, 2, 3])
                let last = try client.take()
                _ = try client.settle("ack", name, [last.id])
                try client.put("orders", "2")
                // The ack may have been too late once more.
                var next = try client.take()
                while next.content == "1" {
                    _ = try client.settle("ack", name, [next.id])
                    next = try client.take()
                }
                try expect(next.content, "2")
            }
        }
    }

    @Test("stay with a consumer that extends them")
    func extend() async throws {
        try await withAgents(2) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let (owner, other) = try (ChannelClient(paths[0]), ChannelClient(paths[1]))
                let name = try owner.consume("orders", "billing", #","ack_ms":4000"#)
                try owner.put("orders", "1")
                let message = try owner.take()
                _ = try other.consume("orders", "billing")
                let end = Instant.now.advanced(by: .milliseconds(5000))
                while Instant.now < end {
                    let verdict = try owner.settle("extend", name, [message.id])
                    try expect(verdict.acked, [message.id])
                    Polling.sleep(until: .now.advanced(by: .milliseconds(100)))
                }
                try owner.ack(message)
                try other.expectNothing()
            }
        }
    }

    @Test("go to others at once when their consumer's connection ends", arguments: ServerKind.installed)
    func disconnect(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let other = try ChannelClient(paths[1])
                let name = try other.consume("orders", "billing", #","ack_ms":600000,"credit":2"#)
                var ids: [String] = []
                do {
                    let owner = try ChannelClient(paths[0])
                    for number in 1...5 { ids.append(try owner.put("orders", "\(number)")) }
                    _ = try owner.consume("orders", "billing", #","ack_ms":600000"#)
                    let mine = try (1...2).map { _ in try other.take() }
                    try expect(mine.map(\.deliveries), [1, 1])
                    let theirs = try (1...3).map { _ in try owner.take() }
                    try expect(Set((mine + theirs).map(\.id)), Set(ids))
                    try other.settle("ack", name, mine.map(\.id))
                    try other.expectNothing()
                    withExtendedLifetime(owner) {}
                }
                // The owner is gone: its messages follow.
                for _ in 0..<3 {
                    let message = try other.take()
                    try expect(message.deliveries, 2)
                    try other.ack(message)
                }
                try expect(other.inspect("orders"), "5; billing: 0 0 1")
            }
        }
    }

    @Test("of an agent that is killed are delivered again when their time is over")
    func agentKilled() async throws {
        try await withAgents(2) { _, agents in
            let paths = agents.map(\.socketPath)
            let client = try await onThread {
                let client = ChannelFaultTests.Held(try ChannelClient(paths[0]))
                _ = try client.value.consume("orders", "billing", #","ack_ms":1000"#)
                try client.value.put("orders", "1")
                try expect(client.value.take(1), ["1"])
                return client
            }
            agents[0].kill()
            try await onThread {
                let other = try ChannelClient(paths[1])
                _ = try other.consume("orders", "billing")
                let message = try other.take()
                try expect(message.deliveries, 2)
                try other.ack(message)
            }
            _ = client
        }
    }

    @Test("come back after the delay of a nack, and not before", arguments: ServerKind.installed)
    func nack(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let name = try client.consume("orders", "billing")
                let id = try client.put("orders", "1")
                _ = try client.take()
                let before = try server.milliseconds()
                try expect(client.settle("nack", name, [id], #","delay_ms":300"#).acked, [id])
                // What was given back is the consumer's no more.
                try expect(client.settle("ack", name, [id]).lost, [id])
                let again = try client.take()
                try expect(again.deliveries, 2)
                try expect(server.milliseconds() >= before + 300, true)
                try expect(client.settle("nack", name, [id]).acked, [id])
                let last = try client.take()
                try expect(last.deliveries, 3)
                try client.ack(last)
            }
        }
    }

    @Test("are dead after as many deliveries as may be, with the reason", arguments: ServerKind.installed)
    func dead(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let (client, reader) = try (ChannelClient(path), ChannelClient(path))
                _ = try reader.consume("orders.dead", "mending")
                let name = try client.consume("orders", "billing", #","deliveries_max":3,"credit":1"#)
                let nacked = try client.put("orders", #"{"id":1}"#, key: "k")
                for number in 1...3 {
                    let message = try client.take()
                    try expect(message.deliveries, Int64(number))
                    try client.settle("nack", name, [message.id])
                }
                let first = try reader.take()
                try expect(first.content, #"{"id":1}"#)
                try expect(first.orderKey, "k")
                try expect(first.deliveries, 1)
                let told =
                    #"{"topic":"orders","group":"billing","id":"\#(nacked)","deliveries":3,"reason":"nacked"}"#
                try expect(first.params["dead"]?.text, told)
                _ = try client.call("topic.unsubscribe", #"{"subscription":"\#(name)"}"#)

                let expired = try client.put("orders", "2")
                let second = try client.consume("orders", "billing", #","deliveries_max":2,"ack_ms":20"#)
                let death = try reader.take()
                try expect(death.params["dead"]?["id"]?.string, expired)
                try expect(death.params["dead"]?["reason"]?.string, "expired")
                try expect(death.params["dead"]?["deliveries"]?.integer, 2)
                try expect(client.take(2), ["2", "2"])
                _ = try client.call("topic.unsubscribe", #"{"subscription":"\#(second)"}"#)

                try client.put("orders", "3")
                do {
                    let leaving = try ChannelClient(path)
                    _ = try leaving.consume("orders", "billing", #","deliveries_max":1"#)
                    try expect(leaving.take(1), ["3"])
                }
                let third = try reader.take()
                try expect(third.content, "3")
                try expect(third.params["dead"]?["reason"]?.string, "disconnected")
                try expect(client.inspect("orders"), "3; billing: 0 0 0")
                try expect(client.inspect("orders.dead"), "3; mending: 3 0 1")
            }
            let stats = try await agents[0].call("agent.stats")?.object?["topics"]?.object
            #expect(stats?["dead"] == 3)
        }
    }

    @Test("without a bound on deliveries are never dead")
    func endless() async throws {
        try await withAgents { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let name = try client.consume("orders", "billing", #","deliveries_max":null"#)
                let id = try client.put("orders", "1")
                for number in 1...40 {
                    try expect(client.take().deliveries, Int64(number))
                    try expect(client.settle("nack", name, [id]).acked, [id])
                }
                try expect(client.inspect("orders.dead"), "0")
            }
        }
    }

    @Test("are not asked for while their connection takes no output, and follow when it does")
    func stuck() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let (stuck, fast) = try (ChannelClient(path), ChannelClient(path))
                let payload = String(repeating: "x", count: 100_000)
                let name = try stuck.consume("orders", "slow", #","credit":1000"#)
                let fastName = try fast.consume("orders", "fast", #","credit":1000"#)
                for number in 1...100 {
                    try fast.put("orders", "[\(number),\"\(payload)\"]")
                    let message = try fast.take()
                    try fast.settle("ack", fastName, [message.id])
                }
                // The kernel and the agent hold a part of the 10 MB; the rest waits in Valkey.
                let pending = try server.command("XPENDING", "topic:{orders}", "slow").elements?.first?.integer ?? 0
                try expect((1...60).contains(pending), true)
                for number in 1...100 {
                    let message = try stuck.take()
                    try expect(message.content.hasPrefix("[\(number),"), true)
                    try expect(message.deliveries, 1)
                    try stuck.settle("ack", name, [message.id])
                }
            }
        }
    }
}

extension ValkeyServer {
    /// The server's time in milliseconds.
    func milliseconds() throws -> Int64 {
        let parts = try command("TIME").elements ?? []
        let numbers = parts.compactMap { $0.text.flatMap { Int64($0) } }
        guard numbers.count == 2 else { throw FixtureError("the server tells no time") }
        return numbers[0] * 1000 + numbers[1] / 1000
    }
}
