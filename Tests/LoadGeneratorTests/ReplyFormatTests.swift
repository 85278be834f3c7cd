import Bytes
import Testing

@testable import LoadGenerator

struct ReplyFormatTests {
    private func judge(_ text: String, _ operation: Workload.Operation) -> (slot: Int?, reply: Reply?) {
        text.withByteView { line in
            guard let slot = ReplyFormat.slot(ofLine: line) else { return (nil, nil) }
            return (slot, ReplyFormat.judge(line: line, operation))
        }
    }

    @Test(
        "An agent's replies are judged by what they say",
        arguments: [
            (#""result":{"hit":true,"value":1,"source":"near"}"#, .get, .doneFromMemory),
            (#""result":{"hit":true,"value":"near","source":"valkey"}"#, .get, .done),
            (#""result":{"hit":false}"#, .get, .missed),
            (#""result":{"hit":false,"degraded":true}"#, .get, .missed),
            (#""result":{"hit":false,"lease":"6f1c2a9e0b7d4c58a3e1f0927d6b5c44"}"#, .get, .missed),
            (#""error":{"code":1001,"message":"x"}"#, .get, .refused),
            (#""error":{"code":1001,"message":"x"}"#, .set, .refused),
            (#""result":{"stored":true}"#, .set, .done),
            (#""result":{"deleted":0}"#, .delete, .done),
            (#""result":{"entries":[{"hit":false}]}"#, .getMany, .done),
            (#""result":{"pong":true}"#, .ping, .done),
        ] as [(String, Workload.Operation, Reply)]
    )
    func calls(_ text: String, _ operation: Workload.Operation, _ expected: Reply) {
        let judged = judge(#"{"jsonrpc":"2.0","id":1007,\#(text)}"#, operation)
        #expect(judged.slot == 7)
        #expect(judged.reply == expected)
    }

    @Test(
        arguments: [
            "", "{}", #"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#,
            #"{"jsonrpc":"2.0","method":"agent.closing","params":{"grace_ms":10000}}"#, "HTTP/1.1 400 Bad Request",
        ]
    )
    func `A line that answers no call of a load is told apart`(_ line: String) {
        #expect(judge(line, .get).slot == nil)
    }

    @Test(
        "Where a reply of Valkey ends, and what it says",
        arguments: [
            ("+OK\r\n", .set, .done), (":12\r\n", .increment, .done), ("$-1\r\n", .get, .missed),
            ("$0\r\n\r\n", .get, .done), ("$5\r\nab\r\nc\r\n", .get, .done), ("-ERR no\r\n", .get, .refused),
            ("*0\r\n", .getMany, .done), ("*-1\r\n", .getMany, .done),
            ("*3\r\n$1\r\na\r\n$-1\r\n*2\r\n:1\r\n+x\r\n", .getMany, .done),
        ] as [(String, Workload.Operation, Reply)]
    )
    func commands(_ text: String, _ operation: Workload.Operation, _ expected: Reply) {
        let bytes = [UInt8](text.utf8)
        for count in 0..<bytes.count {
            let end = Array(bytes[..<count]).withByteView { ReplyFormat.end(ofCommand: $0, from: 0) }
            #expect(end == nil, "\(count) bytes of it are not a reply")
        }
        (bytes + [UInt8]("$3\r\nfol".utf8)).withByteView { view in
            #expect(ReplyFormat.end(ofCommand: view, from: 0) == bytes.count)
            #expect(ReplyFormat.end(ofCommand: view, from: bytes.count) == nil)
            #expect(ReplyFormat.judge(command: view, from: 0, operation) == expected)
        }
    }
}
