import Linux
import TestSupport
import Testing

@Suite("A client in another language")
struct ForeignClientTests {
    /// Python with the libraries of `Clients/requirements.txt`, which `scripts/test` installs.
    private static let environmentPython = ".build/clients/bin/python3"
    /// Python as it is installed.
    private static var python: String? { Executable.find("python3") }

    /// The lines of the readme's blocks in a language.
    private func readme(_ language: String) throws -> [[Substring]] {
        var blocks: [[Substring]] = []
        var block: [Substring]?
        for line in try File.text("README.md").split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```\(language)" {
                block = []
            } else if line == "```", let ended = block {
                blocks.append(ended)
                block = nil
            } else {
                block?.append(line)
            }
        }
        return blocks
    }

    @Test("speaks Content-Length framing with a language server's library")
    func languageServer() async throws {
        let python = Self.environmentPython
        let module = ["-c", "import pylsp_jsonrpc"]
        guard Executable.find(python) != nil, try await run(python, module).status == .exited(0) else {
            try Test.cancel("python-lsp-jsonrpc is not installed in .build/clients: scripts/test installs it")
        }
        try await withAgent { agent in
            let script = "Tests/EndToEndTests/Clients/language_server.py"
            let outcome = try await run(python, [script, agent.daemon.socketPath])
            #expect(outcome.status == .exited(0), "\(outcome.standardError)")
            #expect(outcome.standardOutput == "done\n")
        }
    }

    @Test("is Python with its standard library alone, as in the readme")
    func plainPython() async throws {
        guard let python = Self.python else { try Test.cancel("Python is not installed: scripts/dependencies test") }
        let block = try #require(try readme("python").first)
        try await withAgent { agent in
            let environment = ["SQUIRE_SOCKET": agent.daemon.socketPath]
            let program = block.joined(separator: "\n")
            let outcome = try await run(python, ["-c", program], environment: environment)
            #expect(outcome.status == .exited(0), "\(outcome.standardError)")
            #expect(outcome.standardOutput == "Ada\n")
        }
    }

    @Test("is a shell with nothing but a tool that connects, as in the readme")
    func shell() async throws {
        let lines = try readme("sh").joined().filter { $0.contains("nc -U -N") }
        let line = String(try #require(lines.first))
        let command: String
        if Executable.find("nc") != nil {
            command = line
        } else if Executable.find("socat") != nil {
            command = line.replacing(#"nc -U -N "$SQUIRE_SOCKET""#, with: #"socat - UNIX-CONNECT:"$SQUIRE_SOCKET""#)
        } else {
            try Test.cancel("neither nc nor socat is installed: scripts/dependencies test")
        }
        try await withAgent { agent in
            try agent.server.command("SET", "cache:greeting", #"{"text": "hello"}"#)
            let environment = ["SQUIRE_SOCKET": agent.daemon.socketPath]
            let outcome = try await run("/bin/sh", ["-c", command], environment: environment)
            #expect(outcome.status == .exited(0), "\(outcome.standardError)")
            let hit = #"{"jsonrpc":"2.0","id":1,"result":{"hit":true,"value":{"text": "hello"},"source":"valkey"}}"#
            #expect(outcome.standardOutput == hit + "\n")
        }
    }

    @Test("is a shell with rpc, as in the readme")
    func shellWithCommand() async throws {
        let lines = try readme("sh").joined().filter { $0.hasPrefix("rpc ") }
        try #require(lines.count >= 4)
        try await withAgent { agent in
            let directory = try Product.path("rpc").split(separator: "/").dropLast().map { "/\($0)" }.joined()
            let outcome = try await run(
                "/bin/sh",
                ["-e", "-c", lines.joined(separator: "\n")],
                environment: ["SQUIRE_SOCKET": agent.daemon.socketPath, "PATH": "\(directory):/usr/bin:/bin"]
            )
            #expect(outcome.status == .exited(0), "\(outcome.standardError)")
            let expected = [
                #"{"stored":true}"#, #"{"hit":true,"value":{"text": "hello"},"source":"valkey"}"#, "hello",
            ]
            #expect(outcome.standardOutput.split(separator: "\n").prefix(3).map(String.init) == expected)
        }
    }
}
