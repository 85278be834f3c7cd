import RPCTestSupport
import Testing

@testable import RPCCommand

@Suite("Messages that are handled")
struct MessageCommandTests {
    /// Runs `rpc mail.subscribe` against an agent that hands out these messages and says of each call that settles one
    /// what `verdict` says.
    ///
    /// - Returns: The run, and the calls after the first: method and params.
    private func run(
        _ messages: [String],
        _ options: [String],
        verdict: String = #"{"acked":["x"],"lost":[]}"#
    ) throws -> (run: CommandRun, calls: [String]) {
        let script = FakeAgent.Script { [messages] line in
            guard !line.contains("mail.subscribe") else {
                let pushes = messages.enumerated().map { index, message in
                    let params =
                        #"{"subscription":"mail-1","id":"\#(index + 1)-0",\#(message),"deliveries":\#(index + 1)}"#
                    return FakeAgent.Action.send(#"{"jsonrpc":"2.0","method":"mail.message","params":\#(params)}"#)
                }
                return [.send(CommandRun.reply(#"{"subscription":"mail-1"}"#))] + pushes
            }
            let number = line.split(separator: #""id":"#).dropFirst().first?.prefix { $0.isNumber } ?? "0"
            return [.send(#"{"jsonrpc":"2.0","id":\#(number),"result":\#(verdict)}"#)]
        }
        return try script.serve { agent in
            let run = try CommandRun(["mail.subscribe"] + options, socket: agent.path)
            let calls = agent.lines.map { line in
                let method = line.split(separator: #""method":""#).last?.prefix { $0 != "\"" } ?? ""
                let params = line.split(separator: #""params":"#).last?.dropLast() ?? ""
                return "\(method) \(params)"
            }
            return (run, calls)
        }
    }

    @Test("are acked when their line has left, and no more come at once than are wanted")
    func printed() throws {
        let (run, calls) = try run([#""message":1"#, #""message":2"#, #""message":3"#], ["--count", "2"])
        #expect(run.output.split(separator: "\n").count == 2)
        #expect(run.status == 0)
        #expect(calls[0].contains(#""credit":2"#))
        #expect(
            calls.dropFirst() == [
                #"mail.ack {"subscription":"mail-1","ids":["1-0"]}"#,
                #"mail.ack {"subscription":"mail-1","ids":["2-0"]}"#,
            ]
        )
    }

    @Test("are given to a command as they were published, and settled by how it ends")
    func command() throws {
        let messages = [#""message":{"a": 1}"#, #""message_text":"two""#, #""message_base64":"dGhyZWU=""#]
        let (run, calls) = try run(messages, ["--count", "3", "--exec", "grep -q two && exit 3; true"])
        #expect(run.status == 1)
        #expect(run.complaint.contains("the command ended with exit status 3"))
        #expect(calls[0].contains(#""credit":1"#))
        #expect(
            calls.dropFirst() == [
                #"mail.ack {"subscription":"mail-1","ids":["1-0"]}"#,
                #"mail.nack {"subscription":"mail-1","ids":["2-0"],"delay_ms":2000}"#,
                #"mail.ack {"subscription":"mail-1","ids":["3-0"]}"#,
            ]
        )
    }

    @Test("tell a command about themselves, and reach it whole or by one member")
    func content() throws {
        let message = #""message":{"to":"ada","n":[1]},"order_key":"k""#
        let check = #"[ "$(cat)" = ada ] && [ "$SQUIRE_MESSAGE_ID $SQUIRE_ORDER_KEY $SQUIRE_DELIVERIES" = "1-0 k 1" ]"#
        let (picked, _) = try run([message], ["--count", "1", "--field", "message.to", "--raw", "--exec", check])
        #expect(picked.status == 0)
        let whole = #"[ "$(cat)" = '{"to":"ada","n":[1]}' ]"#
        let (all, _) = try run([message], ["--count", "1", "--exec", whole])
        #expect(all.status == 0)
        let bytes = #"[ "$(od -An -tx1 | tr -d ' ')" = 00ff ]"#
        let (binary, _) = try run([#""message_base64":"AP8=""#], ["--count", "1", "--exec", bytes])
        #expect(binary.status == 0)
    }

    @Test("are kept while a command runs")
    func kept() throws {
        let (run, calls) = try run([#""message":1"#], ["--count", "1", "ack_ms=30", "--exec", "sleep 0.5"])
        #expect(run.status == 0)
        #expect(calls.count > 2)
        #expect(calls[1] == #"mail.extend {"subscription":"mail-1","ids":["1-0"]}"#)
        #expect(calls.last == #"mail.ack {"subscription":"mail-1","ids":["1-0"]}"#)
    }

    @Test("whose time was over are said to come again, and others are handled")
    func late() throws {
        let lost = #"{"acked":[],"lost":["1-0"]}"#
        let (run, calls) = try run([#""message":1"#, #""message":2"#], ["--count", "2"], verdict: lost)
        #expect(run.status == 0)
        #expect(run.complaint.contains("the time of message 1-0 was over"))
        #expect(calls.count == 3)
    }

    @Test("that cannot be settled are said, and others are handled")
    func refused() throws {
        let (run, calls) = try run([#""message":1"#, #""message":2"#], ["--count", "2", "credit=5"], verdict: "{}")
        #expect(run.status == 0)
        #expect(run.complaint.contains("message 1-0"))
        #expect(calls.count == 3)
        #expect(calls[0].contains(#""credit":5"#) && !calls[0].contains(#""credit":2"#))
    }
}
