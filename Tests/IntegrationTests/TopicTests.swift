import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Topics")
struct TopicTests {
    @Test("hand out what is published byte for byte, in order, and count it", arguments: ServerKind.installed)
    func order(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let (publisher, client) = try (ChannelClient(path), ChannelClient(path))
                let name = try client.consume("orders", "billing")
                let messages = [#"{"a": 1.0,"a":2}"#, "null", #""é""#, "[[],{}]", "-0.10e1"]
                let ids = try messages.map { try publisher.put("orders", $0) }
                let delivered = try messages.map { _ in try client.take() }
                try expect(delivered.map(\.content), messages)
                try expect(delivered.map(\.id), ids)
                try expect(delivered.map(\.deliveries), messages.map { _ in 1 })
                try expect(delivered.allSatisfy { $0.subscription == name && $0.orderKey == nil }, true)
                try expect(client.inspect("orders"), "5; billing: 5 0 1")
                let verdict = try client.settle("ack", name, [ids[3], ids[0], "1-1"])
                try expect(verdict.acked, [ids[3], ids[0]])
                try expect(verdict.lost, ["1-1"])
                try expect(client.inspect("orders"), "5; billing: 3 0 1")
                try client.expectNothing()
            }
        }
    }

    @Test("a group begins where it is told, and goes on where it is")
    func beginnings() async throws {
        try await withAgents { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let publisher = try ChannelClient(path)
                let ids = try (1...3).map { try publisher.put("orders", "\($0)") }
                let (all, new, later) = try (ChannelClient(path), ChannelClient(path), ChannelClient(path))
                _ = try all.consume("orders", "all", #","from":"start""#)
                _ = try new.consume("orders", "new")
                _ = try later.consume("orders", "later", #","from":"\#(ids[1])""#)
                try publisher.put("orders", "4")
                try expect(all.take(4), ["1", "2", "3", "4"])
                try expect(new.take(1), ["4"])
                try expect(later.take(2), ["3", "4"])
                // The group is there: what it begins with says nothing any more.
                let other = try ChannelClient(path)
                _ = try other.consume("orders", "new", #","from":"start""#)
                try other.expectNothing()
                try expect(other.inspect("orders"), "4; all: 4 0 1; later: 2 0 1; new: 1 0 2")
            }
        }
    }

    @Test("no more is in a consumer's hands than it takes, and others get the rest", arguments: ServerKind.installed)
    func credit(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let publisher = try ChannelClient(paths[0])
                let (first, second) = try (ChannelClient(paths[0]), ChannelClient(paths[1]))
                let name = try first.consume("orders", "billing", #","credit":3"#)
                for number in 1...10 { try publisher.put("orders", "\(number)") }
                let held = try (1...3).map { _ in try first.take() }
                try expect(held.map(\.content), ["1", "2", "3"])
                try first.expectNothing()
                try expect(first.inspect("orders"), "10; billing: 3 7 1")
                _ = try second.consume("orders", "billing", #","credit":5"#)
                try expect(second.take(5), ["4", "5", "6", "7", "8"])
                try second.expectNothing()
                // What is settled makes room for as many.
                try first.settle("ack", name, [held[0].id, held[2].id])
                try expect(first.take(2), ["9", "10"])
                try first.expectNothing()
            }
        }
    }

    @Test("the consumers of a group share its messages, those of one agent evenly")
    func sharing() async throws {
        try await withAgents { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let publisher = try ChannelClient(path)
                for number in 1...40 { try publisher.put("orders", "\(number)") }
                let clients = try (0..<4).map { _ in try ChannelClient(path) }
                let names = try clients.map { try $0.consume("orders", "billing", #","from":"start","credit":1"#) }
                var seen: [String] = []
                for _ in 0..<10 {
                    for (client, name) in zip(clients, names) {
                        let message = try client.take()
                        seen.append(message.content)
                        try client.settle("ack", name, [message.id])
                    }
                }
                try expect(Set(seen).count, 40)
                // All four are there until this was asked.
                try withExtendedLifetime(clients) {
                    try expect(clients[0].inspect("orders"), "40; billing: 0 0 4")
                }
            }
        }
    }

    @Test("what other clients write is handed out as what it is")
    func foreign() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                _ = try client.consume("orders", "billing")
                try server.command("XADD", "topic:{orders}", "*", "message", "no json")
                try server.connect().command([
                    Array("XADD".utf8), Array("topic:{orders}".utf8), Array("*".utf8), Array("message".utf8),
                    [0xff, 0],
                ])
                try server.command("XADD", "topic:{orders}", "*", "name", "value", "other", "1")
                try server.command("PUBLISH", "__topic:{orders}", "")
                let messages = try (1...3).map { _ in try client.take() }
                try expect(messages[0].params["message_text"]?.string, "no json")
                try expect(messages[1].params["message_base64"]?.string, "/wA=")
                try expect(messages[2].params["fields"]?.text, #"{"name":"value","other":"1"}"#)
            }
        }
    }

    @Test("a subscription that is ended gives back what it has, at once")
    func unsubscribe() async throws {
        try await withAgents(2) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let (first, second) = try (ChannelClient(paths[0]), ChannelClient(paths[1]))
                let name = try first.consume("orders", "billing", #","ack_ms":600000"#)
                try first.put("orders", "1")
                let message = try first.take()
                _ = try second.consume("orders", "billing")
                try second.expectNothing()
                let result = try first.call("topic.unsubscribe", #"{"subscription":"\#(name)"}"#)
                try expect(result["unsubscribed"]?.kind, .true)
                let again = try second.take()
                try expect(again.id, message.id)
                try expect(again.deliveries, 2)
                try expect(
                    first.fault("topic.ack", #"{"subscription":"\#(name)","ids":["\#(message.id)"]}"#),
                    "subscription_not_found"
                )
                try second.ack(again)
                try expect(second.inspect("orders"), "1; billing: 0 0 1")
            }
        }
    }

    @Test("a connection settles its own subscriptions only")
    func strangers() async throws {
        try await withAgents { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let (owner, stranger) = try (ChannelClient(path), ChannelClient(path))
                let name = try owner.consume("orders", "billing")
                let id = try owner.put("orders", "1")
                _ = try owner.take()
                for method in ["topic.ack", "topic.nack", "topic.extend"] {
                    let params = #"{"subscription":"\#(name)","ids":["\#(id)"]}"#
                    try expect(stranger.fault(method, params), "subscription_not_found")
                }
                let result = try stranger.call("topic.unsubscribe", #"{"subscription":"\#(name)"}"#)
                try expect(result["unsubscribed"]?.kind, .false)
                try expect(owner.settle("ack", name, [id]).acked, [id])
            }
        }
    }

    @Test("the same request publishes once, through any agent", arguments: ServerKind.installed)
    func requests(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let (first, second) = try (ChannelClient(paths[0]), ChannelClient(paths[1]))
                let ids = try [first, second, first].map { try $0.put("orders", "1", key: "a", #","request_id":"r""#) }
                try expect(Set(ids).count, 1)
                try expect(first.inspect("orders"), "1")
                for other in [#""message":2,"order_key":"a""#, #""message":1,"order_key":"b""#, #""message":1"#] {
                    let params = #"{"topic":"orders",\#(other),"request_id":"r"}"#
                    try expect(first.fault("topic.publish", params), "conflict")
                }
                // Its dead letters are another topic, in the same slot.
                let letter = try first.put("orders.dead", "1", key: "a", #","request_id":"r""#)
                try expect(second.put("orders.dead", "1", key: "a", #","request_id":"r""#), letter)
                try expect(first.inspect("orders.dead"), "1")
            }
        }
    }

    @Test("a connection that is read is given what it takes, however many topics have large messages for it")
    func largeMessages() async throws {
        try await withAgents { _, agents in
            let path = agents[0].socketPath
            try await onThread {
                let (publisher, reader) = try (ChannelClient(path), ChannelClient(path))
                let large = "\"\(String(repeating: "x", count: 7_000_000))\""
                let topics = (1...20).map { "large-\($0)" }
                for topic in topics { try publisher.put(topic, large) }
                // All of them have something for it before it reads anything.
                for topic in topics {
                    let params = #"{"topic":"\#(topic)","group":"g","from":"start"}"#
                    _ = reader.client.send("topic.subscribe", params: JSONFragment(params))
                }
                _ = reader.client.exchange(until: .now)
                for topic in topics {
                    let end = Instant.now.advanced(by: .seconds(15))
                    while try !publisher.inspect(topic).contains("g:") { try expect(Instant.now < end, true) }
                }
                // What was asked for by then has come when this is answered, which is behind it.
                for topic in topics { _ = try publisher.inspect(topic) }
                for _ in topics {
                    let message = try reader.take()
                    try expect(message.deliveries, 1)
                    try reader.ack(message)
                }
            }
        }
    }

    @Test("a store that may evict is refused, unless the operator accepts it")
    func unsafeStore() async throws {
        // From the beginning: what an agent has learned of its store holds for a while.
        try await withValkeyServer(arguments: ["--maxmemory-policy", "allkeys-lru"]) { server in
            let store = ["--valkey", "unix://\(server.socketPath)"]
            try await withDaemon(arguments: store) { agent in
                try await agent.becomeConnected()
                try await onThread {
                    let client = try ChannelClient(agent.socketPath)
                    let publish = #"{"topic":"orders","message":1}"#
                    try expect(client.fault("topic.publish", publish), "unsafe_store")
                    try expect(client.fault("topic.subscribe", #"{"topic":"orders","group":"g"}"#), "unsafe_store")
                    try expect(server.command("EXISTS", "topic:{orders}").integer, 0)
                }
            }
            try await withDaemon(arguments: store, environment: ["SQUIRE_VALKEY_ACCEPT_EVICTION": "true"]) { agent in
                try await agent.becomeConnected()
                _ = try await onThread { try ChannelClient(agent.socketPath).put("orders", "1") }
            }
        }
    }

    @Test("of an agent that has left a group nothing is kept there")
    func forgotten() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                let names = try (1...2).map { _ in try client.consume("orders", "billing") }
                func fields() throws -> Int64? { try server.command("HLEN", "topic-group:{orders}:billing").integer }
                try expect(fields(), 2)
                _ = try client.call("topic.unsubscribe", #"{"subscription":"\#(names[0])"}"#)
                try expect(fields(), 2)
                _ = try client.call("topic.unsubscribe", #"{"subscription":"\#(names[1])"}"#)
                try expect(fields(), 1)
            }
        }
    }
}
