import EventLoop
import Glibc
import Linux
import TestSupport
import Testing
import Valkey

/// What becomes of an embedded server whose agent is killed.
struct EmbeddedServerOwnerTests {
    /// Starts a process that runs a server, and returns both.
    private func startOwner(
        _ role: String,
        _ kind: ServerKind,
        _ fixture: EmbeddedServerFixture,
        in directory: String
    ) async throws -> (owner: LaunchedProcess, server: Int32) {
        // Of the servers only this one is found, under Valkey's name.
        let programs = "\(directory)/programs"
        #expect(unsafe mkdir(programs, 0o700) == 0)
        let program = try #require(kind.program)
        #expect(unsafe symlink(program, "\(programs)/valkey-server") == 0)
        var command = ChildProcess.Command(executable: try Product.path("ValkeyTestProgram"))
        command.arguments = [role, fixture.dataDirectory, fixture.socketPath]
        command.environment = ["PATH=\(programs)"]
        let output = "\(directory)/output"
        let owner = try await LaunchedProcess.start(command, log: "\(directory)/owner.log", output: output)
        try await waitUntil("the server listens") { try File.text(output).hasSuffix("\n") }
        return (owner, try #require(Int32(File.text(output).dropLast())))
    }

    @Test("it saves its data and ends with an agent that is killed", arguments: ServerKind.installed)
    func killedOwner(_ kind: ServerKind) async throws {
        for role in ["cache", "state"] {
            try await withEmbeddedServerFixture { fixture in
                try await withTemporaryDirectory { directory in
                    let (owner, server) = try await startOwner(role, kind, fixture, in: directory)
                    try await fixture.command("SET", "key", "value")
                    #expect(!hasEnded(server))
                    try owner.signal(SIGKILL)
                    try await owner.end()
                    try await waitUntil("the server has ended") { hasEnded(server) }
                    try await fixture.withServer(
                        fixture.configuration(role == "cache" ? .cache() : .state(), kind)
                    ) { _ async throws in
                        let found = try await fixture.command("GET", "key").text
                        #expect(found == "value")
                    }
                }
            }
        }
    }

    @Test("the next agent waits until it has really ended", arguments: ServerKind.installed)
    func successor(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            try await withTemporaryDirectory { directory in
                let (owner, server) = try await startOwner("cache", kind, fixture, in: directory)
                defer { kill(server, SIGKILL) }
                try await fixture.command("SET", "key", "value")
                kill(server, SIGSTOP)
                try owner.signal(SIGKILL)
                try await owner.end()

                let configuration = fixture.configuration(.cache(), kind)
                let next = await EmbeddedServer(configuration, log: fixture.log)
                async let started: Void = next.start()
                try await waitUntil("it waits") { fixture.logText.contains("waiting for the server") }
                #expect(fixture.logText.contains("process \(owner.processID) started, which has ended"))
                #expect(!hasEnded(server))
                #expect(await !next.status.isRunning)

                kill(server, SIGCONT)
                try await started
                #expect(hasEnded(server))
                #expect(try await fixture.command("GET", "key").text == "value")
                await next.stop()
            }
        }
    }
}
