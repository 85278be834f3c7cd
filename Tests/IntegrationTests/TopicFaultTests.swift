import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Topics when something breaks")
struct TopicFaultTests {
    private static let durable = ["--appendonly", "yes", "--appendfsync", "always"]

    @Test("a restart of Valkey that keeps its data costs nothing", arguments: ServerKind.installed)
    func restart(_ kind: ServerKind) async throws {
        try await withValkeyServer(kind, arguments: Self.durable) { server in
            try await withDaemon(arguments: ["--valkey", "unix://\(server.socketPath)"]) { agent in
                try await agent.becomeConnected()
                let path = agent.socketPath
                let (client, held) = try await onThread {
                    let client = ChannelFaultTests.Held(try ChannelClient(path))
                    _ = try client.value.consume("orders", "billing", #","ack_ms":600000,"credit":2"#)
                    for number in 1...4 { try client.value.put("orders", "\(number)", key: "a") }
                    return (client, try client.value.take())
                }
                try await server.restart()
                try await onThread {
                    // The link is made anew when there is something to send.
                    var id = held.id
                    for number in 2...4 {
                        let verdict = try Self.insistently { try client.value.settle("ack", held.subscription, [id]) }
                        try expect(verdict.acked, [id])
                        let next = try client.value.take()
                        try expect(next.content, "\(number)")
                        try expect(next.deliveries, 1)
                        id = next.id
                    }
                    try expect(client.value.inspect("orders"), "4; billing: 1 0 1")
                }
            }
        }
    }

    /// Makes a call again until the agent has found its server.
    static func insistently<Result>(_ body: () throws -> Result) throws -> Result {
        let end = Instant.now.advanced(by: .seconds(15))
        while true {
            do {
                return try body()
            } catch let error as FixtureError {
                guard Instant.now < end, "\(error)".contains("unavailable") else { throw error }
                Polling.sleep(until: .now.advanced(by: .milliseconds(10)))
            }
        }
    }

    @Test("a server that has lost everything begins the group anew, and says so", arguments: ServerKind.installed)
    func lostData(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { server, agents in
            let paths = agents.map(\.socketPath)
            let clients = try await onThread {
                try paths.map { path in
                    let client = ChannelFaultTests.Held(try ChannelClient(path))
                    _ = try client.value.consume("orders", "billing", #","credit":10,"ack_ms":600000"#)
                    return client
                }
            }
            let old = try await onThread {
                try clients[0].value.put("orders", "1", key: "a")
                try clients[0].value.put("orders", "2", key: "a")
                return try TopicFaultTests.first(clients.map(\.value))
            }
            try await server.restart()
            try await onThread {
                let publisher = try ChannelClient(paths[0])
                _ = try Self.insistently { try publisher.put("orders", "3", key: "a") }
                for client in clients {
                    let gap = try client.value.next()
                    try expect(gap.method, "topic.gap")
                    try expect(gap.params?["reason"]?.string, "group_recreated")
                }
                let new = try TopicFaultTests.first(clients.map(\.value))
                try expect(new.message.content, "3")
                try expect(new.message.deliveries, 1)
                // What belonged to the life before is nobody's.
                let verdict = try clients[old.index].value.settle("ack", old.message.subscription, [old.message.id])
                try expect(verdict.lost, [old.message.id])
                try clients[new.index].value.ack(new.message)
            }
        }
    }

    @Test("a group that somebody removed is begun anew from the oldest message", arguments: ServerKind.installed)
    func removedGroup(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                _ = try client.consume("orders", "billing")
                try client.put("orders", "1")
                try client.ack(client.take())
                try server.command("XGROUP", "DESTROY", "topic:{orders}", "billing")
                try client.put("orders", "2")
                try expect(client.next().params?["reason"]?.string, "group_recreated")
                try expect(client.take(2), ["1", "2"])
            }
        }
    }

    @Test("one who subscribes to a group that was lost begins it as its agent knew it, and misses nothing")
    func subscribedAfterLoss() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let (client, other) = try (ChannelClient(path), ChannelClient(path))
                _ = try client.consume("orders", "billing", #","credit":1"#)
                try client.put("orders", "1")
                try client.ack(client.take())
                try server.command("XGROUP", "DESTROY", "topic:{orders}", "billing")
                _ = try other.consume("orders", "billing")
                try expect(client.next().params?["reason"]?.string, "group_recreated")
                let again = try TopicFaultTests.first([other, client])
                try expect(again.message.content, "1")
                try expect(again.message.deliveries, 1)
            }
        }
    }

    @Test("without the keys beside it a group goes on with what Valkey knows of it", arguments: ServerKind.installed)
    func lostState(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                _ = try client.consume("orders", "billing", #","ack_ms":600000"#)
                for number in 1...3 { try client.put("orders", "\(number)", key: "a") }
                try expect(client.take(1), ["1"])
                try server.command("DEL", "topic-group:{orders}:billing", "topic-due:{orders}:billing")
                try client.put("orders", "4", key: "b")
                try expect(client.next().params?["reason"]?.string, "group_recreated")
                // The first of the key is delivered again, and the others wait behind it.
                let messages = try [client.take(), client.take()].sorted { $0.id < $1.id }
                try expect(messages.map(\.content), ["1", "4"])
                try expect(messages.map(\.deliveries), [2, 1])
                try client.ack(messages[0])
                try expect(client.take(1), ["2"])
            }
        }
    }

    /// The next message, whoever gets it.
    static func first(
        _ clients: [ChannelClient]
    ) throws -> (message: DeliveredMessage, index: Int) {
        let end = Instant.now.advanced(by: .seconds(15))
        while Instant.now < end {
            for (index, client) in clients.enumerated() {
                let soon = Instant.now.advanced(by: .milliseconds(5))
                if let message = try? client.client.notification(until: soon) {
                    return (try DeliveredMessage(message), index)
                }
            }
        }
        throw FixtureError("no message comes")
    }

    @Test("what was delivered on a connection that broke is delivered at once, and counts as nothing")
    func lostAnswer() async throws {
        try await withValkeyServer(arguments: Self.durable) { server in
            try await withFaultProxy(to: .unix(server.socketPath)) { proxy in
                try await withDaemon(arguments: ["--valkey", proxy.address.url]) { agent in
                    try await agent.becomeConnected()
                    let path = agent.socketPath
                    defer { #expect(proxy.counters.resets > 0) }
                    try await onThread {
                        let client = try ChannelClient(path)
                        _ = try client.consume("orders", "billing", #","ack_ms":600000"#)
                        for round in 1...5 {
                            // The question is carried out, and the answer gets lost on the way.
                            proxy.reset(afterBytes: 0, of: .replies)
                            try server.command("XADD", "topic:{orders}", "*", "message", "\(round)")
                            try server.command("PUBLISH", "__topic:{orders}", "")
                            let message = try client.take()
                            try expect(message.content, "\(round)")
                            try expect(message.deliveries, 1)
                            _ = try Self.insistently { try client.settle("ack", message.subscription, [message.id]) }
                        }
                    }
                }
            }
        }
    }

    @Test(
        "a server at its maxmemory takes no message, and hands out and lets go those it has",
        arguments: ServerKind.installed
    )
    func outOfMemory(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let name = try client.consume("orders", "billing", #","credit":1,"deliveries_max":2"#)
                for number in 1...4 { try client.put("orders", "\(number)", key: number == 4 ? "b" : "a") }
                try server.command("CONFIG", "SET", "maxmemory", "1")
                let refusal = try client.reply("topic.publish", #"{"topic":"orders","message":5}"#).error
                try expect(refusal?.kind, "valkey_error")
                try expect(refusal?.data?["valkey"]?.string, "OOM")
                for content in ["1", "2"] {
                    let message = try client.take()
                    try expect(message.content, content)
                    try client.settle("nack", name, [message.id])
                    var again = try client.take()
                    if again.content == "4" {
                        try client.ack(again)
                        again = try client.take()
                    }
                    try expect(again.content, content)
                    try expect(client.settle("extend", name, [again.id]).acked, [again.id])
                    // The first is handled, the second dead.
                    try client.settle(content == "1" ? "ack" : "nack", name, [again.id])
                }
                _ = try client.call("topic.unsubscribe", #"{"subscription":"\#(name)"}"#)
                let other = try ChannelClient(path)
                _ = try other.consume("orders", "billing")
                var last = try other.take()
                if last.content == "4" {
                    try other.ack(last)
                    last = try other.take()
                }
                try expect(last.content, "3")
                try other.ack(last)
                try expect(other.inspect("orders.dead"), "1")
            }
        }
    }

    @Test("without Valkey nothing is published or subscribed, and both are said at once")
    func unavailable() async throws {
        try await withAgents { server, agents in
            server.kill()
            try await waitUntil("the agent has noticed") {
                try await agents[0].call("agent.health")?.object?["degraded"] == true
            }
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                for (method, params) in [
                    ("topic.publish", #"{"topic":"orders","message":1}"#),
                    ("topic.subscribe", #"{"topic":"orders","group":"billing"}"#),
                    ("topic.inspect", #"{"topic":"orders"}"#), ("topic.trim", #"{"topic":"orders","length_max":1}"#),
                ] {
                    try expect(client.fault(method, params), "unavailable")
                }
            }
            let stats = try await agents[0].call("agent.stats")?.object?["topics"]?.object
            #expect(stats?["subscriptions"] == 0)
        }
    }

    @Test("a consumer that is not woken still gets its messages")
    func notWoken() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                _ = try client.consume("orders", "billing")
                // Nobody announces it.
                try server.command("XADD", "topic:{orders}", "*", "message", "1")
                try expect(client.take(1), ["1"])
            }
        }
    }

    @Test("what came for a connection that had closed meanwhile does not count as delivered")
    func cameTooLate() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            let seen = try await onThread {
                let client = ChannelFaultTests.Held(try ChannelClient(path))
                _ = try client.value.consume("orders", "billing", #","credit":1,"ack_ms":300,"deliveries_max":null"#)
                try client.value.put("orders", "1")
                _ = try client.value.take()
                try server.pause()
                return client
            }
            // When the lease has ended, the question for the next delivery is on its way.
            try await waitUntil("the lease has ended") {
                try await agents[0].call("agent.stats")?.object?["topics"]?.object?["outstanding"] == 0
            }
            let last = try await onThread {
                var last: Int64 = 1
                while let message = try? seen.value.client.notification(until: .now) {
                    last = try DeliveredMessage(message).deliveries
                }
                seen.close()
                return last
            }
            try await waitUntil("the agent has noticed") {
                try await agents[0].call("agent.stats")?.object?["topics"]?.object?["subscriptions"] == 0
            }
            try server.resume()
            try await onThread {
                let other = try ChannelClient(path)
                _ = try other.consume("orders", "billing", #","ack_ms":600000"#)
                try expect(other.take().deliveries, last + 1)
            }
        }
    }

    @Test("an entry of very many fields, which another client wrote, dies like any other")
    func manyFields() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let fields = (1...6000).flatMap { ["f\($0)", "v"] } + ["order_key", "a"]
                _ = try server.connect().command((["XADD", "topic:{orders}", "*"] + fields).map { Array($0.utf8) })
                let client = try ChannelClient(path)
                let name = try client.consume("orders", "billing", #","from":"start","deliveries_max":1"#)
                let entry = try client.take()
                try client.put("orders", "1", key: "a")
                try expect(client.settle("nack", name, [entry.id]).acked, [entry.id])
                try client.ack(client.take())
                try expect(client.inspect("orders"), "2; billing: 0 0 1")
                _ = try client.consume("orders.dead", "mending", #","from":"start""#)
                let letter = try client.take()
                try expect(letter.params["dead"]?["id"]?.string, entry.id)
                try expect(letter.params["dead"]?["reason"]?.string, "nacked")
                try expect(letter.params["dead"]?["fields"]?.text, "6001")
                try expect(letter.orderKey, "a")
            }
        }
    }

    @Test("an agent that ends gives back what its clients have, and says so")
    func end() async throws {
        try await withAgents(2) { _, agents in
            let paths = agents.map(\.socketPath)
            let client = try await onThread {
                let client = ChannelFaultTests.Held(try ChannelClient(paths[0]))
                _ = try client.value.consume("orders", "billing", #","ack_ms":600000"#)
                try client.value.put("orders", "1")
                try expect(client.value.take(1), ["1"])
                return client
            }
            try await agents[0].terminate()
            try await onThread {
                var told = try client.value.next()
                if told.method == "agent.closing" { told = try client.value.next() }
                try expect(told.method, "topic.closed")
                try expect(told.params?["reason"]?.string, "shutting_down")
                let other = try ChannelClient(paths[1])
                _ = try other.consume("orders", "billing")
                let message = try other.take()
                try expect(message.deliveries, 2)
                try expect(other.inspect("orders"), "1; billing: 1 0 1")
            }
        }
    }
}
