import RPCTestSupport
import RPCUsage
import Testing

@testable import RPCCommand

@Suite("Completion of command lines")
struct CompletionTests {
    /// What may stand at the end of a line, without what it means.
    private func words(_ line: String) -> [String] {
        Completion(.sample).candidates(for: line).map(\.word)
    }

    @Test(
        "offers what may stand there, and nothing else",
        arguments: [
            ("rpc c", ["cache.dump", "cache.load", "completion", "cache.get", "cache.set"]),
            ("rpc cache.g", ["cache.get"]),
            ("rpc des", ["describe"]),
            ("rpc describe ag", ["agent.ping"]),
            ("rpc describe agent.ping ", []),
            ("rpc help n", ["news.subscribe"]),
            ("rpc list ", ["agent.", "cache.", "mail.", "news."]),
            ("rpc completion ", ["bash", "zsh", "fish"]),
            ("rpc - ", []),
            ("rpc bench --ra", ["--rate"]),
            ("rpc bench --pipeline ", []),
            ("rpc cache.get ", ["key=", "fresh=", "wait_ms="]),
            ("rpc cache.get fresh=true ", ["key=", "wait_ms="]),
            ("rpc cache.get fresh:=true key='a b' w", ["wait_ms="]),
            ("rpc cache.get fresh=", ["fresh=true", "fresh=false"]),
            ("rpc cache.get fresh:=t", ["fresh:=true"]),
            ("rpc cache.get wait_ms=", ["wait_ms=0"]),
            ("rpc cache.set ", ["key=", "value=", "note=", "ttl_ms=", "limit_bytes=", "tags="]),
            ("rpc cache.set note=", ["note=new", "note=old", "note=null"]),
            ("rpc cache.set ttl_ms=", ["ttl_ms=null"]),
            ("rpc cache.set nonsense=", []),
            ("rpc cache.none ", []),
            ("rpc --co", ["--count"]),
            ("rpc cache.get key=a --r", ["--raw"]),
            ("rpc -- --r", []),
            ("rpc --timeout ", []),
            ("rpc --timeout 5s cache.s", ["cache.set"]),
            ("rpc --timeout=5s --raw cache.s", ["cache.set"]),
            ("rpc cache.get --field ", ["hit", "value"]),
            ("rpc cache.get --field=v", ["--field=value"]),
            ("rpc agent.ping --field ", []),
            ("rpc", []),
            ("", []),
        ]
    )
    func table(line: String, expected: [String]) {
        #expect(words(line) == expected)
    }

    @Test("offers files where a value or an option takes one, hidden ones only when they are asked for")
    func files() throws {
        try withTemporaryDirectory { directory in
            for name in ["one.json", "other", ".hidden"] { try write([], to: "\(directory)/\(name)") }
            let all = ["one.json", "other"].map { "\(directory)/\($0)" }
            #expect(words("rpc cache.set value=@\(directory)/") == all.map { "value=@\($0)" })
            #expect(words("rpc cache.set value:=@\(directory)/on") == ["value:=@\(directory)/one.json"])
            #expect(words("rpc cache.set value=@\(directory)/.h") == ["value=@\(directory)/.hidden"])
            #expect(words("rpc --socket \(directory)/") == all)
            #expect(words("rpc --socket=\(directory)/ot") == ["--socket=\(directory)/other"])
            #expect(words("rpc --params @\(directory)/o") == all.map { "@\($0)" })
            #expect(words("rpc --params \(directory)/o") == [])
            #expect(words("rpc --socket \(directory)") == ["\(directory)/"])
        }
    }

    @Test("says what each means, where it is known")
    func summaries() {
        let found = Completion(.sample).candidates(for: "rpc cache.get k")
        #expect(found == [Completion.Candidate(word: "key=", summary: "Name of the entry.")])
    }

    @Test("is a script for each shell, and refuses to guess another")
    func scripts() throws {
        for shell in Shell.allCases {
            let run = try CommandRun(["completion", shell.rawValue])
            #expect(run.status == 0)
            #expect(run.output.contains("Made by: rpc completion \(shell.rawValue)\n"))
        }
        for words in [["completion"], ["completion", "tcsh"], ["completion", "bash", "zsh"]] {
            let run = try CommandRun(words)
            #expect(run.status == 3)
            #expect(run.complaint.contains("bash, zsh, fish"))
        }
        #expect(try CommandRun(["completion", "candidates", "rpc cache.g"]).output == "cache.get\tReads one entry.\n")
    }
}
