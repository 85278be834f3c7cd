import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("rpc lock.exec and leader.exec")
struct ExecutionTests {
    /// What may be started, and the files that it writes.
    private struct Running {
        let process: LaunchedProcess
        let output: String
        let log: String

        var text: String { (try? File.text(output)) ?? "" }
    }

    private func start(
        _ agent: RunningAgent,
        _ directory: String,
        _ words: [String]
    ) async throws -> Running {
        let paths = ("\(directory)/output", "\(directory)/error")
        var command = ChildProcess.Command(executable: try Product.path("rpc"))
        command.arguments = ["--socket", agent.daemon.socketPath] + words
        let process = try await LaunchedProcess.start(command, log: paths.1, output: paths.0)
        return Running(process: process, output: paths.0, log: paths.1)
    }

    @Test("run the command with its fence, end with its status, and hold the lock no longer")
    func status() async throws {
        try await withAgent { agent in
            let words = ["lock.exec", "name=n", "--", "sh", "-c", "echo $SQUIRE_FENCE; exit 3"]
            let result = try await runRPC(["--socket", agent.daemon.socketPath] + words)
            #expect(result.status == .exited(3))
            let fence = try #require(Int64(result.standardOutput.split(separator: "\n").first ?? ""))
            let state = try await agent.lease().result("lock.inspect", ["name": "n"])
            #expect(state["locked"] == false)
            #expect(state["fence"] == .integer(fence))
            let killed = ["lock.exec", "name=n", "--", "sh", "-c", "kill -9 $$"]
            #expect(try await runRPC(["--socket", agent.daemon.socketPath] + killed).status == .exited(137))
        }
    }

    @Test("are what rpc names where it gets a lease that ends with it")
    func leaseOfOneCommand() async throws {
        try await withAgent { agent in
            let bound = try await agent.daemon.rpc("lock.acquire", "name=n")
            #expect(bound.status == .exited(0))
            #expect(
                bound.standardError
                    == "rpc: the lock is released as this command ends: use rpc lock.exec, or bind=none\n"
            )
            try await waitUntil("it is released") {
                try await agent.lease().result("lock.inspect", ["name": "n"])["locked"] == false
            }
            let lasting = try await agent.daemon.rpc("lock.acquire", "name=n", "bind=none")
            #expect(lasting.status == .exited(0) && lasting.standardError == "")
            #expect(try await agent.lease().result("lock.inspect", ["name": "n"])["locked"] == true)
            let permits = try await agent.daemon.rpc("semaphore.acquire", "name=s", "limit=1")
            #expect(permits.status == .exited(0) && permits.standardError.contains("use bind=none"))
            let computing = try await agent.daemon.rpc("cache.get", "key=k", "lease_ms=10s")
            #expect(computing.status == .exited(4) && computing.standardError.contains("ends with this command"))
            let help = try await agent.daemon.rpc("lock.acquire", "--help")
            #expect(help.standardOutput.contains("released as this"), "\(help.standardOutput)")
        }
    }

    @Test("do not run the command while another holds the lock, or where there is no such program")
    func refused() async throws {
        try await withAgent { agent in
            let holder = try agent.lease()
            _ = try await holder.result("lock.acquire", ["name": "n", "label": "the other"])
            let held = try await agent.daemon.rpc("lock.exec", "name=n", "--", "echo", "hello")
            #expect(held.status == .exited(4))
            #expect(held.standardOutput == "")
            #expect(held.standardError.contains("the other"))
            let missing = try await agent.daemon.rpc("lock.exec", "name=m", "--", "no-such-program")
            #expect(missing.status == .exited(3))
            try await waitUntil("the lock is free") {
                try await agent.lease().result("lock.inspect", ["name": "m"])["locked"] == false
            }
        }
    }

    @Test("count the life of the lock from when it was had, however long it was waited for")
    func waited() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let (holder, clock) = (try agent.lease(), try agent.lease())
                let held = try await holder.result("lock.acquire", ["name": "n"])
                let script = "echo run; read line < \(directory)/fifo; exit 5"
                guard unsafe mkfifo("\(directory)/fifo", 0o600) == 0 else { throw SystemError.current("mkfifo") }
                let words = ["lock.exec", "name=n", "ttl_ms=1s", "wait_ms=60s", "--", "sh", "-c", script]
                let running = try await start(agent, directory, words)
                try await waitUntil("it waits") { try await agent.leases("waiting") == 1 }
                // Longer than the life.
                _ = try await clock.result("lock.acquire", ["name": "clock", "ttl_ms": 1100, "bind": "none"])
                _ = try await clock.push("lock.lost")
                _ = try await holder.result("lock.release", ["lease": held["lease"] ?? .null])
                try await waitUntil("the command runs") { running.text.contains("run") }
                try File.write("go\n", to: "\(directory)/fifo")
                #expect(try await running.process.end() == .exited(5))
            }
        }
    }

    @Test("hand signals on to the command and its children")
    func signals() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let script = "trap 'echo term; exit 7' TERM; sleep 1000 & echo $!; wait"
                let running = try await start(agent, directory, ["lock.exec", "name=n", "--", "sh", "-c", script])
                try await waitUntil("the command runs") { running.text.contains("\n") }
                try running.process.signal(SIGTERM)
                #expect(try await running.process.end() == .exited(7))
                #expect(running.text.contains("term"))
            }
        }
    }

    @Test("end the command, and what ignores that by force, before another can have the lock")
    func loss() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                // Neither the command nor its child heeds a SIGTERM.
                let script =
                    "trap '' TERM; sh -c \"trap '' TERM; echo child \\$\\$; while :; do sleep 0.01; done\" & "
                    + "while :; do sleep 0.01; done"
                let words = ["lock.exec", "name=n", "ttl_ms=2s", "--", "sh", "-c", script]
                let running = try await start(agent, directory, words)
                try await waitUntil("the child runs") { running.text.contains("child") }
                let child = try #require(Int32(running.text.split(whereSeparator: \.isWhitespace).last ?? ""))
                let waiter = try agent.lease(limit: .seconds(25))
                let call = try await waiter.begin("lock.acquire", ["name": "n", "wait_ms": 25_000])
                #expect(try await agent.lease().result("lock.break", ["name": "n"]) == ["broken": true])
                #expect(try await waiter.result(of: call)["acquired"] == true)
                // When the other has it, nobody of the group is left.
                #expect(ProcessTable.commandLine(of: child) == nil)
                #expect(try await running.process.end() == .exited(137))
                #expect(try File.text(running.log).contains("the lock is lost (broken)"))
            }
        }
    }

    @Test("end the command by their own clock where the agent is paused")
    func pausedAgent() async throws {
        try await withTemporaryDirectory { directory in
            try await withTwoAgents { first, second in
                let script = "trap '' TERM; echo $$; while :; do sleep 0.01; done"
                let words = ["lock.exec", "name=n", "ttl_ms=6s", "--", "sh", "-c", script]
                let running = try await start(first, directory, words)
                try await waitUntil("the command runs") { running.text.contains("\n") }
                let command = try #require(Int32(running.text.split(whereSeparator: \.isWhitespace).first ?? ""))
                let waiter = try second.lease(limit: .seconds(25))
                let call = try await waiter.begin("lock.acquire", ["name": "n", "wait_ms": 25_000])
                try first.daemon.process.signal(SIGSTOP)
                #expect(try await waiter.result(of: call)["acquired"] == true)
                #expect(ProcessTable.commandLine(of: command) == nil)
                try first.daemon.process.signal(SIGCONT)
                #expect(try await running.process.end() == .exited(137))
            }
        }
    }

    @Test("keep the lock over the agent's restart")
    func restart() async throws {
        try await withTemporaryDirectory { directory in
            try await withValkeyServer { server in
                let arguments = ["--valkey", "unix://\(server.socketPath)"]
                try await withDaemon(arguments: arguments) { daemon in
                    let agent = RunningAgent(daemon: daemon, server: server)
                    try await agent.becomeConnected()
                    let script = "echo run; read line < \(directory)/fifo; exit 5"
                    guard unsafe mkfifo("\(directory)/fifo", 0o600) == 0 else { throw SystemError.current("mkfifo") }
                    let running = try await start(agent, directory, ["lock.exec", "name=n", "--", "sh", "-c", script])
                    try await waitUntil("the command runs") { running.text.contains("run") }
                    let fence = try await agent.lease().result("lock.inspect", ["name": "n"])["fence"]
                    try await daemon.terminate()
                    var command = ChildProcess.Command(executable: try Product.path("squired"))
                    command.arguments = ["--socket", daemon.socketPath, "--state-dir", directory] + arguments
                    let next = try await LaunchedProcess.start(command, log: "\(directory)/next")
                    try await waitUntil("the next agent keeps the lease") {
                        (try? await agent.leases("held")) == 1
                    }
                    let state = try await agent.lease().result("lock.inspect", ["name": "n"])
                    #expect(state["locked"] == true && state["fence"] == fence)
                    try File.write("go\n", to: "\(directory)/fifo")
                    #expect(try await running.process.end() == .exited(5))
                    try await waitUntil("the lock is free") {
                        try await agent.lease().result("lock.inspect", ["name": "n"])["locked"] == false
                    }
                    try next.signal(SIGTERM)
                    #expect(try await next.end() == .exited(0))
                }
            }
        }
    }

    @Test("run the command of a leader when it leads, and end it when it no longer does")
    func leader() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let first = try agent.lease()
                let before = try await first.result("leader.campaign", ["election": "e"])
                let script = "echo $SQUIRE_FENCE; while :; do sleep 0.01; done"
                let words = ["leader.exec", "election=e", "ttl_ms=1s", "label=second", "--", "sh", "-c", script]
                let running = try await start(agent, directory, words)
                try await waitUntil("the second stands") {
                    try agent.server.command("ZCARD", "leader-queue:{e}") == .integer(1)
                }
                #expect(running.text == "")
                let name = before["subscription"] ?? .null
                _ = try await first.result("leader.resign", ["subscription": name])
                try await waitUntil("the second leads") { running.text.contains("\n") }
                let term = try #require(Int64(running.text.split(whereSeparator: \.isWhitespace).first ?? ""))
                #expect(term > before["term"]?.integer ?? 0)
                try agent.server.pause()
                let status = try await running.process.end()
                try agent.server.resume()
                #expect(status == .exited(143) || status == .exited(137))
            }
        }
    }
}
