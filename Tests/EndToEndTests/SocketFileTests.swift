import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("The agent's socket")
struct SocketFileTests {
    private func remove(_ path: String) throws {
        guard unsafe unlink(path) == 0 else { throw SystemError.current("unlink \(path)") }
    }

    private func becomeReachable(_ daemon: Daemon) async throws {
        try await waitUntil("the agent can be reached again", within: .seconds(30)) {
            guard let client = try? AgentClient(daemon.socketPath) else { return false }
            return try await client.result(of: "agent.ping")["pong"] == true
        }
    }

    @Test("is made anew where somebody removed it, but never in the place of something else")
    func removed() async throws {
        try await withDaemon(arguments: ["--valkey", "valkey://localhost:1"]) { daemon in
            let client = try AgentClient(daemon.socketPath)
            let path = daemon.socketPath
            try remove(path)
            try await becomeReachable(daemon)
            #expect(daemon.log.contains("the socket was removed; it is there again"))
            // With all that belongs to it, the lock too, which keeps other agents away from the path.
            try remove(path)
            try remove("\(path).lock")
            try await becomeReachable(daemon)
            let second = ChildProcess.Command(executable: try Product.path("squired"), arguments: ["--socket", path])
            let other = try await LaunchedProcess.start(second, log: "\(path).other")
            #expect(try await other.end() != .exited(0))
            #expect(try File.text("\(path).other").contains("another squired"))
            try remove(path)
            try File.write("something else", to: path)
            try await waitUntil("it is said", within: .seconds(30)) {
                daemon.log.contains("something else is in its place")
            }
            #expect(try File.text(path) == "something else")
            // Who is connected notices nothing.
            #expect(try await client.result(of: "agent.ping")["pong"] == true)
            try remove(path)
            try await becomeReachable(daemon)
        }
    }

    @Test("is not taken from whoever listens at it without a lock, such as a service manager")
    func others() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/s"
            let listener = try Socket.listen(unixPath: path, backlog: 8)
            let command = ChildProcess.Command(
                executable: try Product.path("squired"),
                arguments: ["--socket", path, "--state-dir", directory, "--valkey", "valkey://localhost:1"]
            )
            let process = try await LaunchedProcess.start(command, log: "\(directory)/log")
            #expect(try await process.end() != .exited(0))
            #expect(try File.text("\(directory)/log").contains("another squired serves"))
            #expect(Socket.isListening(unixPath: path))
            #expect(listener.number >= 0)
        }
    }

    @Test("is left alone at the end where another file has its place")
    func end() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/s"
            let command = ChildProcess.Command(
                executable: try Product.path("squired"),
                arguments: ["--socket", path, "--state-dir", directory, "--valkey", "valkey://localhost:1"]
            )
            let process = try await LaunchedProcess.start(command, log: "\(directory)/log")
            try await waitUntil("the agent is there") { (try? AgentClient(path)) != nil }
            try remove(path)
            try File.write("something else", to: path)
            try process.signal(SIGTERM)
            #expect(try await process.end() == .exited(0))
            #expect(try File.text(path) == "something else")
        }
    }
}
