import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("A command under a lock at a terminal")
struct JobControlTests {
    /// A terminal in which `rpc lock.exec` runs.
    private struct Shell {
        let process: LaunchedProcess
        let directory: String

        var text: String { (try? File.text("\(directory)/output")) ?? "" }

        /// Presses Ctrl-Z (`stop`), or has the command go on (`go`).
        func press(_ key: String) throws { try File.write("", to: "\(directory)/\(key)") }
    }

    /// Makes a pipe that a shell reads from: unlike `sleep`, waiting there forks nothing.
    private func makePipe(_ directory: String) throws {
        guard unsafe mkfifo("\(directory)/fifo", 0o600) == 0 else { throw SystemError.current("mkfifo") }
    }

    private func start(_ agent: RunningAgent, _ directory: String, _ words: [String]) async throws -> Shell {
        guard let python = Executable.find("python3") else { throw FixtureError("python3 is not installed") }
        let script = "Tests/EndToEndTests/Clients/job_control.py"
        let rpc = [try Product.path("rpc"), "--socket", agent.daemon.socketPath, "lock.exec", "name=n"]
        let process = try await LaunchedProcess.start(
            ChildProcess.Command(executable: python, arguments: [script, directory] + rpc + words),
            log: "\(directory)/log",
            output: "\(directory)/output"
        )
        return Shell(process: process, directory: directory)
    }

    @Test("gives the terminal back when it is stopped, and goes on with the lock")
    func goesOn() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                try makePipe(directory)
                let script = "echo run; read line < \(directory)/fifo; exit 5"
                let shell = try await start(agent, directory, ["ttl_ms=1h", "--", "sh", "-c", script])
                try await waitUntil("the command runs") { shell.text.contains("run") }
                try shell.press("stop")
                try await waitUntil("the shell has the terminal") { shell.text.contains("is-stopped") }
                #expect(try await agent.lease().result("lock.inspect", ["name": "n"])["locked"] == true)
                try shell.press("go")
                try File.write("go\n", to: "\(directory)/fifo")
                try await waitUntil("the command ended") { shell.text.contains("is-ended 5 ") }
            }
        }
    }

    @Test("is ended when it would go on after the lock's life is over, and another has the lock")
    func runsOut() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                // A shell whose child was stopped before it ran its program cannot be stopped itself.
                try makePipe(directory)
                let script = "echo run; read line < \(directory)/fifo"
                let shell = try await start(agent, directory, ["ttl_ms=2s", "--", "sh", "-c", script])
                try await waitUntil("the command runs") { shell.text.contains("run") }
                try shell.press("stop")
                try await waitUntil("the shell has the terminal") { shell.text.contains("is-stopped") }
                let other = try agent.lease(limit: .seconds(25))
                #expect(try await other.result("lock.acquire", ["name": "n", "wait_ms": 25_000])["acquired"] == true)
                try shell.press("go")
                try await waitUntil("the command ended") { shell.text.contains("is-ended 137 ") }
                #expect(shell.text.contains("the lock is lost"))
            }
        }
    }
}
