import Glibc
import Linux
import RPCTestSupport
import RPCUsage
import Testing

@testable import RPCCommand

@Suite("Cache entries in a file")
struct TransferTests {
    /// An agent that answers calls of the cache from a list of keys, two a page.
    private static func cache(_ keys: [String]) -> FakeAgent.Script {
        FakeAgent.Script { line in
            let id = line.split(separator: "\"id\":").last.map { $0.prefix { $0.isNumber } } ?? ""
            func reply(_ result: String) -> [FakeAgent.Action] {
                [.send("{\"jsonrpc\":\"2.0\",\"id\":\(id),\"result\":\(result)}")]
            }
            if line.contains("cache.keys") {
                let cursor =
                    line.split(separator: "\"cursor\":\"").dropFirst().first.flatMap { Int($0.prefix { $0.isNumber }) }
                    ?? 0
                let page = keys[cursor..<min(cursor + 2, keys.count)].map { "\"\($0)\"" }.joined(separator: ",")
                let next = cursor + 2 < keys.count ? "\"\(cursor + 2)\"" : "null"
                return reply("{\"keys\":[\(page)],\"cursor\":\(next)}")
            }
            if line.contains("\"bad\"") {
                return [
                    .send(
                        "{\"jsonrpc\":\"2.0\",\"id\":\(id),\"error\":{\"code\":1001,\"message\":\"away\",\"data\":{\"kind\":\"unavailable\"}}}"
                    )
                ]
            }
            if line.contains("\"gone\"") { return reply(#"{"hit":false}"#) }
            return reply(#"{"hit":true,"value":{"n":1.00},"source":"near","ttl_ms":5000}"#)
        }
    }

    /// An agent that takes batches; one that holds the word "bad" is refused for its second entry.
    private static let sink = FakeAgent.Script { line in
        let id = line.split(separator: "\"id\":").last.map { $0.prefix { $0.isNumber } } ?? ""
        if line.contains("bad") {
            return [
                .send(
                    "{\"jsonrpc\":\"2.0\",\"id\":\(id),\"error\":{\"code\":-32602,\"message\":\"entries[1].ttl_ms must be at least 1\","
                        + "\"data\":{\"kind\":\"invalid_params\",\"param\":\"entries[1].ttl_ms\"}}}"
                )
            ]
        }
        return [.send("{\"jsonrpc\":\"2.0\",\"id\":\(id),\"result\":{\"stored\":1}}")]
    }

    @Test("are written a line each, with the life that they have left")
    func dump() throws {
        try Self.cache(["a", "gone", "é\\n", "b", "c"]).serve { agent in
            let run = try CommandRun(["cache.dump", "namespace=n"], socket: agent.path)
            #expect(run.status == 0)
            #expect(run.complaint.isEmpty)
            let expected = ["a", "é\\n", "b", "c"].map {
                #"{"key":"\#($0)","namespace":"n","value":{"n":1.00},"ttl_ms":5000}"#
            }
            #expect(run.output.split(separator: "\n").map(String.init) == expected)
            #expect(agent.lines.allSatisfy { $0.contains(#""namespace":"n""#) })
        }
    }

    @Test("are gone on with in the same file where the dump was interrupted")
    func resume() throws {
        try withTemporaryDirectory { directory in
            let file = "\(directory)/dump.ndjson"
            try Self.cache(["a", "b", "c", "bad", "e"]).serve { agent in
                let run = try CommandRun(["cache.dump", file], socket: agent.path)
                #expect(run.status == 6)
                #expect(run.complaint.contains("The same command goes on"))
                #expect(try text(of: file).split(separator: "\n").count == 4)
                // What was written of a page that was not finished is cut off.
                try write(try text(of: file) + #"{"key":"half"#, to: file)
                let other = try CommandRun(["cache.dump", file, "namespace=n"], socket: agent.path)
                #expect(other.status == 3 && other.complaint.contains("another namespace"))
            }
            try Self.cache(["a", "b", "c", "d", "e"]).serve { agent in
                #expect(try CommandRun(["cache.dump", file], socket: agent.path).status == 0)
                #expect(agent.lines.first?.contains(#""cursor":"2""#) == true)
                let keys = try text(of: file).split(separator: "\n").filter { $0.contains("key") }
                #expect(keys.map { $0.prefix(9).suffix(1) } == ["a", "b", "c", "d", "e"].map { Substring($0) })
                let again = try CommandRun(["cache.dump", file], socket: agent.path)
                #expect(again.status == 3 && again.complaint.contains("complete"))
            }
        }
    }

    @Test("of a dump to standard output go on from the cursor that was told")
    func cursor() throws {
        try Self.cache(["a", "b", "bad", "d"]).serve { agent in
            let run = try CommandRun(["cache.dump"], socket: agent.path)
            #expect(run.status == 6 && run.output.split(separator: "\n").count == 2)
            #expect(run.complaint.contains("cursor=2 goes on"))
            _ = try CommandRun(["cache.dump", "cursor=2"], socket: agent.path)
            #expect(agent.lines.last { $0.contains("cache.keys") }?.contains(#""cursor":"2""#) == true)
        }
    }

    @Test("are loaded in batches of one namespace each")
    func load() throws {
        let text = """
            {"cursor":"0"}
            {"key":"a","value":[1, 2],"ttl_ms":5000}

            {"ttl_ms":null,"text":"x","key":"b"}\r
            {"key":"c","namespace":"n","base64":"AA=="}
            {"key":"d","namespace":"n","value":null}
            {"key":"e","value":1}
            {"cursor":null}
            """
        try withTemporaryDirectory { directory in
            try write(text, to: "\(directory)/file")
            try Self.sink.serve { agent in
                let run = try CommandRun(["cache.load", "\(directory)/file", "namespace=m"], socket: agent.path)
                #expect(run.complaint.isEmpty)
                #expect(run.output == "{\"loaded\":5}\n" && run.status == 0)
                let params = agent.lines.compactMap { $0.split(separator: "\"params\":").last }
                #expect(params.count == 3)
                #expect(
                    params[0].hasPrefix(
                        #"{"entries":[{"key":"a","value":[1, 2],"ttl_ms":5000},{"ttl_ms":null,"text":"x","key":"b"}],"namespace":"m"}"#
                    )
                )
                #expect(
                    params[1].hasPrefix(
                        #"{"entries":[{"key":"c","base64":"AA=="},{"key":"d","value":null}],"namespace":"n"}"#
                    )
                )
                let input = try CommandRun(["cache.load", "-"], socket: agent.path, input: "\(directory)/file")
                #expect(input.output == "{\"loaded\":5}\n")
                let rest = try CommandRun(["cache.load", "\(directory)/file", "from=6"], socket: agent.path)
                #expect(rest.output == "{\"loaded\":2}\n")
            }
        }
    }

    @Test(
        "are loaded as far as they are there, and a dump that was cut is no success",
        arguments: [
            (#"{"cursor":"0"}|{"key":"a","value":1}|{"cursor":"7"}|{"key":"b","value":2}"#, true),
            (#"{"cursor":"0"}|{"key":"a","value":1}|{"key":"b","value":2}"#, true),
            (#"{"cursor":"0"}|{"key":"a","value":1}|{"cursor":"0"}|{"key":"b","value":2}|{"cursor":null}"#, true),
            (#"{"cursor":"0"}|{"key":"a","value":1}|{"cursor":"7"}|{"key":"b","value":2}|{"cursor":null}"#, false),
            (#"{"cursor":"0"}|{"key":"a","value":1}|{"cursor":null}|{"key":"b","value":2}"#, false),
            (#"{"key":"a","value":1}|{"key":"b","value":2}"#, false),
        ]
    )
    func incomplete(lines: String, isCut: Bool) throws {
        try withTemporaryDirectory { directory in
            let file = "\(directory)/file"
            try write(lines.split(separator: "|").joined(separator: "\n") + "\n", to: file)
            try Self.sink.serve { agent in
                let run = try CommandRun(["cache.load", file], socket: agent.path)
                #expect(run.output == "{\"loaded\":2}\n")
                #expect(run.status == (isCut ? 1 : 0))
                #expect(run.complaint.contains("not complete") == isCut, "\(run.complaint)")
                #expect(run.complaint.isEmpty == !isCut, "\(run.complaint)")
            }
        }
    }

    @Test(
        "are refused by the number of their line, and what stands before is loaded",
        arguments: [
            ("[1]", "is no object"), ("{", "is not JSON"), (#"{"value":1}"#, "has no key"),
            (#"{"key":"a"}"#, "exactly one of"),
            (#"{"key":"a","value":1,"text":"b"}"#, "exactly one of"),
            (#"{"key":1,"value":1}"#, "key that is no string"),
            (#"{"key":"a","value":1,"ttl":5}"#, "the member ttl"), (#"{"key":"a","key":"b","value":1}"#, "key twice"),
            (#"{"key":"a","value":1,"namespace":1}"#, "namespace that is no string"),
        ]
    )
    func faults(line: String, words: String) throws {
        try withTemporaryDirectory { directory in
            try write("{\"key\":\"a\",\"value\":1}\n\(line)\n", to: "\(directory)/file")
            try Self.sink.serve { agent in
                let run = try CommandRun(["cache.load", "\(directory)/file"], socket: agent.path)
                #expect(run.status == 3)
                #expect(run.complaint.contains("line 2 ") && run.complaint.contains(words))
                #expect(run.complaint.contains("1 entries are loaded") && run.complaint.contains("from=2"))
                #expect(agent.lines.count == 1)
            }
        }
    }

    @Test("that the agent refuses are told by the number of their line")
    func refusal() throws {
        try withTemporaryDirectory { directory in
            let lines = (1...5).map { #"{"key":"k\#($0)","namespace":"\#($0 < 3 ? "good" : "bad")","value":1}"# }
            try write(lines.joined(separator: "\n"), to: "\(directory)/file")
            try Self.sink.serve { agent in
                let run = try CommandRun(["cache.load", "\(directory)/file"], socket: agent.path)
                #expect(run.status == 1)
                #expect(run.complaint.contains("line 4: "))
                #expect(run.complaint.contains("2 entries are loaded") && run.complaint.contains("from=3"))
            }
        }
    }

    @Test("of a file larger than memory allows would still be loaded: a line and a few batches are held")
    func bounded() throws {
        try withTemporaryDirectory { directory in
            let value = String(repeating: "v", count: 40_000)
            try write(
                (0..<100).map { "{\"key\":\"\($0)\",\"value\":\"\(value)\"}\n" }.joined(),
                to: "\(directory)/file"
            )
            try Self.sink.serve { agent in
                let run = try CommandRun(["cache.load", "\(directory)/file"], socket: agent.path)
                #expect(run.output == "{\"loaded\":100}\n")
                #expect(agent.lines.allSatisfy { $0.utf8.count < 1_200_000 })
                #expect(agent.lines.count == 4)
            }
        }
    }

    @Test(
        "need words that make sense",
        arguments: [
            (["cache.load"], "needs a file"), (["cache.load", "a", "b"], "one file"),
            (["cache.load", "a", "fro=1"], "no fro"),
            (["cache.load", "a", "from=0"], "number of a line"),
            (["cache.load", "/dev/null/file"], "cannot be read"),
            (["cache.dump", "a", "cursor=1"], "knows where it goes on"),
            (["cache.dump", "/dev/null/file"], "cannot be written"),
        ] as [([String], String)]
    )
    func usage(arguments: [String], words: String) throws {
        let run = try CommandRun(arguments)
        #expect(run.status == 3)
        #expect(run.complaint.contains(words), "\(run.complaint)")
    }

    @Test("tell a person at a terminal how far they have come, and nobody else")
    func progress() {
        for isTerminal in [true, false] {
            var complaint: [UInt8] = []
            let console = Console(
                isTerminal: false,
                isErrorTerminal: isTerminal,
                input: 0,
                writeOutput: { _ in nil },
                writeError: { complaint += $0 }
            )
            var progress = Progress(console)
            progress.add(entries: 1, bytes: 100)
            progress.add(entries: 2, bytes: 3 << 19)
            progress.finish()
            let text = String(decoding: complaint, as: UTF8.self)
            #expect(text.hasPrefix("\r\u{1b}[K1 entries, 100 bytes, ") == isTerminal)
            #expect(text.contains("\r\u{1b}[K3 entries, 1.5 MiB, ") == isTerminal)
            #expect(text.isEmpty != isTerminal)
        }
    }

    @Test("have their help")
    func help() throws {
        for method in ["cache.dump", "cache.load"] {
            let run = try CommandRun([method, "--help"])
            #expect(run.status == 0 && run.output.hasPrefix("rpc \(method) "))
        }
    }

    private func write(_ text: String, to path: String) throws {
        try RPCTestSupport.write([UInt8](text.utf8), to: path)
    }

    private func text(of path: String) throws -> String {
        String(decoding: try FileDescriptor.open(path, flags: O_RDONLY).readAll(limit: 1 << 24), as: UTF8.self)
    }

    @Test("with tags or a stale period are written one by one, in the order of the file")
    func whole() throws {
        try withTemporaryDirectory { directory in
            let lines = [
                #"{"key":"a","value":1}"#, #"{"key":"b","value":1}"#,
                #"{"key":"a","value":2,"ttl_ms":5,"stale_ms":7,"namespace":"n"}"#,
                #"{"key":"c","value":3,"tags":["t"]}"#, #"{"key":"a","value":4}"#,
            ]
            try write(lines.joined(separator: "\n"), to: "\(directory)/file")
            try Self.sink.serve { agent in
                let run = try CommandRun(["cache.load", "\(directory)/file"], socket: agent.path)
                #expect(run.output == "{\"loaded\":5}\n", "\(run.complaint)")
                let expected = [
                    #"{"entries":[{"key":"a","value":1},{"key":"b","value":1}]}"#,
                    #"{"key":"a","value":2,"ttl_ms":5,"stale_ms":7,"namespace":"n"}"#,
                    #"{"key":"c","value":3,"tags":["t"]}"#, #"{"entries":[{"key":"a","value":4}]}"#,
                ]
                #expect(agent.lines.count == 4)
                for (line, params) in zip(agent.lines, expected) {
                    #expect(line.contains(#""method":"cache.set\#(params.contains("entries") ? "_many" : "")""#))
                    #expect(line.contains(params), "\(line)")
                }
            }
        }
    }
}
