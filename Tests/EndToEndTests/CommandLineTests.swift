import JSON
import Linux
import TestSupport
import Testing

@Suite("The rpc command with a real agent")
struct CommandLineTests {
    /// A command line and what comes of it.
    struct Invocation {
        let arguments: [String]
        let status: Int32
        /// The whole standard output, without the newline at its end; nil where it does not matter.
        var output: String?
        /// A part of the standard error.
        var error = ""
        /// The standard input.
        var input: String?

        init(_ arguments: String..., status: Int32 = 0, output: String? = nil, error: String = "", input: String? = nil)
        {
            (self.arguments, self.status, self.output, self.error, self.input) = (
                arguments, status, output, error, input
            )
        }
    }

    /// In this order, with one agent.
    private static let invocations = [
        Invocation("agent.ping", output: #"{"pong":true}"#),
        Invocation("agent.ping", "--field", "pong", output: "true"),
        Invocation("cache.set", "key=k", #"value={"a":[1,2.50,{"b":"c d"}]}"#, output: #"{"stored":true}"#),
        Invocation("cache.get", "key=k", output: #"{"hit":true,"value":{"a":[1,2.50,{"b":"c d"}]},"source":"valkey"}"#),
        Invocation("cache.get", "key=k", "--field", "value.a.1", output: "2.50"),
        Invocation("cache.get", "key=k", "--field", "value.a.2.b", output: #""c d""#),
        Invocation("cache.get", "key=k", "--field=value.a.2.b", "--raw", output: "c d"),
        Invocation("cache.get", "key=k", "--field", "value.z", status: 1, output: "", error: "no member value.z"),
        Invocation("cache.get", "key=missing", status: 4, output: #"{"hit":false}"#),
        Invocation("cache.get", "key=missing", "--field", "value", status: 4, output: "", error: "hit is false"),
        Invocation("cache.set", "key=k", "value=1", "condition=absent", status: 4, output: #"{"stored":false}"#),
        Invocation("cache.set", "key=5", "value=plain words", "ttl_ms=60s"),
        Invocation("cache.get", "key=5", "--field", "value", "--raw", output: "plain words"),
        Invocation("cache.set", "key=n", "value:=17", "ttl_ms=null"),
        Invocation(
            "cache.get",
            "key=n",
            "with_ttl=true",
            output: #"{"hit":true,"value":17,"source":"valkey","ttl_ms":null}"#
        ),
        Invocation("cache.increment", "key=n", "by=-20", output: #"{"value":-3}"#),
        Invocation("cache.set", "key=in", "value=-", output: #"{"stored":true}"#, input: #"{"from": "stdin"}"#),
        Invocation("cache.get", "key=in", "--field", "value", output: #"{"from": "stdin"}"#),
        Invocation("cache.set", "key=t", "text=-", output: #"{"stored":true}"#, input: "two\nlines\n"),
        Invocation("cache.get", "key=t", "--field", "text", output: #""two\nlines\n""#),
        Invocation("cache.get", "--params", #"{"key":"n"}"#, "--field", "value", output: "-3"),
        Invocation("cache.get", "--params", #"["n"]"#, "--field", "value", output: "-3"),
        Invocation("cache.delete", #"keys=["n","nope"]"#, output: #"{"deleted":1}"#),
        Invocation("hash.set", "key=h", #"fields={"a":1}"#, output: #"{"added":1}"#),
        Invocation("hash.get", "key=h", "field=b", status: 4, output: #"{"found":false}"#),
        Invocation("cache.touch", "key=none", "ttl_ms=5m", status: 4, output: #"{"found":false}"#),
        Invocation("cache.increment", "key=k", status: 1, output: "", error: "conflict, 1008"),
        Invocation("cache.set", "key=k", "value=1", "ttl_ms=0", status: 1, output: "", error: "ttl_ms"),
        Invocation("cache.get", "key=", status: 1, output: "", error: "key"),
        Invocation("cache.get", status: 3, output: "", error: "needs key"),
        Invocation("cache.get", "kee=k", status: 3, output: "", error: "key"),
        Invocation("cache.gett", "key=k", status: 3, output: "", error: "cache.get"),
        Invocation("cache.set", "key=k", "value=1", "ttl_ms=soon", status: 3, output: "", error: "ttl_ms"),
        Invocation("--nonsense", "agent.ping", status: 3, output: "", error: "--nonsense"),
        Invocation(status: 3, output: "", error: "rpc list"),
        Invocation("list"),
        Invocation("describe", "cache.get"),
        Invocation("--help"),
        Invocation("--version"),
    ]

    @Test("ends and prints as the contract says")
    func table() async throws {
        try await withAgent { agent in
            for invocation in Self.invocations {
                let line = "rpc \(invocation.arguments.joined(separator: " "))"
                let outcome = try await runRPC(
                    ["--socket", agent.daemon.socketPath] + invocation.arguments,
                    input: invocation.input.map { Array($0.utf8) }
                )
                #expect(outcome.status == .exited(invocation.status), "\(line): \(outcome.standardError)")
                if let output = invocation.output {
                    #expect(outcome.standardOutput == (output.isEmpty ? "" : output + "\n"), "\(line)")
                } else {
                    #expect(!outcome.standardOutput.isEmpty, "\(line)")
                }
                #expect(invocation.error.isEmpty == outcome.standardError.isEmpty, "\(line): \(outcome.standardError)")
                let hasError = invocation.error.isEmpty || outcome.standardError.contains(invocation.error)
                #expect(hasError, "\(line): \(outcome.standardError)")
            }
        }
    }

    @Test("carries a value of megabytes there and back")
    func large() async throws {
        try await withAgent { agent in
            let value = "[\"" + String(repeating: "ä\\n", count: 1_500_000) + "\"]"
            let stored = try await agent.daemon.rpc("cache.set", "key=big", "value=-", input: Array(value.utf8))
            #expect(stored.status == .exited(0), "\(stored.standardError)")
            let found = try await agent.daemon.rpc("cache.get", "key=big", "--field", "value")
            #expect(found.standardOutput == value + "\n")
            let tooLong = Array("\"\(String(repeating: "x", count: 9 << 20))\"".utf8)
            let refused = try await agent.daemon.rpc(
                "--timeout",
                "20s",
                "cache.set",
                "key=big",
                "value=-",
                input: tooLong
            )
            #expect(refused.status == .exited(1))
            #expect(refused.standardError.contains("8388608"), "\(refused.standardError)")
        }
    }

    @Test("carries requests from its input to the agent, and replies to its output")
    func stream() async throws {
        try await withAgent { agent in
            var input = ""
            for id in 0..<3000 {
                input += #"{"jsonrpc":"2.0","id":\#(id),"method":"cache.set","params":["k\#(id)",\#(id)]}"# + "\n"
            }
            input += "no JSON\n\n" + #"{"jsonrpc":"2.0","method":"cache.set","params":["told",1]}"# + "\n"
            input += #"[{"jsonrpc":"2.0","id":"last","method":"cache.get","params":["k2999"]}]"#
            let outcome = try await agent.daemon.rpc("-", input: Array(input.utf8))
            let lines = outcome.standardOutput.split(separator: "\n")
            #expect(lines.count == 3002, "\(outcome.standardError)")
            #expect(lines.count { $0.hasSuffix(#""result":{"stored":true}}"#) } == 3000)
            #expect(lines.count { $0.contains("-32700") } == 1)
            let hit = #"[{"jsonrpc":"2.0","id":"last","result":{"hit":true,"value":2999,"source":"valkey"}}]"#
            #expect(lines.last == Substring(hit))
            #expect(try agent.server.command("EXISTS", "cache:told") == .integer(1))
        }
    }

    @Test("tells an agent without Valkey from one that does not answer in time")
    func away() async throws {
        try await withAgent { agent in
            try agent.server.pause()
            let late = try await agent.daemon.rpc("--timeout", "100ms", "cache.get", "key=k")
            #expect(late.status == .exited(7), "\(late.standardError)")
            // The agent's own answer, unless it comes so late that rpc gives up itself.
            let isLate = ["deadline_exceeded", "no reply in time"].contains { late.standardError.contains($0) }
            #expect(isLate, "\(late.standardError)")
            try agent.server.resume()
            agent.server.kill()
            try await waitUntil("the agent knows") {
                try await agent.daemon.rpc("cache.set", "key=k", "value=1").status == .exited(6)
            }
            let missed = try await agent.daemon.rpc("cache.get", "key=k")
            #expect(missed.status == .exited(4))
            #expect(missed.standardOutput == #"{"hit":false,"degraded":true}"# + "\n")
        }
    }

    @Test("says so where no agent can be reached, and waits for one that starts later")
    func unreachable() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/none.sock"
            for arguments in [["agent.ping"], ["--wait", "50ms", "agent.ping"], ["-"], ["list", "agent"]] {
                let outcome = try await runRPC(["--socket", path] + arguments)
                // The methods are known without an agent.
                let status: Int32 = arguments.first == "list" ? 0 : 2
                #expect(outcome.status == .exited(status), "\(arguments): \(outcome.standardError)")
                #expect(status == 0 || outcome.standardError.contains(path))
            }
            try File.write("no socket", to: path)
            #expect(try await runRPC(["--socket", path, "agent.ping"]).status == .exited(2))
        }
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/late.sock"
            async let answer = runRPC(["--wait", "20s", "agent.ping"], environment: ["SQUIRE_SOCKET": path])
            let agent = try await LaunchedProcess.start(
                ChildProcess.Command(
                    executable: try Product.path("squired"),
                    arguments: ["--socket", path, "--valkey", "unix://\(directory)/no-valkey.sock"]
                ),
                log: "\(directory)/log"
            )
            let outcome = try await answer
            #expect(outcome.status == .exited(0), "\(outcome.standardError)")
            #expect(outcome.standardOutput == #"{"pong":true}"# + "\n")
            try agent.signal(15)
            #expect(try await agent.end() == .exited(0))
        }
    }
}
