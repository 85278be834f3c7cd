import JSON
import Linux
import TestSupport
import Testing

@Suite("rpc and channels")
struct ChannelCommandTests {
    /// Runs `rpc` as a subscriber, and publishes as soon as it is subscribed.
    private func listen(
        _ server: ValkeyServer,
        _ agent: Daemon,
        _ arguments: [String],
        _ messages: [String]
    ) async throws -> CommandResult {
        async let result = runRPC(["--socket", agent.socketPath, "channel.subscribe", "channel=news"] + arguments)
        try await waitUntil("rpc is subscribed") { try server.subscribers("news") == 1 }
        for message in messages {
            let published = try await agent.rpc("channel.publish", "channel=news", "message=\(message)")
            #expect(published.standardOutput == "{\"receivers\":1}\n")
        }
        return try await result
    }

    @Test("a subscription is a stream of lines, which ends with the count")
    func count() async throws {
        try await withAgents { server, agents in
            let messages = [#"{"type":"order.paid","id":1.0}"#, #"{"type":"x"}"#, "text", #"{"type":"order.new"}"#]
            let whole = try await listen(server, agents[0], ["--count", "4"], messages)
            #expect(whole.status == .exited(0))
            let lines = whole.standardOutput.split(separator: "\n")
            #expect(lines.count == 4)
            #expect(lines[0].hasSuffix(#""channel":"news","message":{"type":"order.paid","id":1.0},"sequence":1}"#))
            #expect(lines[2].hasSuffix(#""message":"text","sequence":3}"#))
            try await waitUntil("nobody is subscribed") { try server.subscribers("news") == 0 }
            let picked = try await listen(
                server,
                agents[0],
                ["--count", "2", "--field", "message.type", "--raw", #"filter={"type":"order.*"}"#],
                messages
            )
            #expect(picked.standardOutput == "order.paid\norder.new\n")
        }
    }

    @Test("it ends with the time, and fails where more was asked for")
    func time() async throws {
        try await withAgents { server, agents in
            let quiet = try await agents[0].rpc("channel.subscribe", "channel=news", "--for", "50ms")
            #expect(quiet.status == .exited(0))
            #expect(quiet.standardOutput.isEmpty)
            let missing = try await agents[0].rpc("channel.subscribe", "channel=news", "--for", "50ms", "--count", "1")
            #expect(missing.status == .exited(7))
            try await waitUntil("nobody is subscribed") { try server.subscribers("news") == 0 }
        }
    }

    @Test("it goes on over a restart of Valkey, with a word about the gap, and ends with the agent")
    func faults() async throws {
        try await withAgents { server, agents in
            let agent = agents[0]
            async let result = runRPC(["--socket", agent.socketPath, "channel.subscribe", "channel=news"])
            try await waitUntil("rpc is subscribed") { try server.subscribers("news") == 1 }
            try await server.restart()
            try await waitUntil("rpc is subscribed again") { try server.subscribers("news") == 1 }
            try server.command("PUBLISH", "news", "1")
            try await waitUntil("the message is handed on") {
                try await agent.call("agent.stats")?.object?["channels"]?.object?["delivered"] == 1
            }
            try await agent.terminate()
            let ended = try await result
            #expect(ended.standardOutput.contains(#""message":1"#))
            #expect(ended.standardError.contains("channel.gap: messages may be missing here (reconnected)"))
            #expect(ended.standardError.contains("channel.closed"))
            #expect(ended.status == .exited(2))
        }
    }

    @Test("changes of the agent itself come by the same way")
    func agentEvents() async throws {
        try await withAgents { _, agents in
            let agent = agents[0]
            async let result = runRPC([
                "--socket", agent.socketPath, "agent.subscribe", "--count", "1", "--field", "state",
            ])
            try await waitUntil("the subscriber is there") {
                let stats = try await agent.call("agent.stats")?.object?["calls"]?.object
                return stats?["agent.subscribe"] == 1
            }
            _ = try await agent.rpc("agent.breaker", "action=open")
            #expect(try await result.standardOutput == "\"open\"\n")
        }
    }
}
