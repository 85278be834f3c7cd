import Glibc
import RPCTestSupport
import RPCUsage
import Testing

@testable import RPCCommand

@Suite("Stream of requests")
struct RequestStreamTests {
    /// Runs `rpc -` on a text against an agent.
    private func run(
        _ input: String,
        _ script: FakeAgent.Script,
        _ options: [String] = []
    ) throws -> (run: CommandRun, lines: [String]) {
        try script.serve { agent in
            let path = "\(agent.directory)/input"
            try write([UInt8](input.utf8), to: path)
            return (try CommandRun(["-"] + options, socket: agent.path, input: path), agent.lines)
        }
    }

    @Test("Requests go out and replies come back byte for byte, whatever their order")
    func carries() throws {
        let script = FakeAgent.Script { line in
            line.contains("\"b\"")
                ? [.send(#"{"id":"b","result":1e400}"#), .send(#"{"id":"a","result":{ "x":1}}"#)] : []
        }
        let requests = "{\"id\":\"a\", \"method\":\"x\"}\n\n  \r\n{\"id\":\"b\",\"method\":\"y\"}"
        let (run, lines) = try run(requests, script)
        #expect(run.status == 0)
        #expect(run.output == "{\"id\":\"b\",\"result\":1e400}\n{\"id\":\"a\",\"result\":{ \"x\":1}}\n")
        #expect(lines == ["{\"id\":\"a\", \"method\":\"x\"}", "{\"id\":\"b\",\"method\":\"y\"}"])
    }

    @Test("Notifications are not waited for; batches, broken lines and pushes are counted right")
    func counts() throws {
        let requests = """
            {"jsonrpc":"2.0","method":"n"}
            [{"jsonrpc":"2.0","method":"n"}]
            [{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":1,"method":"x"}]
            {broken
            {"method":"no version"}
            {"jsonrpc":"2.0","id":2,"method":"last"}
            """
        let replies = [
            #"{"jsonrpc":"2.0","method":"a.push","params":{}}"#, #"[{"jsonrpc":"2.0","id":1,"result":1}]"#,
            #"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m"}}"#,
            #"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"m"}}"#,
            #"{"jsonrpc":"2.0","id":2,"result":2}"#,
        ]
        let script = FakeAgent.Script { line in line.contains("last") ? replies.map { .send($0) } : [] }
        let (run, lines) = try run(requests, script)
        #expect(run.output == replies.map { "\($0)\n" }.joined())
        #expect(lines.count == 6)
        #expect(run.status == 1)
    }

    @Test("A reply is printed before the input ends, so that a program can talk through it")
    func interactive() throws {
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        defer { close(ends[0]) }
        let script = FakeAgent.Script { line in
            [.send(line.contains("first") ? #"{"id":1,"result":"one"}"# : #"{"id":2,"result":"two"}"#)]
        }
        func ask(_ text: String) {
            let bytes = [UInt8]("\(text)\n".utf8)
            #expect(unsafe Glibc.write(ends[1], bytes, bytes.count) == bytes.count)
        }
        try script.serve { agent in
            ask(#"{"id":1,"method":"first"}"#)
            let run = CommandRun(["-"], socket: agent.path, input: ends[0]) { reply in
                if reply.contains("one") {
                    ask(#"{"id":2,"method":"second"}"#)
                } else {
                    close(ends[1])
                }
            }
            #expect(run.status == 0)
            #expect(run.output == "{\"id\":1,\"result\":\"one\"}\n{\"id\":2,\"result\":\"two\"}\n")
        }
    }

    @Test("Thousands of requests are under way at once without a deadlock")
    func pipelines() throws {
        let filler = String(repeating: "y", count: 2000)
        let requests = (0..<2000).map { "{\"id\":\($0),\"method\":\"x\",\"params\":[\"\(filler)\"]}\n" }.joined()
        let script = FakeAgent.Script { _ in [.send("{\"id\":0,\"result\":\"\(filler)\"}")] }
        let (run, lines) = try run(requests, script)
        #expect(run.status == 0)
        #expect(lines.count == 2000)
        #expect(run.output.utf8.count(where: { $0 == 0x0A }) == 2000)
    }

    @Test("Requests that stay unanswered end the stream: with 2 when the agent goes, with 7 when time is over")
    func unanswered() throws {
        let closing = try run(#"{"id":1,"method":"x"}"#, FakeAgent.Script { _ in [.close] })
        #expect(closing.run.status == 2)
        #expect(closing.run.complaint.contains("replies due: 1"))
        let silent = try run(#"{"id":1,"method":"x"}"#, FakeAgent.Script { _ in [] }, ["--timeout", "20ms"])
        #expect(silent.run.status == 7)
        #expect(silent.run.complaint.contains("replies due: 1"))
    }

    @Test("No input is no request")
    func empty() throws {
        let (run, lines) = try run("", FakeAgent.Script { _ in [] })
        #expect(run.status == 0)
        #expect(run.output.isEmpty && lines.isEmpty)
        #expect(try CommandRun(["-"]).status == 2)
    }
}
