import JSON
import Linux
import TestSupport
import Testing

@Suite("rpc and topics")
struct TopicCommandTests {
    private func publish(_ agent: Daemon, _ messages: [String]) async throws {
        for message in messages {
            let published = try await agent.rpc("topic.publish", "topic=orders", "message=\(message)")
            #expect(published.status == .exited(0))
        }
    }

    private func inspect(_ agent: Daemon, _ topic: String = "orders") async throws -> String {
        try await onThread { [path = agent.socketPath] in try ChannelClient(path).inspect(topic) }
    }

    @Test("a subscription is a stream of lines, each acked when it has left; the rest stays for the next")
    func stream() async throws {
        try await withAgents { _, agents in
            let agent = agents[0]
            try await publish(agent, [#"{"id":1}"#, #"{"id":2}"#, #"{"id":3}"#])
            let subscribe = ["topic.subscribe", "topic=orders", "group=mail", "from=start", "--field", "message"]
            let first = try await runRPC(["--socket", agent.socketPath] + subscribe + ["--count", "2"])
            #expect(first.standardOutput == "{\"id\":1}\n{\"id\":2}\n")
            #expect(first.status == .exited(0))
            // The third was given out when the first was acked, and given back at the end.
            try await waitUntil("the subscription has ended") { try await inspect(agent) == "3; mail: 1 0 0" }
            let rest = try await runRPC(["--socket", agent.socketPath] + subscribe + ["--count", "1"])
            #expect(rest.standardOutput == "{\"id\":3}\n")
            try await waitUntil("all is handled") { try await inspect(agent) == "3; mail: 0 0 0" }
        }
    }

    @Test("a command handles each message: acked where it ends with 0, else it comes again")
    func command() async throws {
        try await withAgents { _, agents in
            let agent = agents[0]
            try await publish(agent, [#"{"id":1}"#, #"{"id":2}"#])
            let script =
                #"read -r line; echo "$line $SQUIRE_DELIVERIES"; [ "$line" != '{"id":2}' ] || [ "$SQUIRE_DELIVERIES" = 2 ]"#
            let result = try await agent.rpc(
                "topic.subscribe",
                "topic=orders",
                "group=mail",
                "from=start",
                "--count",
                "3",
                "--exec",
                script
            )
            #expect(result.standardOutput == "{\"id\":1} 1\n{\"id\":2} 1\n{\"id\":2} 2\n")
            #expect(result.standardError.contains("the command ended with exit status 1"))
            #expect(result.status == .exited(1))
            try await waitUntil("all is handled") { try await inspect(agent) == "2; mail: 0 0 0" }
        }
    }

    @Test("a command that takes longer than a message's time keeps it")
    func longCommand() async throws {
        try await withAgents { _, agents in
            let agent = agents[0]
            try await publish(agent, ["1"])
            let result = try await agent.rpc(
                "topic.subscribe",
                "topic=orders",
                "group=mail",
                "from=start",
                "ack_ms=3000",
                "--count",
                "1",
                "--exec",
                "sleep 4; cat"
            )
            #expect(result.standardOutput == "1\n")
            #expect(result.standardError.isEmpty)
            #expect(result.status == .exited(0))
            try await waitUntil("all is handled") { try await inspect(agent) == "1; mail: 0 0 0" }
            let stats = try await agent.call("agent.stats")?.object?["topics"]?.object
            #expect(stats?["delivered"] == 1)
        }
    }

    @Test("a command handles the messages of channels too")
    func channel() async throws {
        try await withAgents { server, agents in
            let agent = agents[0]
            async let result = agent.rpc(
                "channel.subscribe",
                "channel=news",
                "--count",
                "1",
                "--exec",
                "echo \"$SQUIRE_CHANNEL:$(cat)\""
            )
            try await waitUntil("rpc is subscribed") { try server.subscribers("news") == 1 }
            try server.command("PUBLISH", "news", "not json")
            #expect(try await result.standardOutput == "news:not json\n")
            #expect(try await result.status == .exited(0))
        }
    }
}
