import Linux
import Testing

@testable import Configuration

@Suite("The command line of squired")
struct CommandLineTests {
    @Test("Values stand behind a flag or behind =, and the last one counts")
    func values() throws {
        let flags = try CommandLineFlags([
            "--socket", "/a", "--state=valkey://u:p=w@h", "--socket=/b", "--check-config",
        ])
        #expect(flags.values == [.socket: "/b", .state: "valkey://u:p=w@h"])
        #expect(flags.switches == [.checkConfig])
    }

    @Test(
        "A command line that makes no sense is told in one line, without a value",
        arguments: [
            (["--sokcet", "/a"], "there is no flag --sokcet; did you mean --socket?"),
            (["--nonsense"], "there is no flag --nonsense; --help shows the flags"),
            (["valkey://u:secret@h"], "squired takes flags only; --help shows them"),
            (["-valkey://u:secret@h"], "squired takes flags only; --help shows them"),
            (["--socket"], "--socket needs a value: --socket PATH"),
            (["--config="], "--config needs a value: --config FILE"),
            (["--version=1"], "--version takes no value"),
        ]
    )
    func usage(_ arguments: [String], _ line: String) {
        #expect(throws: ConfigurationError.usage(line)) {
            try Configuration.load(arguments: arguments, environment: ProcessEnvironment([:]))
        }
    }

    @Test("Help and version come before anything that could be wrong with the configuration")
    func help() async throws {
        let broken = #"{"limits": 5}"#
        guard case .showHelp(let text) = try await Loading.invocation(broken, flags: ["-h", "--version"]) else {
            throw Loading.UnexpectedInvocation()
        }
        for flag in Flag.allCases { #expect(text.contains("  \(flag.usage)  ")) }
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 120 })
        guard case .showVersion = try await Loading.invocation(broken, flags: ["--version"]) else {
            throw Loading.UnexpectedInvocation()
        }
    }

    @Test("Checking reads everything and does not serve")
    func check() async throws {
        guard case .checkConfig = try await Loading.invocation("{}", flags: ["--check-config"]) else {
            throw Loading.UnexpectedInvocation()
        }
        #expect(try await Loading.faults("[]", flags: ["--check-config"]).count == 1)
    }

    @Test("Printing shows every option with origin and value in columns")
    func print() async throws {
        let text = #"{"namespaces": {"own": {"ttl_ms": 7}}}"#
        let flags = ["--print-config", "--socket=/s"]
        guard case .printConfig(let page) = try await Loading.invocation(text, flags: flags) else {
            throw Loading.UnexpectedInvocation()
        }
        let lines = page.split(separator: "\n")
        #expect(lines.count == Option.all.count + 2)
        #expect(lines[0].hasPrefix("# file: /") && lines[0].hasSuffix("/squire.json"))
        let rows = lines.dropFirst().map { $0.split(separator: " ").map(String.init) }
        #expect(rows.contains(["socket.path", "flag", "\"/s\""]))
        #expect(rows.contains(["namespaces.own.ttl_ms", "file", "7"]))
        #expect(rows.contains(["shutdown.grace_ms", "default", "10000"]))
    }
}
