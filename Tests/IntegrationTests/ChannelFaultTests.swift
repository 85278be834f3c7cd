import Glibc
import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Channels when something breaks")
struct ChannelFaultTests {
    @Test("after each restart of Valkey every subscription has its gap and goes on", arguments: ServerKind.installed)
    func restarts(_ kind: ServerKind) async throws {
        try await withAgents(2, kind) { server, agents in
            try await Self.restart(server, agents, times: 3)
        }
    }

    /// Restarts a server under subscribers of several agents, over and over, and checks what each is told.
    static func restart(_ server: ValkeyServer, _ agents: [Daemon], times: Int) async throws {
        let paths = agents.map(\.socketPath)
        let clients = try await onThread {
            try (paths + paths).enumerated().map { index, path in
                let client = Held(try ChannelClient(path))
                _ = try client.value.subscribe(index < paths.count ? #"{"channel":"news"}"# : #"{"pattern":"n*"}"#)
                return client
            }
        }
        for round in 1...times {
            try await server.restart()
            let told = try await onThread {
                let gaps = try clients.map { try $0.value.news(1) }
                try server.command("PUBLISH", "news", "\(round)")
                return try (gaps, clients.map { try $0.value.news(1) })
            }
            #expect(told.0 == clients.map { _ in ["gap reconnected"] }, "round \(round)")
            #expect(told.1 == clients.map { _ in ["news \(round)"] }, "round \(round)")
        }
    }

    /// A client that one thread after another uses.
    final class Held: @unchecked Sendable {
        // Each use begins after the one before has ended: the test awaits it.
        private var client: ChannelClient?

        init(_ value: ChannelClient) {
            client = value
        }

        /// The client, which is not closed.
        var value: ChannelClient {
            guard let client else { preconditionFailure("the client was closed") }
            return client
        }

        /// Closes its connection.
        func close() {
            client = nil
        }
    }

    @Test("without Valkey nothing is subscribed or published, and both are said at once")
    func unavailable() async throws {
        try await withAgents { server, agents in
            server.kill()
            try await waitUntil("the agent has noticed") {
                try await agents[0].call("agent.health")?.object?["degraded"] == true
            }
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                try expect(client.fault("channel.subscribe", #"{"channel":"news"}"#), "unavailable")
                try expect(client.fault("channel.publish", #"{"channel":"news","message":1}"#), "unavailable")
            }
            let stats = try await agents[0].call("agent.stats")?.object?["channels"]?.object
            #expect(stats?["subscriptions"] == 0)
        }
    }

    @Test("what Valkey's rules refuse is an error that names them", arguments: ServerKind.installed)
    func refused(_ kind: ServerKind) async throws {
        try await withAgents(1, kind) { server, agents in
            try server.command("ACL", "SETUSER", "default", "resetchannels", "&news")
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                _ = try client.subscribe(#"{"channel":"news"}"#)
                let refused = try client.reply("channel.subscribe", #"{"channel":"secrets"}"#).error
                try expect(refused?.kind, "valkey_error")
                try expect(refused?.data?["valkey"]?.string, "NOPERM")
                try client.publish("news", "1")
                try expect(client.news(1), ["news 1"])
            }
        }
    }

    @Test("a client that sends no more is still served; one that is gone leaves nothing behind")
    func halfClosed() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                _ = try client.subscribe(#"{"channel":"news"}"#)
                try client.client.finishSending(until: Instant.now.advanced(by: .seconds(5)))
                try server.command("PUBLISH", "news", "1")
                try expect(client.news(1), ["news 1"])
            }
            try await waitUntil("nobody is subscribed") {
                // The end of a client that sends no more shows when it is written to.
                try server.command("PUBLISH", "news", "2")
                return try server.subscribers("news") == 0
            }
        }
    }

    @Test("a client that is gone before Valkey has confirmed leaves nothing behind")
    func goneBefore() async throws {
        try await withAgents { server, agents in
            let path = agents[0].socketPath
            try server.pause()
            try await onThread {
                let client = try ChannelClient(path)
                _ = client.client.send("channel.subscribe", params: JSONFragment(#"{"channel":"news"}"#))
                try client.client.finishSending(until: Instant.now.advanced(by: .seconds(5)))
            }
            try server.resume()
            try await waitUntil("nobody is subscribed") {
                let stats = try await agents[0].call("agent.stats")?.object?["channels"]?.object
                return stats?["subscriptions"] == 0 && stats?["upstream_subscriptions"] == 0
            }
            #expect(try server.subscribers("news") == 0)
        }
    }

    @Test("an agent that ends says so to its subscribers")
    func end() async throws {
        try await withAgents { _, agents in
            let agent = agents[0]
            let client = try await onThread {
                let client = Held(try ChannelClient(agent.socketPath))
                _ = try client.value.subscribe(#"{"channel":"news"}"#)
                return client
            }
            try await agent.terminate()
            let told = try await onThread { try client.value.news(2) }
            try expect(told, ["closing ", "closed shutting_down"])
        }
    }
}
