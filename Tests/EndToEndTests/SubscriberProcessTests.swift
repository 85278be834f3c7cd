import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("A subscription and the process that made it")
struct SubscriberProcessTests {
    /// Has a process subscribe, whose child holds its connection, and ends the process.
    ///
    /// - Parameters:
    ///   - agent: The agent.
    ///   - method: What subscribes.
    ///   - params: Its parameters.
    ///   - before: Runs while the process lives; receives the path of what was received.
    ///   - body: Runs when the child was told that the subscription has ended.
    /// - Throws: `FixtureError` where something does not come.
    private func run(
        _ agent: RunningAgent,
        _ method: String,
        _ params: String,
        before: (String) async throws -> Void,
        _ body: () async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let script = "Tests/EndToEndTests/Clients/forking_subscriber.py"
            guard let python = Executable.find("python3") else { throw FixtureError("python3 is not installed") }
            let output = "\(directory)/output"
            let arguments = [script, agent.daemon.socketPath, method, params]
            let process = try await LaunchedProcess.start(
                ChildProcess.Command(executable: python, arguments: arguments),
                log: "\(directory)/log",
                output: output
            )
            try await waitUntil("the process is subscribed") { try File.text(output).contains("subscribed") }
            try await before(output)
            try process.signal(SIGKILL)
            try await waitUntil("the child is told") { try File.text(output).contains("process_ended") }
            try await body()
            let words = try File.text(output).split(whereSeparator: { $0 == " " || $0 == "\n" })
            let index = try #require(words.firstIndex(of: "subscribed"))
            let child = try #require(Int32(words[index + 1]))
            #expect(kill(child, 0) == 0)
            #expect(kill(child, SIGKILL) == 0)
        }
    }

    @Test("to a topic ends with it, and others get its messages at once")
    func topic() async throws {
        try await withAgent { agent in
            let params = #"{"topic":"orders","group":"billing","credit":1,"ack_ms":3600000}"#
            let other = try agent.lease()
            try await run(agent, "topic.subscribe", params) { output in
                for message in 1...2 {
                    _ = try await other.result(
                        "topic.publish",
                        ["topic": "orders", "message": .integer(Int64(message))]
                    )
                }
                try await waitUntil("it has a message") { try File.text(output).contains("topic.message") }
            } _: {
                _ = try await other.result("topic.subscribe", ["topic": "orders", "group": "billing"])
                let first = try await other.push("topic.message")
                #expect(first["message"] == 1 && first["deliveries"] == 2)
                let second = try await other.push("topic.message")
                #expect(second["message"] == 2 && second["deliveries"] == 1)
            }
        }
    }

    @Test("to a channel ends with it")
    func channel() async throws {
        try await withAgent { agent in
            let other = try agent.lease()
            let publication: Document = ["channel": "news", "message": 1]
            try await run(agent, "channel.subscribe", #"{"channel":"news"}"#) { output in
                #expect(try await other.result("channel.publish", publication) == ["receivers": 1])
                try await waitUntil("it has the message") { try File.text(output).contains("channel.message") }
            } _: {
                try await waitUntil("nobody is subscribed") {
                    try await other.result("channel.publish", publication) == ["receivers": 0]
                }
            }
        }
    }
}
