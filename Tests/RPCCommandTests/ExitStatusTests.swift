import Glibc
import RPCTestSupport
import RPCUsage
import Testing

@Suite("Exit status")
struct ExitStatusTests {
    @Test("A call that was carried out ends with 0 and says nothing else")
    func done() throws {
        let run = try CommandRun.answered(#"{"pong":true}"#)
        #expect(run.status == 0)
        #expect(run.output == "{\"pong\":true}\n")
        #expect(run.complaint.isEmpty)
    }

    @Test(
        "An answer that is no ends with 4 and is printed",
        arguments: ["hit", "found", "acquired", "allowed", "stored"]
    )
    func answerIsNo(_ name: String) throws {
        let run = try CommandRun.answered("{\"a\":1,\"\(name)\":false}")
        #expect(run.status == 4)
        #expect(run.output == "{\"a\":1,\"\(name)\":false}\n")
        #expect(try CommandRun.answered("{\"\(name)\":true}").status == 0)
        #expect(try CommandRun.answered("{\"\(name)\":0}").status == 0)
    }

    @Test(
        "An error of the agent ends with the number of its kind",
        arguments: [
            (-32602, 1), (-32601, 1), (1001, 6), (1002, 7), (1003, 1), (1004, 5), (1006, 1), (1008, 1), (1009, 1),
            (4711, 1),
        ]
    )
    func errorReply(_ code: Int, _ status: Int32) throws {
        let run = try CommandRun.refused("{\"code\":\(code),\"message\":\"It says no\"}")
        #expect(run.status == status)
        #expect(run.output.isEmpty)
        #expect(run.complaint.hasPrefix("rpc: agent.ping: It says no ("))
        #expect(run.complaint.contains("\(code))\n"))
    }

    @Test("An error is told with what its data says and with what to do next")
    func errorData() throws {
        let data = #"{"kind":"deadline_exceeded","outcome":"unknown","retry_after_ms":250,"param":"key"}"#
        let run = try CommandRun.refused("{\"code\":1002,\"message\":\"Too late\",\"data\":\(data)}")
        #expect(
            run.complaint == """
                rpc: agent.ping: Too late (deadline_exceeded, 1002)
                  Whether it was carried out is not known.
                  Parameter: key.
                  Try again in 250 ms.
                  --timeout allows more time.

                """
        )
    }

    @Test("Without an agent the command ends with 2, names the path and says how to start one")
    func unreachable() throws {
        let run = try CommandRun(["agent.ping"])
        #expect(run.status == 2)
        #expect(run.complaint.contains("there is no socket at /nonexistent/squire.sock"))
        #expect(run.complaint.contains("squired"))
        #expect(run.complaint.contains("--wait"))
    }

    @Test("A path that is too long ends with 2 and says how long it may be")
    func pathTooLong() throws {
        let run = try CommandRun(["agent.ping", "--socket", "/\(String(repeating: "x", count: 107))"])
        #expect(run.status == 2)
        #expect(run.complaint.contains("108 bytes"))
        #expect(run.complaint.contains("at most 107"))
    }

    @Test("--socket goes before the environment")
    func socketOption() throws {
        try FakeAgent.Script { _ in [.send(CommandRun.reply("{}"))] }.serve { agent in
            let named = try CommandRun(["agent.ping", "--socket", agent.path])
            #expect(named.status == 0)
            let misled = try CommandRun(["agent.ping", "--socket", "/nonexistent/s"], socket: agent.path)
            #expect(misled.status == 2)
        }
    }

    @Test("An agent that does not answer in time ends the command with 7")
    func timeout() throws {
        try FakeAgent.Script { _ in [] }.serve { agent in
            let run = try CommandRun(["agent.ping", "--timeout", "10ms"], socket: agent.path)
            #expect(run.status == 7)
            #expect(run.complaint.contains("Whether it was carried out is not known."))
        }
    }

    @Test("An agent that goes away, or is none, ends the command with 2")
    func broken() throws {
        try FakeAgent.Script { _ in [.close] }.serve { agent in
            let run = try CommandRun(["agent.ping"], socket: agent.path)
            #expect(run.status == 2)
            #expect(run.complaint.contains("closed the connection"))
        }
        try FakeAgent.Script { _ in [.send("+PONG")] }.serve { agent in
            let run = try CommandRun(["agent.ping"], socket: agent.path)
            #expect(run.status == 2)
        }
    }

    @Test("--wait ends with 2 when its time is over, and finds an agent that is there")
    func wait() throws {
        #expect(try CommandRun(["agent.ping", "--wait", "20ms"]).status == 2)
        try FakeAgent.Script { _ in [.send(CommandRun.reply("{}"))] }.serve { agent in
            let run = try CommandRun(["agent.ping", "--wait", "10s"], socket: agent.path)
            #expect(run.status == 0)
        }
    }

    @Test("--watch repeats the call, errors included, until no agent can be reached")
    func watch() throws {
        let script = FakeAgent.Script { line in
            [.send(CommandRun.reply("{\"hit\":false}"))]
        }
        try script.serve { agent in
            var turns = 0
            let run = CommandRun(["agent.ping", "--watch", "1ms"], socket: agent.path, input: -1) { _ in
                turns += 1
                if turns == 3 { unsafe unlink(agent.path) }
            }
            #expect(run.status == 2)
            #expect(run.output == String(repeating: "{\"hit\":false}\n", count: 3))
        }
        let leaving = FakeAgent.Script { _ in
            [.send(#"{"jsonrpc":"2.0","id":1,"error":{"code":1001,"message":"Away"}}"#), .leave]
        }
        try leaving.serve { agent in
            let run = try CommandRun(["agent.ping", "--watch", "1ms"], socket: agent.path)
            #expect(run.status == 2)
            #expect(run.complaint.contains("Away (unavailable, 1001)"))
            #expect(run.complaint.contains("no agent can be reached"))
        }
    }

    @Test(
        "A wrong command line ends with 3 and says what is wrong",
        arguments: [
            ([], "which method?"),
            (["--nope", "agent.ping"], "no option --nope"),
            (["--tiemout", "5s"], "Did you mean --timeout?"),
            (["agent.ping", "--timeout"], "--timeout needs a value"),
            (["agent.ping", "--timeout", "5"], "--timeout takes a duration"),
            (["agent.ping", "--timeout", "0s"], "--timeout takes a duration"),
            (["agent.ping", "--raw=1"], "--raw takes no value"),
            (["describe"], "takes one name"),
            (["bench", "--nope"], "no option --nope"),
            (["-", "--field", "x"], "go with it"),
            (["list", "nope."], "no method begins with nope."),
        ] as [([String], String)]
    )
    func usage(_ arguments: [String], _ words: String) throws {
        let run = try CommandRun(arguments)
        #expect(run.status == 3)
        #expect(run.complaint.contains(words))
        #expect(run.output.isEmpty)
    }
}
