import JSON
import Linux
import TestSupport
import Testing

/// What a shell hands to a program that is neither text nor an open stream.
@Suite("Programs started with closed streams, or with words that are not UTF-8")
struct ProcessStartTests {
    /// Runs a line of the shell in which `$RPC` is the built `rpc`, in a directory of its own.
    private func shell(_ line: String, _ agent: RunningAgent, in directory: String) async throws -> CommandResult {
        let variables = [
            "RPC": try Product.path("rpc"), "SQUIRED": try Product.path("squired"),
            "SQUIRE_SOCKET": agent.daemon.socketPath,
        ]
        return try await run("/bin/sh", ["-c", "cd \(directory) && \(line)"], environment: variables)
    }

    @Test("rpc finds nothing on an input that is closed, and does not take its own connection for it")
    func closedInput() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let stored = try await shell("$RPC cache.set key=k text=- <&-", agent, in: directory)
                #expect(stored.status == .exited(0), "\(stored.standardError)")
                let found = try await agent.connect().result(of: "cache.get", #"["k"]"#)
                #expect(found["text"] == "" || found["value"] == "", "\(found)")
                let stream = try await shell("$RPC - <&-", agent, in: directory)
                #expect(stream.status == .exited(0), "\(stream.standardError)")
                #expect(stream.standardOutput == "")
                let loaded = try await shell("$RPC cache.load - <&-", agent, in: directory)
                #expect(loaded.status == .exited(0), "\(loaded.standardError)")
                let command = "$RPC lock.exec name=z -- readlink /proc/self/fd/0 <&-"
                #expect(try await shell(command, agent, in: directory).standardOutput == "/dev/null\n")
            }
        }
    }

    @Test("rpc says that an answer cannot be written, and works without anybody who hears its words")
    func closedOutput() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let unheard = try await shell("$RPC cache.set key=k value=1 >&-", agent, in: directory)
                #expect(unheard.status == .exited(1))
                #expect(unheard.standardError.contains("cannot be written"), "\(unheard.standardError)")
                let refused = try await shell("$RPC cache.sett key=k 2>&-", agent, in: directory)
                #expect(refused.status == .exited(3))
                let all = try await shell("$RPC lock.exec name=z -- sh -c 'exit 5' <&- >&- 2>&-", agent, in: directory)
                #expect(all.status == .exited(5))
                let streams = "for n in 0 1 2; do readlink /proc/self/fd/$n; done >streams"
                _ = try await shell("$RPC lock.exec name=z -- sh -c '\(streams)' <&- 2>&-", agent, in: directory)
                let targets = try File.text("\(directory)/streams").split(separator: "\n")
                #expect(targets == ["/dev/null", "\(directory)/streams", "/dev/null"])
            }
        }
    }

    @Test(
        "the agent has no socket and no file in the place of a stream",
        arguments: ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2</dev/null"]
    )
    func closedAgent(closed: String) async throws {
        try await withTemporaryDirectory { directory in
            let (program, socket) = (try Product.path("squired"), "\(directory)/s.sock")
            let line = "exec \(program) --socket \(socket) --valkey unix://\(directory)/none.sock \(closed)"
            let process = try await LaunchedProcess.start(
                ChildProcess.Command(executable: "/bin/sh", arguments: ["-c", line]),
                log: "\(directory)/log"
            )
            defer { process.kill() }
            try await waitUntil("the agent listens") { (try? AgentClient(socket)) != nil }
            let client = try AgentClient(socket)
            #expect(try await client.result(of: "agent.ping") == ["pong": true])
            for number in 0...2 {
                let target = try File.destination(ofLink: "/proc/\(process.processID)/fd/\(number)")
                #expect(["/dev/null", "\(directory)/log"].contains(target), "\(number) is \(target)")
            }
            try process.signal(15)
            #expect(try await process.end() == .exited(0))
        }
    }

    @Test("rpc says so where its input is there and cannot be read, as under nohup")
    func unreadableInput() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                for line in ["$RPC cache.set key=k value=-", "$RPC cache.load -", "$RPC -"] {
                    let result = try await shell("\(line) 0>/dev/null", agent, in: directory)
                    #expect(result.status == .exited(3), "\(line): \(result.standardError)")
                    #expect(result.standardError.contains("cannot be read"), "\(line): \(result.standardError)")
                }
                let unheard = try await shell("$RPC cache.sett key=k 2</dev/null", agent, in: directory)
                #expect(unheard.status == .exited(3))
            }
        }
    }

    @Test("a name, a value or a path that is not UTF-8 is refused, and never taken for another")
    func refusedWords() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let lines =
                    [
                        (#"$RPC cache.set "key=$(printf '\377')" value=1"#, 3),
                        (#"$RPC cache.load "$(printf '\377')""#, 3),
                        (#"$RPC cache.dump "$(printf '\377')""#, 3),
                        (#"$RPC cache.set key=k "value=@$(printf '\377')""#, 3),
                        (#"$RPC cache.get key=k --field "$(printf '\377')""#, 3),
                        (#"$RPC bench "$(printf '\377')""#, 3),
                        (#"SQUIRE_SOCKET="$(printf '/\377')" $RPC agent.ping"#, 3),
                        (#"$SQUIRED --check-config --config "$(printf '\377')""#, 64),
                        (#"SQUIRE_LOG_LEVEL="$(printf '\377')" $SQUIRED --check-config"#, 64),
                    ] as [(String, Int32)]
                for (line, status) in lines {
                    let result = try await shell(line, agent, in: directory)
                    #expect(result.status == .exited(status), "\(line): \(result.standardError)")
                    #expect(result.standardError.contains("is not UTF-8"), "\(line): \(result.standardError)")
                    #expect(result.standardOutput == "", "\(line)")
                }
                #expect(try agent.server.command("DBSIZE") == .integer(0))
            }
        }
    }

    @Test("the command of lock.exec gets its words and its environment byte for byte")
    func commandWords() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let file = #""$(printf 'caf\351')""#
                let removed = "touch \(file) && $RPC lock.exec name=n -- rm \(file) && ls"
                let result = try await shell(removed, agent, in: directory)
                #expect(result.status == .exited(0), "\(result.standardError)")
                #expect(result.standardOutput == "")
                let echo = "V=\(file) $RPC lock.exec name=n -- sh -c 'printf %s \"$V\" | od -An -tx1'"
                #expect(try await shell(echo, agent, in: directory).standardOutput == " 63 61 66 e9\n")
                let program = "cp /bin/echo \(file) && $RPC lock.exec name=n -- ./\(file) hello"
                #expect(try await shell(program, agent, in: directory).standardOutput == "hello\n")
                let found = "PATH=\(directory):$PATH $RPC lock.exec name=n -- \(file) hello"
                #expect(try await shell(found, agent, in: directory).standardOutput == "hello\n")
            }
        }
    }
}
