import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("The embedded stores")
struct EmbeddedStoreTests {
    private func client(of daemon: Daemon, _ store: String) throws -> RESPClient {
        try RESPClient(unixPath: String(daemon.socketPath.dropLast(5)) + "-\(store).sock")
    }

    private func processID(_ client: RESPClient) throws -> Int32 {
        let lines = try client.command("INFO", "server").text?.split(whereSeparator: \.isNewline) ?? []
        let line = lines.first { $0.hasPrefix("process_id:") }
        return try #require(line.flatMap { Int32($0.dropFirst(11)) })
    }

    private func setting(_ client: RESPClient, _ name: String) throws -> String? {
        try client.command("CONFIG", "GET", name).elements?.last?.text
    }

    private func becomeWell(_ client: AgentClient) async throws {
        try await waitUntil("both stores are well") {
            try await client.result(of: "agent.health")["degraded"] == false
        }
    }

    @Test("come back after a crash, and the agent by itself", arguments: ServerKind.installed)
    func crash(kind: ServerKind) async throws {
        try await withTemporaryDirectory { directory in
            let file = "\(directory)/squire.json"
            let program = try #require(kind.program)
            let durable = #""state": {"appendfsync": "always"}"#
            try File.write(#"{"embedded": {"executable": "\#(program)", \#(durable)}}"#, to: file)
            try await withDaemon(arguments: ["--config", file]) { daemon in
                let agent = try AgentClient(daemon.socketPath)
                try await becomeWell(agent)
                #expect(try await agent.result(of: "cache.set", #"["k",1]"#)["stored"] == true)
                try client(of: daemon, "state").command("SET", "kept", "yes")
                for store in ["cache", "state"] {
                    let process = try processID(client(of: daemon, store))
                    #expect(kill(process, SIGKILL) == 0)
                    try await waitUntil("the \(store) server runs again") {
                        _ = try await agent.result(of: "agent.ping")
                        guard let client = try? client(of: daemon, store) else { return false }
                        return (try? processID(client)).map { $0 != process } ?? false
                    }
                }
                try await becomeWell(agent)
                try await waitUntil("the cache is written again") {
                    try await agent.reply(to: "cache.set", #"["k",2]"#).contains("result")
                }
                #expect(try await agent.result(of: "cache.get", #"["k"]"#)["value"] == 2)
                #expect(try client(of: daemon, "state").command("GET", "kept").text == "yes")
            }
        }
    }

    @Test("keep what they hold while the agent ends in order and starts again")
    func restart() async throws {
        try await withTemporaryDirectory { directory in
            let socket = "\(directory)/squire.sock"
            for round in 0..<2 {
                let agent = try await LaunchedProcess.start(
                    ChildProcess.Command(
                        executable: try Product.path("squired"),
                        arguments: ["--socket", socket, "--state-dir", "\(directory)/data"]
                    ),
                    log: "\(directory)/log"
                )
                try await waitUntil("the agent listens") { (try? AgentClient(socket)) != nil }
                let client = try AgentClient(socket)
                try await becomeWell(client)
                if round == 0 {
                    #expect(try await client.result(of: "cache.set", #"["k",[1.50],null,null]"#)["stored"] == true)
                } else {
                    let hit = try await client.resultText(of: "cache.get", #"["k"]"#)
                    #expect(hit == #"{"hit":true,"value":[1.50],"source":"valkey"}"#)
                }
                try agent.signal(SIGTERM)
                #expect(try await agent.end(within: .seconds(20)) == .exited(0))
            }
        }
    }

    @Test("end with the agent, even when it is killed")
    func orphans() async throws {
        try await withDaemon { daemon in
            let agent = try AgentClient(daemon.socketPath)
            try await becomeWell(agent)
            let processes = try ["cache", "state"].map { try processID(client(of: daemon, $0)) }
            daemon.kill()
            try await waitUntil("no server is left") {
                processes.allSatisfy { kill($0, 0) != 0 || isDefunct($0) }
            }
        }
    }

    /// Whether a process has ended and only waits for its parent to take notice.
    private func isDefunct(_ process: Int32) -> Bool {
        guard let status = try? File.text("/proc/\(process)/stat") else { return true }
        return status.split(separator: ")").last?.dropFirst().first == "Z"
    }

    @Test("take their size from the environment, which also names a server to use instead")
    func environment() async throws {
        let sizes = ["VALKEY_MAXMEMORY": "64mb", "VALKEY_MAXMEMORY_POLICY": "allkeys-lfu", "CACHE_TTL_DEFAULT": "60"]
        try await withDaemon(environment: sizes) { daemon in
            let agent = try AgentClient(daemon.socketPath)
            try await becomeWell(agent)
            let cache = try client(of: daemon, "cache")
            #expect(try setting(cache, "maxmemory") == "\(64 << 20)")
            #expect(try setting(cache, "maxmemory-policy") == "allkeys-lfu")
            #expect(try setting(client(of: daemon, "state"), "maxmemory-policy") == "noeviction")
            _ = try await agent.result(of: "cache.set", #"["k",1]"#)
            let life = try #require(try cache.command("PTTL", "cache:k").integer)
            #expect((30_000...60_000).contains(life))
        }
        try await withValkeyServer(tcp: true) { server in
            let port = try #require(server.port)
            let variables = ["VALKEY_HOST": "127.0.0.1", "VALKEY_PORT": "\(port)"]
            try await withDaemon(environment: variables) { daemon in
                let agent = try AgentClient(daemon.socketPath)
                try await becomeWell(agent)
                _ = try await agent.result(of: "cache.set", #"["k",1]"#)
                #expect(try server.command("GET", "cache:k").text == "1")
                #expect(!File.exists("\(daemon.stateDirectory)/cache"))
            }
        }
    }

    @Test("need a server program, and the agent names the package of one where there is none")
    func missingProgram() async throws {
        let isolated = ["--mount", "--map-root-user", "/bin/sh", "-c"]
        guard try await run("/usr/bin/unshare", isolated + ["exit 0"]).status == .exited(0) else {
            try Test.cancel("the servers' programs cannot be hidden here: unshare(1) is not allowed")
        }
        try await withTemporaryDirectory { directory in
            // For the agent alone something lies over the programs that cannot be executed.
            let script = #"""
                for program in valkey-server redis-server; do
                    while path="$(command -v $program)"; do mount --bind /dev/null "$(readlink -f "$path")" || exit 1; done
                done
                exec "$1" --socket "$2/squire.sock" --state-dir "$2/state"
                """#
            let arguments = isolated + [script, "sh", try Product.path("squired"), directory]
            let outcome = try await run("/usr/bin/unshare", arguments)
            #expect(outcome.status == .exited(69), "\(outcome.standardError)")
            let lines = (outcome.standardOutput + outcome.standardError).split(separator: "\n")
            let complaints = lines.filter { $0.contains("apt-get install valkey-server") }
            #expect(complaints.count == 1, "\(lines)")
            #expect(!lines.contains { $0.contains("serves") }, "\(lines)")
            #expect(!File.exists("\(directory)/squire.sock"))
        }
        try await withTemporaryDirectory { directory in
            let file = "\(directory)/squire.json"
            try File.write(#"{"embedded": {"executable": "\#(directory)/none"}}"#, to: file)
            let paths = ["--config", file, "--socket", "\(directory)/squire.sock", "--state-dir", "\(directory)/state"]
            let outcome = try await run(try Product.path("squired"), paths)
            #expect(outcome.status == .exited(69), "\(outcome.standardError)")
            #expect(outcome.standardError.contains("\(directory)/none"), "\(outcome.standardError)")
            #expect(!File.exists("\(directory)/squire.sock"))
        }
    }
}
