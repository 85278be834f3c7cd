import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("The agent's life")
struct LifecycleTests {
    @Test("ends on SIGTERM with what is under way answered, its socket removed and status 0")
    func termination() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let counted = try agent.connect(.contentLength)
            let idle = try agent.connect()
            #expect(try await idle.result(of: "cache.set", #"["k",1]"#)["stored"] == true)
            try agent.server.pause()
            for each in [client, counted] {
                try await each.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":["k"]}"#)
            }
            try await waitUntil("both calls run") {
                try await idle.result(of: "agent.stats")["calls"]?["running"] == 2
            }
            try agent.daemon.process.signal(SIGTERM)
            try await waitUntil("the agent takes no more calls that change something") {
                try await idle.reply(to: "cache.set", #"["k",2]"#).contains(#""code":1009"#)
            }
            #expect(try await idle.result(of: "agent.ping") == ["pong": true])
            let refused = try await idle.error(of: "cache.get", #"["k"]"#)
            #expect(refused["data"]?["kind"] == "shutting_down")
            #expect(refused["data"]?["retryable"] == true)
            #expect(try agent.daemon.process.exitStatus == nil)
            try agent.server.resume()
            for each in [client, counted] {
                let hit = #"{"jsonrpc":"2.0","id":1,"result":{"hit":true,"value":1,"source":"valkey"}}"#
                #expect(try await each.receive() == hit)
                #expect(try await each.receiveToEnd() == "")
            }
            #expect(try await idle.receiveToEnd() == "")
            #expect(try await agent.daemon.process.end() == .exited(0))
            #expect(!File.exists(agent.daemon.socketPath))
        }
    }

    @Test("tells those who subscribed that it ends, and nobody else")
    func closing() async throws {
        try await withAgent(configuration: #"{"shutdown": {"grace_ms": 1234}}"#) { agent in
            let subscriber = try agent.connect()
            let other = try agent.connect()
            #expect(try await subscriber.result(of: "agent.subscribe")["subscription"]?.string != nil)
            #expect(try await other.result(of: "agent.ping") == ["pong": true])
            try agent.daemon.process.signal(SIGTERM)
            let push = #"{"jsonrpc":"2.0","method":"agent.closing","params":{"grace_ms":1234}}"#
            #expect(try await subscriber.receiveToEnd() == push + "\n")
            #expect(try await other.receiveToEnd() == "")
        }
    }

    @Test("ends after its grace where a call does not end", arguments: [SIGTERM, SIGINT])
    func grace(signal: Int32) async throws {
        try await withAgent(configuration: #"{"shutdown": {"grace_ms": 100}}"#) { agent in
            let client = try agent.connect()
            try agent.server.pause()
            let call = #"{"jsonrpc":"2.0","id":1,"method":"cache.increment","params":["n"],"_meta":{}}"#
            try await client.send(call.replacing(#","_meta":{}"#, with: ""))
            let other = try agent.connect()
            try await waitUntil("the call runs") {
                try await other.result(of: "agent.stats")["calls"]?["running"] == 1
            }
            try agent.daemon.process.signal(signal)
            #expect(try await agent.daemon.process.end() == .exited(0))
            try agent.server.resume()
        }
    }

    @Test("begins only where no other agent serves the socket, and leaves that one alone")
    func second() async throws {
        try await withAgent { agent in
            let outcome = try await run(
                try Product.path("squired"),
                ["--socket", agent.daemon.socketPath, "--valkey", "unix://\(agent.server.socketPath)"]
            )
            #expect(outcome.status == .exited(69))
            let lines = (outcome.standardOutput + outcome.standardError).split(separator: "\n")
            #expect(lines.count == 1, "\(lines)")
            #expect(lines.first?.contains("process \(agent.daemon.process.processID)") == true, "\(lines)")
            #expect(lines.first?.contains(agent.daemon.socketPath) == true, "\(lines)")
            #expect(try await agent.connect().result(of: "agent.ping") == ["pong": true])
        }
    }

    @Test("begins where a killed agent left its socket, but not where a file is in its place")
    func stale() async throws {
        try await withAgent { agent in
            agent.daemon.kill()
            #expect(File.exists(agent.daemon.socketPath))
            try await withTemporaryDirectory { directory in
                let next = try await LaunchedProcess.start(
                    ChildProcess.Command(
                        executable: try Product.path("squired"),
                        arguments: [
                            "--socket", agent.daemon.socketPath, "--valkey", "unix://\(agent.server.socketPath)",
                        ]
                    ),
                    log: "\(directory)/log"
                )
                try await waitUntil("the next agent answers") {
                    guard let client = try? agent.connect() else { return false }
                    return try await client.result(of: "agent.ping") == ["pong": true]
                }
                try next.signal(SIGTERM)
                #expect(try await next.end() == .exited(0))
                #expect(!File.exists(agent.daemon.socketPath))
                try File.write("mine", to: agent.daemon.socketPath)
                let outcome = try await run(
                    try Product.path("squired"),
                    ["--socket", agent.daemon.socketPath, "--valkey", "unix://\(agent.server.socketPath)"]
                )
                #expect(outcome.status == .exited(69))
                #expect(try File.text(agent.daemon.socketPath) == "mine")
            }
        }
    }

    @Test("goes on with another configuration after SIGHUP, or with the old one where the new has faults")
    func reload() async throws {
        try await withTemporaryDirectory { directory in
            let file = "\(directory)/squire.json"
            try File.write(
                #"{"log": {"level": "error"}, "cache": {"ttl_ms": 60000}, "limits": {"deadline_ms": 4000}}"#,
                to: file
            )
            try await withValkeyServer { server in
                let arguments = ["--config", file, "--valkey", "unix://\(server.socketPath)"]
                try await withDaemon(arguments: arguments) { daemon in
                    let client = try AgentClient(daemon.socketPath)
                    func option(_ name: String, _ member: String = "value") async throws -> Document? {
                        let values = try await client.result(of: "agent.config")["values"]?.array
                        return values?.first { $0["name"]?.string == name }?[member]
                    }
                    func life(_ namespace: String) async throws -> Int64 {
                        _ = try await client.result(of: "cache.set", #"["k",1,"\#(namespace)"]"#)
                        return try #require(try server.command("PTTL", "cache@\(namespace):k").integer)
                    }
                    #expect(try await option("log.level") == "error")
                    #expect(daemon.log.isEmpty)
                    #expect((30_000...60_000).contains(try await life("a")))

                    let next = #"""
                        {"log": {"level": "info", "format": "json"}, "cache": {"ttl_ms": 600000},
                         "namespaces": {"a": {"ttl_ms": null}}, "limits": {"key_bytes_max": 100}}
                        """#
                    try File.write(next, to: file)
                    try daemon.process.signal(SIGHUP)
                    try await waitUntil("the configuration is reloaded") { daemon.log.contains("reloaded") }
                    #expect(daemon.log.hasPrefix("{"), "\(daemon.log)")
                    #expect(daemon.log.contains("limits.key_bytes_max"))
                    #expect(try await option("log.level") == "info")
                    #expect(try await option("limits.key_bytes_max") == 1024)
                    for (name, origin) in [
                        // Taken up from the file; taken up as no longer there; not taken up.
                        ("log.level", "file"), ("log.format", "file"), ("namespaces.a.ttl_ms", "file"),
                        ("limits.deadline_ms", "default"), ("limits.key_bytes_max", "default"),
                    ] as [(String, Document)] {
                        #expect(try await option(name, "origin") == origin, "\(name)")
                    }
                    #expect(try await life("a") == -1)
                    #expect((500_000...600_000).contains(try await life("b")))

                    for (faulty, word) in [
                        ("{", "unexpected end"), (#"{"cache": {"ttl_ms": -1}, "lg": {}}"#, "lg is unknown"),
                    ] {
                        try File.write(faulty, to: file)
                        try daemon.process.signal(SIGHUP)
                        try await waitUntil("the fault is told") {
                            daemon.log.contains("the old one stays") && daemon.log.contains(word)
                        }
                        #expect(try await option("log.level") == "info")
                        #expect((500_000...600_000).contains(try await life("b")))
                    }
                    #expect(daemon.log.contains("cache.ttl_ms must be"))
                }
            }
        }
    }

    @Test("does not even begin with a wrong command line or configuration")
    func invocations() async throws {
        try await withTemporaryDirectory { directory in
            let (good, bad) = ("\(directory)/good.json", "\(directory)/bad.json")
            try File.write(#"{"log": {"level": "debug"}}"#, to: good)
            let unfit = "\(directory)/unfit.json"
            try File.write(
                #"{"sessions": {"key_files": ["\#(directory)/no.key"]}, "socket": {"group": "no-such-group"},"#
                    + #" "audit": {"file": "\#(directory)/none/audit"}}"#,
                to: unfit
            )
            try File.write(#"{"log": {"level": "loud"}, "limits": {"batch_max": 0}, "colour": 1}"#, to: bad)
            let cases: [(arguments: [String], status: Int32, words: [String])] = [
                (["--version"], 0, ["squired 0."]), (["--help"], 0, ["--socket", "--check-config"]),
                (["--check-config"], 0, ["without fault"]),
                (["--check-config", "--config", good], 0, ["without fault"]),
                (["--print-config", "--config", good], 0, ["log.level", "\"debug\"", "file"]),
                (["--check-config", "--config", unfit], 78, ["no.key", "no-such-group", "none is not there"]),
                (["--check-config", "--config", bad], 78, ["log.level", "limits.batch_max", "colour"]),
                (["--config", bad], 78, ["log.level", "limits.batch_max", "colour"]),
                (["--print-config", "--config", bad], 78, ["log.level"]),
                (["--config", "\(directory)/none.json"], 78, ["none.json"]),
                (["--sockt", "x"], 64, ["--sockt", "--socket"]), (["run"], 64, ["--help"]),
                (["--socket"], 64, ["--socket"]),
                (["--version=1"], 64, ["--version"]), (["--socket", "relative.sock"], 78, ["socket.path"]),
                (["--socket", "/\(String(repeating: "x", count: 108))"], 78, ["socket.path"]),
                (["--valkey", "http://host"], 78, ["valkey"]), (["--valkey", "sentinel://h:1/p"], 78, ["sentinel"]),
                (["--valkey", "valkey://:secret@h:99999"], 78, ["valkey"]),
            ]
            for (arguments, status, words) in cases {
                let outcome = try await run(try Product.path("squired"), arguments)
                let text = outcome.standardOutput + outcome.standardError
                #expect(outcome.status == .exited(status), "\(arguments): \(text)")
                #expect((status == 0) == outcome.standardError.isEmpty, "\(arguments): \(text)")
                for word in words { #expect(text.contains(word), "\(arguments): \(text)") }
                #expect(!text.contains("secret"), "\(arguments)")
            }
        }
    }
}
