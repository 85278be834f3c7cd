import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("docs/how-to/cache-llm-responses.md")
struct HowToResponsesTests {
    /// The code blocks of a language in the document.
    private static func blocks(_ language: String) throws -> [String] {
        let text = try File.text("docs/how-to/cache-llm-responses.md")
        return text.components(between: "```\(language)\n", and: "\n```")
    }

    @Test("has a program that asks the model once, replays its stream, and stores nothing that broke off")
    func program() async throws {
        guard let python = Executable.find("python3") else {
            try Test.cancel("Python is not installed: scripts/dependencies test")
        }
        try await withTemporaryDirectory { directory in
            let programs = try Self.blocks("python")
            try #require(programs.count == 2)
            for (name, text) in zip(["ask.py", "model.py"], programs) {
                try File.write(text, to: "\(directory)/\(name)")
            }
            try await withAgent { agent in
                let address = "\(directory)/model.url"
                let model = try await LaunchedProcess.start(
                    ChildProcess.Command(executable: python, arguments: ["-u", "\(directory)/model.py"]),
                    log: "\(directory)/model.log",
                    output: address
                )
                defer { try? model.signal(SIGTERM) }
                try await waitUntil("the model serves") { try File.text(address).hasSuffix("\n") }
                let url = String(try File.text(address).dropLast())
                func ask(_ question: String) async throws -> CommandResult {
                    let environment = ["SQUIRE_SOCKET": agent.daemon.socketPath]
                    return try await run(python, ["\(directory)/ask.py", url, question], environment: environment)
                }
                for (question, answer) in [
                    ("What is a sidecar?", "Answer 1 to: What is a sidecar?\n(from the model)\n"),
                    ("What is a sidecar?", "Answer 1 to: What is a sidecar?\n(from the store)\n"),
                    ("What is a daemon?", "Answer 2 to: What is a daemon?\n(from the model)\n"),
                ] {
                    let run = try await ask(question)
                    #expect(run.standardOutput == answer, "\(run.standardError)")
                }
                // A stream that ends in its middle is not stored, and nobody waits for it.
                for number in 3...4 {
                    let broken = try await ask("Please BREAK now")
                    #expect(broken.standardOutput.hasPrefix("Answer \(number) to: Please BREAK\n"))
                    #expect(broken.standardError == "not stored: incomplete\n")
                }
                let stats = try await agent.connect().result(of: "response.stats", #"{"scope":"acme"}"#)
                #expect(stats["hits"] == 1 && stats["misses"] == 4)
                #expect((stats["tokens_saved"]?.integer ?? 0) > 0)
                let shell = try await agent.daemon.rpc(
                    "response.get",
                    "model=small-1",
                    "scope=acme",
                    "stream=at_once",
                    #"messages=[{"role": "user", "content": "What is a sidecar?"}]"#,
                    #"params={"temperature": 0, "seed": 7}"#
                )
                #expect(shell.status == .exited(0), "\(shell.standardError)")
                let lines = try shell.standardOutput.split(separator: "\n").map { try Document.parse(String($0)) }
                #expect(lines.last?["chunk_count"]?.integer == Int64(lines.count - 1))
                #expect(lines.first?["index"] == 0)
            }
        }
    }
}

extension String {
    /// The texts between each pair of these marks.
    fileprivate func components(between beginning: String, and end: String) -> [String] {
        var found: [String] = []
        var rest = self[...]
        while let start = rest.firstRange(of: beginning), let stop = rest[start.upperBound...].firstRange(of: end) {
            found.append(String(rest[start.upperBound..<stop.lowerBound]))
            rest = rest[stop.upperBound...]
        }
        return found
    }
}
