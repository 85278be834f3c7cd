import Glibc
import RPCTestSupport
import RPCUsage
import Testing

@testable import RPCCommand

@Suite("Stream of a subscription")
struct SubscriptionStreamTests {
    /// Runs `rpc news.subscribe` against an agent that sends these notifications and then closes.
    private func run(_ pushes: [String], _ options: [String] = [], isTerminal: Bool = false) throws -> CommandRun {
        var actions: [FakeAgent.Action] = [.send(CommandRun.reply(#"{"subscription":"news-1"}"#))]
        for push in pushes {
            let parts = push.split(separator: " ", maxSplits: 1)
            actions.append(.send(#"{"jsonrpc":"2.0","method":"news.\#(parts[0])","params":\#(parts[1])}"#))
        }
        actions.append(.close)
        return try FakeAgent.Script { [actions] _ in actions }.serve { agent in
            try CommandRun(["news.subscribe"] + options, socket: agent.path, isTerminal: isTerminal)
        }
    }

    private let one = #"message {"subscription":"news-1", "message":1.0}"#
    private let two = #"message {"subscription":"news-1","message":"b"}"#
    private let foreign = #"message {"subscription":"news-2","message":9}"#

    @Test("Each message is a line as it came, on a terminal too, until as many came as were asked for")
    func count() throws {
        for isTerminal in [false, true] {
            let run = try run([one, foreign, two, one], ["--count", "2"], isTerminal: isTerminal)
            #expect(
                run.output == #"""
                    {"subscription":"news-1", "message":1.0}
                    {"subscription":"news-1","message":"b"}

                    """#
            )
            #expect(run.status == 0)
            #expect(run.complaint.isEmpty)
        }
    }

    @Test("A member is picked of each, and one that lacks it is passed over and said")
    func field() throws {
        let other = #"message {"subscription":"news-1","message_text":"t"}"#
        let run = try run([two, other, two], ["--count", "3", "--field", "message", "--raw"])
        #expect(run.output == "b\nb\n")
        #expect(run.complaint.contains("no member message"))
        #expect(run.status == 0)
    }

    @Test("A gap is said beside the stream; the end that the agent makes is an error")
    func gapAndEnd() throws {
        let gap = #"gap {"subscription":"news-1","reason":"reconnected"}"#
        let closed = #"closed {"subscription":"news-1","reason":"slow_consumer"}"#
        let run = try run([one, gap, two, closed, one])
        #expect(run.output.split(separator: "\n").count == 2)
        #expect(run.complaint.contains("news.gap: messages may be missing here (reconnected)"))
        #expect(run.complaint.contains("news.closed: the agent ended the subscription (slow_consumer)"))
        #expect(run.status == 1)
    }

    @Test("An agent that goes away is one that cannot be reached")
    func away() throws {
        let run = try run([one])
        #expect(run.output.split(separator: "\n").count == 1)
        #expect(run.complaint.contains("closed the connection"))
        #expect(run.status == 2)
    }

    @Test("When the time is over all is well, unless more messages were asked for")
    func time() throws {
        let script = FakeAgent.Script { [one] _ in
            let push = one.split(separator: " ", maxSplits: 1)[1]
            return [
                .send(CommandRun.reply(#"{"subscription":"news-1"}"#)),
                .send(#"{"jsonrpc":"2.0","method":"news.message","params":\#(push)}"#),
            ]
        }
        try script.serve { agent in
            let quiet = try CommandRun(["news.subscribe", "--for", "50ms"], socket: agent.path)
            #expect(quiet.status == 0)
            #expect(quiet.output.split(separator: "\n").count == 1)
            let missing = try CommandRun(["news.subscribe", "--for", "50ms", "--count", "2"], socket: agent.path)
            #expect(missing.status == 7)
            #expect(missing.complaint.contains("1 of 2 messages came in time"))
            #expect(missing.output.split(separator: "\n").count == 1)
        }
    }

    @Test("When nobody reads what it prints any more it ends, though nothing comes")
    func unread() throws {
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        defer { close(ends[1]) }
        let script = FakeAgent.Script { [one] _ in
            let push = one.split(separator: " ", maxSplits: 1)[1]
            return [
                .send(CommandRun.reply(#"{"subscription":"news-1"}"#)),
                .send(#"{"jsonrpc":"2.0","method":"news.message","params":\#(push)}"#),
            ]
        }
        try script.serve { agent in
            let run = CommandRun(["news.subscribe"], socket: agent.path, input: -1, output: ends[1]) { _ in
                close(ends[0])
            }
            #expect(run.status == 0)
            #expect(run.output.split(separator: "\n").count == 1)
            #expect(run.complaint.isEmpty)
        }
    }

    @Test(
        "What only subscriptions have is refused elsewhere, before anything is called",
        arguments: [
            (["agent.ping", "--count", "1"], "go with subscriptions, which agent.ping is none of"),
            (["cache.get", "key=a", "--for", "1s"], "go with subscriptions"),
            (["news.subscribe", "--count", "0"], "--count takes a number of messages"),
            (["news.subscribe", "--count", "x"], "--count takes a number of messages"),
            (["news.subscribe", "--for", "1"], "--for takes a duration"),
            (["news.subscribe", "--count", "1", "--watch", "1s"], "--watch repeats a call"),
            (["-", "--count", "1"], "go with it"),
        ] as [([String], String)]
    )
    func usage(_ arguments: [String], _ words: String) throws {
        let run = try CommandRun(arguments)
        #expect(run.status == 3)
        #expect(run.complaint.contains(words))
    }
}
