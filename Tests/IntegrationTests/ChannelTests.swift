import Glibc
import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Channels")
struct ChannelTests {
    @Test("messages come in order and byte for byte, through any agent", arguments: ServerKind.installed)
    func order(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { _, agents in
            let (near, far) = (agents[0].socketPath, agents[1].socketPath)
            let texts = [#"{"a":1.00,  "b" : [ 1e400 ]}"#, #""\u00e4\/""#, "null", "12345678901234567890"]
            let received = try await onThread {
                let subscribers = try [ChannelClient(near), ChannelClient(near), ChannelClient(far)]
                for subscriber in subscribers { _ = try subscriber.subscribe(#"{"channel":"news"}"#) }
                let publisher = try ChannelClient(near)
                for number in 0..<500 { try expect(publisher.publish("news", "\(number)"), 2) }
                for text in texts { try publisher.publish("news", text) }
                return try subscribers.map { try $0.news(500 + texts.count) }
            }
            for news in received { #expect(news == ((0..<500).map(String.init) + texts).map { "news \($0)" }) }
        }
    }

    @Test("what other clients publish comes as JSON, text or Base64, on one line", arguments: ServerKind.installed)
    func foreign(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            let params = try await onThread {
                let client = try ChannelClient(path)
                _ = try client.subscribe(#"{"pattern":"*"}"#)
                let publisher = try server.connect()
                for message in [Array("{\"a\":\n1}".utf8), Array("not JSON\n".utf8), [0xff, 0x00]] {
                    try publisher.command([Array("PUBLISH".utf8), Array("news".utf8), message])
                }
                try publisher.command([Array("PUBLISH".utf8), [0xfe], Array("1".utf8)])
                return try (0..<4).map { _ in try client.next().params?.text }
            }
            #expect(params[0] == #"{"subscription":"channel-1","channel":"news","message":{"a": 1},"sequence":1}"#)
            #expect(
                params[1]
                    == #"{"subscription":"channel-1","channel":"news","message_text":"not JSON\n","sequence":2}"#
            )
            #expect(
                params[2] == #"{"subscription":"channel-1","channel":"news","message_base64":"/wA=","sequence":3}"#
            )
            #expect(params[3] == #"{"subscription":"channel-1","channel_base64":"/g==","message":1,"sequence":4}"#)
        }
    }

    @Test("Valkey has one subscription for all, until the last is gone", arguments: ServerKind.installed)
    func references(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                var clients = try (0..<3).map { _ in try ChannelClient(path) }
                let names = try clients.map { try $0.subscribe(#"{"channel":"news"}"#) }
                try expect(Set(names).count, 3)
                try expect(server.subscribers("news"), 1)
                let unsubscribe = #"{"subscription":"\#(names[0])"}"#
                try expect(clients[1].call("channel.unsubscribe", unsubscribe)["unsubscribed"]?.kind, .false)
                try expect(clients[0].call("channel.unsubscribe", unsubscribe)["unsubscribed"]?.kind, .true)
                try expect(clients[0].call("channel.unsubscribe", unsubscribe)["unsubscribed"]?.kind, .false)
                try expect(clients[2].publish("news", "1"), 1)
                try expect(clients[1].news(1) + clients[2].news(1), ["news 1", "news 1"])
                clients.removeLast(2)
            }
            try await waitUntil("nobody is subscribed") { try server.subscribers("news") == 0 }
            try await waitUntil("the connection is closed") {
                try server.command("CLIENT", "LIST").text?.contains("name=squire-subscriber") == false
            }
            let stats = try await agents[0].call("agent.stats")?.object?["channels"]?.object
            #expect(stats?["subscriptions"] == 0)
            #expect(stats?["upstream_subscriptions"] == 0)
        }
    }

    @Test("a channel and patterns that match the same message bring it once each", arguments: ServerKind.installed)
    func overlap(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { _, agents in
            let path = agents[0].socketPath
            let lines = try await onThread {
                let client = try ChannelClient(path)
                for target in [#""channel":"news""#, #""pattern":"n*""#, #""pattern":"*s""#, #""pattern":"n*""#] {
                    _ = try client.subscribe("{\(target)}")
                }
                try expect(client.publish("news", "1"), 3)
                try expect(client.publish("end", "2"), 0)
                try expect(client.publish("nose", "3"), 1)
                return try (0..<6).map { _ in
                    let params = try client.next().params
                    return "\(params?["subscription"]?.string ?? "") \(params?["message"]?.text ?? "")"
                }
            }
            #expect(
                lines.sorted()
                    == ["channel-1 1", "channel-2 1", "channel-2 3", "channel-3 1", "channel-4 1", "channel-4 3"]
            )
        }
    }

    @Test("names carry the prefix, and neither it nor channels of Valkey's own can be reached by a pattern")
    func prefix() async throws {
        try await withAgents(1, environment: ["SQUIRE_VALKEY_PREFIX": "a*:"]) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                _ = try client.subscribe(#"{"pattern":"*"}"#)
                try expect(server.command("PUBLISH", "ax:news", "1"), .integer(0))
                try expect(server.command("PUBLISH", "a*:__keyspace", "2"), .integer(1))
                try expect(server.command("PUBLISH", "a*:news", "3"), .integer(1))
                try expect(client.publish("news", "4"), 1)
                try expect(client.news(2), ["news 3", "news 4"])
                for params in [#"{"channel":"__x"}"#, #"{"pattern":"__*"}"#] {
                    try expect(client.fault("channel.subscribe", params), "invalid_params")
                }
            }
        }
    }

    @Test("a filter keeps away what does not fit, and the sequence counts what does")
    func filter() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            let lines = try await onThread {
                let client = try ChannelClient(path)
                let filter = #"{"type":"order.*","user.tenant":["a","b"]}"#
                _ = try client.subscribe(#"{"channel":"news","filter":\#(filter)}"#)
                for (number, (type, tenant)) in [("order.paid", "a"), ("order.paid", "c"), ("x", "a"), ("order.", "b")]
                    .enumerated()
                {
                    let message = #"{"id":\#(number),"type":"\#(type)","user":{"tenant":"\#(tenant)"}}"#
                    try client.publish("news", message)
                }
                try server.command("PUBLISH", "news", "order.paid")
                try client.publish("news", #"{"id":9,"type":"order.x","user":{"tenant":"b"}}"#)
                return try (0..<3).map { _ in
                    let params = try client.next().params
                    return "\(params?["sequence"]?.text ?? "") \(params?["message"]?["id"]?.text ?? "")"
                }
            }
            #expect(lines == ["1 0", "2 3", "3 9"])
            #expect(try await agents[0].call("agent.stats")?.object?["channels"]?.object?["filtered"] == 3)
        }
    }

    @Test("the same request publishes once, also through another agent", arguments: ServerKind.installed)
    func requests(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { _, agents in
            let paths = agents.map(\.socketPath)
            try await onThread {
                let clients = try paths.map { try ChannelClient($0) }
                _ = try clients[0].subscribe(#"{"channel":"news"}"#)
                for client in clients {
                    let params = #"{"channel":"news","message":1,"request_id":"r"}"#
                    try expect(client.call("channel.publish", params)["receivers"]?.integer, 1)
                }
                let other = #"{"channel":"news","message":2,"request_id":"r"}"#
                try expect(clients[1].fault("channel.publish", other), "conflict")
                try clients[1].publish("news", "3")
                try expect(clients[0].news(2), ["news 1", "news 3"])
                // Channels whose records lie in one slot.
                for channel in ["{t}.orders", "{t}.audit"] {
                    _ = try clients[0].subscribe(#"{"channel":"\#(channel)"}"#)
                    for client in clients {
                        let params = #"{"channel":"\#(channel)","message":1,"request_id":"r"}"#
                        try expect(client.call("channel.publish", params)["receivers"]?.integer, 1)
                    }
                }
                try expect(clients[0].news(2), ["{t}.orders 1", "{t}.audit 1"])
            }
        }
    }

    @Test("a connection has a bounded number of subscriptions, and goes on")
    func bound() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                for _ in 0..<1024 { _ = try client.subscribe(#"{"channel":"news"}"#) }
                try expect(client.fault("channel.subscribe", #"{"channel":"news"}"#), "overloaded")
                try client.call("channel.unsubscribe", #"{"subscription":"channel-7"}"#)
                try expect(client.subscribe(#"{"channel":"news"}"#), "channel-1025")
                try expect(server.subscribers("news"), 1)
            }
        }
    }
}
