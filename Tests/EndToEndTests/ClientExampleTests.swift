import JSON
import Linux
import TestSupport
import Testing

@Suite("The clients of the documentation")
struct ClientExampleTests {
    /// One file of `docs/clients/`, which is run as it is.
    struct Client: CustomTestStringConvertible {
        /// Name of the language, which is part of the key that the client writes.
        let language: String
        /// Program that runs the file.
        let interpreter: String
        /// What follows the interpreter's name.
        let arguments: [String]

        var testDescription: String { language }

        static let all = [
            Client(language: "python", interpreter: "python3", arguments: ["docs/clients/squire.py"]),
            Client(language: "node", interpreter: "node", arguments: ["docs/clients/squire.js"]),
            Client(language: "ruby", interpreter: "ruby", arguments: ["docs/clients/squire.rb"]),
            Client(language: "php", interpreter: "php", arguments: ["docs/clients/squire.php"]),
            Client(language: "perl", interpreter: "perl", arguments: ["docs/clients/squire.pl"]),
            Client(language: "shell", interpreter: "sh", arguments: ["docs/clients/squire.sh"]),
            Client(language: "go", interpreter: "go", arguments: ["docs/clients/squire.go"]),
        ]

        /// The command that runs the file against the agent at `socket`.
        ///
        /// - Parameters:
        ///   - socket: Path of the agent's socket.
        ///   - directory: Where a program that has to be built first is put.
        /// - Returns: What to start.
        /// - Throws: What ends the test without a fault where the interpreter is not installed.
        func command(socket: String, in directory: String) async throws -> ChildProcess.Command {
            guard let program = Executable.find(interpreter) else {
                try Test.cancel("\(language): \(interpreter) is not installed, the client is not tried")
            }
            let programs = try Product.path("rpc").split(separator: "/").dropLast().map { "/\($0)" }.joined()
            var environment = [
                "SQUIRE_SOCKET": socket, "PATH": "\(programs):\(Environment["PATH"] ?? "/usr/bin:/bin")",
            ]
            guard language == "go" else { return Self.command(program, arguments, environment) }
            let cache = "\(try workingDirectory())/.build/go"
            environment.merge(["GOCACHE": "\(cache)/cache", "GOPATH": cache, "GO111MODULE": "off"]) { old, _ in old }
            let built = "\(directory)/client"
            let build = ["build", "-o", built] + arguments
            let outcome = try await run(program, build, environment: environment, limit: .seconds(300))
            try #require(outcome.status == .exited(0), "\(outcome.standardError)")
            return Self.command(built, [], environment)
        }

        private static func command(
            _ executable: String,
            _ arguments: [String],
            _ environment: [String: String]
        ) -> ChildProcess.Command {
            var command = ChildProcess.Command(executable: executable, arguments: arguments)
            command.environment = environment.map { "\($0.key)=\($0.value)" }
            return command
        }

        private func workingDirectory() throws -> String { try File.destination(ofLink: "/proc/self/cwd") }
    }

    /// The command that starts an agent in the place of another one.
    private func successor(of agent: RunningAgent) throws -> ChildProcess.Command {
        ChildProcess.Command(
            executable: try Product.path("squired"),
            arguments: ["--socket", agent.daemon.socketPath, "--valkey", "unix://\(agent.server.socketPath)"]
        )
    }

    private func becomeSubscribed(_ agent: RunningAgent, _ client: LaunchedProcess) async throws {
        try await waitUntil("the client is subscribed", within: .seconds(60)) {
            guard try client.exitStatus == nil else { throw FixtureError("the client has ended") }
            // What the agent knows of the subscription says nothing about Valkey, whose messages it would miss until then.
            return try agent.server.subscribers("news") == 1
        }
    }

    @Test("call, subscribe, and go on after the agent was restarted", arguments: Client.all)
    func restart(client: Client) async throws {
        try await withAgent { agent in
            try await withTemporaryDirectory { directory in
                let command = try await client.command(socket: agent.daemon.socketPath, in: directory)
                let (output, error) = ("\(directory)/output", "\(directory)/error")
                let process = try await LaunchedProcess.start(command, log: error, output: output)
                try await becomeSubscribed(agent, process)
                #expect(try File.text(output) == "Ada\n")
                let entry = try agent.server.command("GET", "cache:client:\(client.language)")
                #expect(entry.text?.replacing(" ", with: "") == #"{"name":"Ada"}"#)
                _ = try await agent.connect().result(of: "channel.publish", #"["news","one"]"#)
                try await waitUntil("the message has come") { try File.text(output) == "Ada\none\n" }
                try await agent.daemon.terminate()
                try await waitUntil("Valkey has forgotten the subscription") {
                    try agent.server.subscribers("news") == 0
                }
                let next = try await LaunchedProcess.start(successor(of: agent), log: "\(directory)/log")
                try await becomeSubscribed(agent, process)
                for message in ["two", "end"] {
                    _ = try await agent.connect().result(of: "channel.publish", #"["news","\#(message)"]"#)
                }
                let status = try await process.end(within: .seconds(60))
                let complaint = try File.text(error)
                #expect(status == .exited(0), "\(complaint)")
                #expect(try File.text(output) == "Ada\none\ntwo\nend\nAda\n")
                #expect(complaint.contains("some may be missing\n"), "\(complaint)")
                try next.signal(15)
                #expect(try await next.end() == .exited(0))
            }
        }
    }

    @Test("do not wait for ever for an agent that hangs")
    func silence() async throws {
        try await withTemporaryDirectory { directory in
            let listener = try Socket.listen(unixPath: "\(directory)/squire.sock", backlog: 64)
            var processes: [(client: Client, process: LaunchedProcess)] = []
            // Each takes as long as it is patient, so they run side by side.
            for client in Client.all where Executable.find(client.interpreter) != nil {
                let command = try await client.command(socket: "\(directory)/squire.sock", in: directory)
                let log = "\(directory)/\(client.language)"
                processes.append((client, try await LaunchedProcess.start(command, log: log)))
            }
            for (client, process) in processes {
                let status = try await process.end(within: .seconds(60))
                #expect(status != .exited(0), "\(client.language)")
                #expect(try !File.text("\(directory)/\(client.language)").isEmpty, "\(client.language)")
            }
            withExtendedLifetime(listener) {}
        }
    }
}
