import EventLoop
import Glibc
import Linux
import TestSupport
import Testing
import Valkey

/// What becomes of an embedded server whose agent is killed.
@Suite(.timeLimit(.minutes(1)))
struct EmbeddedServerOwnerTests {
    /// Starts a process that runs the server `<directory>/programs/valkey-server`, and returns both.
    private func startOwner(
        _ role: String,
        _ fixture: EmbeddedServerFixture,
        in directory: String
    ) async throws -> (owner: LaunchedProcess, server: Int32) {
        var command = ChildProcess.Command(executable: try Product.path("ValkeyTestProgram"))
        command.arguments = [role, fixture.dataDirectory, fixture.socketPath]
        command.environment = ["PATH=\(directory)/programs"]
        let output = "\(directory)/output"
        let owner = try await LaunchedProcess.start(command, log: "\(directory)/owner.log", output: output)
        try await waitUntil("the server listens") { try File.text(output).hasSuffix("\n") }
        return (owner, try #require(Int32(File.text(output).dropLast())))
    }

    /// Runs `body` with a directory whose `programs` are empty.
    private func withPrograms(_ body: (String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            #expect(unsafe mkdir("\(directory)/programs", 0o700) == 0)
            try await body(directory)
        }
    }

    @Test("it saves its data and ends with an agent that is killed", arguments: ServerKind.installed)
    func killedOwner(_ kind: ServerKind) async throws {
        let program = try #require(kind.program)
        for role in ["cache", "state"] {
            try await withEmbeddedServerFixture { fixture in
                try await withPrograms { directory in
                    #expect(unsafe symlink(program, "\(directory)/programs/valkey-server") == 0)
                    let (owner, server) = try await startOwner(role, fixture, in: directory)
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
            try await withPrograms { directory in
                let gate = "\(directory)/gate"
                try writeSlowServer(try #require(kind.program), gate: gate, to: "\(directory)/programs/valkey-server")
                let (owner, server) = try await startOwner("cache", fixture, in: directory)
                defer { kill(-server, SIGKILL) }
                try await fixture.command("SET", "key", "value")
                try owner.signal(SIGKILL)
                try await owner.end()

                let next = await EmbeddedServer(fixture.configuration(.cache(), kind), log: fixture.log)
                async let started: Void = next.start()
                try await waitUntil("it waits") { fixture.logText.contains("waiting for the server") }
                #expect(fixture.logText.contains("process \(owner.processID) started, which has ended"))
                #expect(!hasEnded(server))
                #expect(await !next.status.isRunning)

                try File.write("", to: gate)
                try await started
                try await waitUntil("the old server has ended") { hasEnded(server) }
                #expect(try await fixture.command("GET", "key").text == "value")
                await next.stop()
            }
        }
    }

    /// Writes a server that is told to end and goes on until the file `gate` is there, as one that saves much data.
    private func writeSlowServer(_ program: String, gate: String, to path: String) throws {
        let script = """
            #!/bin/sh
            trap '' TERM
            \(program) "$@" &
            while [ ! -e \(gate) ]; do /bin/sleep 0.01; done
            kill -TERM $!
            wait

            """
        try File.write(script, to: path, mode: 0o700)
    }
}
