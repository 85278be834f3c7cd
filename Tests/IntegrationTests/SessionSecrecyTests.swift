import Bytes
import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("Sessions against damage, wrong keys and curious eyes")
struct SessionSecrecyTests {
    private func bytes(_ server: ValkeyServer, _ key: String) throws -> [UInt8] {
        let reply = try server.command("GET", key)
        return try #require(reply.bytes)
    }

    private func set(_ server: ValkeyServer, _ key: String, _ value: [UInt8]) throws {
        try server.connect().command([Array("SET".utf8), Array(key.utf8), value, Array("KEEPTTL".utf8)])
    }

    @Test("A damaged session is no session, is kept aside, and works again when it is mended")
    func damage() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            let session = try await agent.create(["data": ["a": 1]])
            let whole = try bytes(server, session.key)
            var damaged = whole
            damaged[110] ^= 1
            try set(server, session.key, damaged)
            #expect(try await agent.get(session.token) == ["found": false])
            #expect(try await agent.count("damaged") == 1)
            let aside = session.key.replacing("session:", with: "session-aside:")
            try await waitUntil("a copy is kept") { try server.command("GET", aside).bytes == damaged }
            guard case .integer(86_000_000...86_400_000) = try server.command("PTTL", aside) else {
                return #expect(Bool(false), "the copy's life is another")
            }
            #expect(try bytes(server, session.key) == damaged)
            try set(server, session.key, whole)
            #expect(try await agent.finds(session.token))
            try set(server, session.key, Array(whole.prefix(50)))
            #expect(try await agent.get(session.token) == ["found": false])
            #expect(try await agent.count("truncated") == 1)
            try set(server, session.key, [9] + whole.dropFirst())
            #expect(try await agent.get(session.token) == ["found": false])
            #expect(try await agent.count("newer_version") == 1)
            #expect(try await agent.result("session.destroy", ["token": .string(session.token)])["destroyed"] == true)
            try set(server, session.key, whole)
            #expect(try server.command("EXISTS", aside) == .integer(0))
        }
    }

    @Test("An envelope that is moved to another session or namespace opens nothing")
    func moves() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            let mine = try await agent.create(["data": ["user": "mallory"]])
            let theirs = try await agent.create(["data": ["user": "ada"]])
            let elsewhere = try await agent.create(["namespace": "bank"])
            try set(server, mine.key, try bytes(server, theirs.key))
            #expect(try await !agent.finds(mine.token))
            try set(server, elsewhere.key.replacing("session:", with: "session@bank:"), try bytes(server, theirs.key))
            #expect(try await agent.get(elsewhere.token, "bank")["found"] == false)
            try set(server, theirs.key.replacing("session:", with: "session@bank:"), try bytes(server, theirs.key))
            #expect(try await agent.get(theirs.token, "bank")["found"] == false)
            #expect(try await agent.count("misplaced") == 3)
            #expect(try await agent.get(theirs.token)["data"] == ["user": "ada"])
        }
    }

    @Test("What is no string at all is no session, and is ended like one")
    func otherTypes() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            let session = try await agent.create()
            try server.command("DEL", session.key)
            try server.command("RPUSH", session.key, "a")
            #expect(try await agent.get(session.token) == ["found": false])
            let update: Document = ["token": .string(session.token), "set": ["a": 1]]
            #expect(try await agent.errorKind("session.update", update) == "session_not_found")
            #expect(try await agent.result("session.destroy", ["token": .string(session.token)])["destroyed"] == true)
            #expect(try bytes(server, session.key) == [0])
        }
    }

    @Test("A wrong key logs nobody out for good: the alarm is raised, and the right key brings all sessions back")
    func wrongKey() async throws {
        try await withSessionAgents(keys: [[1], [2]]) { agents, server, directory in
            let (right, wrong) = (agents[0], agents[1])
            var sessions: [Session] = []
            for _ in 0..<30 { sessions.append(try await right.create(["subject": "ada"])) }
            let before = try sessions.map { try bytes(server, $0.key) }
            for session in sessions { #expect(try await wrong.get(session.token) == ["found": false]) }
            #expect(try await wrong.count("unknown_key") == 30)
            #expect(wrong.daemon.log.contains("error: many sessions cannot be read"))
            let warnings = try await wrong.result("agent.health")["warnings"]?.array ?? []
            #expect(warnings.contains { $0.string?.contains("cannot be read") == true })
            #expect(try await wrong.errorKind("session.create", ["subject": "ada"]) == "internal_error")
            #expect(try sessions.map { try bytes(server, $0.key) } == before)
            // The keys are read again where the agent is told to reload.
            try KeyFile.write(1, to: "\(directory)/key-1-0")
            try wrong.daemon.process.signal(SIGHUP)
            try await waitUntil("the right key is taken up") { try await wrong.finds(sessions[0].token) }
            for session in sessions { #expect(try await wrong.finds(session.token)) }
            _ = try await wrong.create(["subject": "ada"])
        }
    }

    @Test("Sessions move to a new key while they are used, and none is lost")
    func rekey() async throws {
        try await withSessionAgents(keys: [[1, 2]]) { agents, server, directory in
            let agent = agents[0]
            var sessions: [Session] = []
            for index in 0..<60 { sessions.append(try await agent.create(["subject": .string("user \(index % 7)")])) }
            let list = try await agent.result("session.list", ["subject": "user 3"])
            let old = try await agent.result("session.keys")["keys"]?.array ?? []
            #expect(old.map { $0["sessions"]?.integer } == [60, 0])
            // The new key seals from now on, the old one still opens.
            try KeyFile.write(9, to: "\(directory)/key-0-0")
            try KeyFile.write(1, to: "\(directory)/key-0-1")
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the new key is taken up") {
                try await agent.result("session.keys")["keys"]?.array?.first?["id"] != old.first?["id"]
            }
            let all = sessions
            try await withThrowingTaskGroup(of: Void.self) { group in
                for session in all.prefix(20) {
                    group.addTask {
                        for round in 0..<5 {
                            let set: Document = ["round": .integer(Int64(round))]
                            _ = try await agent.result("session.update", ["token": .string(session.token), "set": set])
                            #expect(try await agent.get(session.token)["data"] == set)
                        }
                    }
                }
                group.addTask {
                    let result = try await agent.result("session.rekey")
                    #expect(result["left"] == 0)
                }
                try await group.waitForAll()
            }
            let counts = try await agent.result("session.keys")["keys"]?.array ?? []
            #expect(counts.map { $0["sessions"]?.integer } == [60, 0])
            #expect(try await agent.result("session.rekey") == ["rewritten": 0, "left": 0])
            // Without the old key everything is as before.
            try KeyFile.write(9, to: "\(directory)/key-0-1")
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the old key is given up") {
                try await agent.result("session.keys")["keys"]?.array?.count == 1
            }
            for session in sessions { #expect(try await agent.finds(session.token)) }
            #expect(
                try await agent.result("session.list", ["subject": "user 3"])["sessions"]?.array?.count
                    == list["sessions"]?.array?.count
            )
        }
    }

    @Test("The key for subjects is not kept under a key that was given up, once nothing else is")
    func retiredWrap() async throws {
        // Agents with the old key, with both, and with the new one alone.
        try await withSessionAgents(keys: [[1], [2, 1], [2]]) { agents, server, _ in
            func wraps() throws -> Int? { try server.command("HKEYS", "session-keys").elements?.count }
            func sessions(_ agent: SessionAgent) async throws -> Int? {
                try await agent.result("session.list", ["subject": "ada"])["sessions"]?.array?.count
            }
            let session = try await agents[0].create(["subject": "ada"])
            #expect(try wraps() == 1)
            #expect(try await sessions(agents[1]) == 1)
            #expect(try wraps() == 2)
            // As long as there is a session under the old key, it is none that is given up.
            #expect(try await agents[2].result("session.rekey") == ["rewritten": 0, "left": 1])
            #expect(try wraps() == 2)
            #expect(try await agents[1].result("session.rekey") == ["rewritten": 1, "left": 0])
            #expect(try wraps() == 2)
            #expect(try await agents[2].result("session.rekey") == ["rewritten": 0, "left": 0])
            #expect(try wraps() == 1)
            for agent in agents[1...] {
                #expect(try await agent.finds(session.token))
                #expect(try await sessions(agent) == 1)
            }
        }
    }

    @Test("Reading a session under an old key moves it to the new one")
    func rewriteOnUse() async throws {
        try await withSessionAgents(keys: [[1], [2, 1]]) { agents, _, _ in
            let session = try await agents[0].create()
            #expect(try await agents[1].finds(session.token))
            try await waitUntil("the session is sealed anew") { try await agents[1].count("rewritten") == 1 }
            #expect(try await agents[1].get(session.token)["version"] == 1)
            #expect(try await !agents[0].finds(session.token))
        }
    }

    @Test("No file of Valkey's and no log holds a token, a subject or what a session holds")
    func dumps() async throws {
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--rdbcompression", "no", "--save", ""]
        try await withSessionAgents(environment: ["SQUIRE_LOG_LEVEL": "debug"], server: durable) { agents, server, _ in
            let agent = agents[0]
            let (subject, content) = ("subject-to-be-hidden", "content-to-be-hidden")
            var secrets = [subject, content]
            for index in 0..<10 {
                let data: Document = ["text": .string(content)]
                let params: Document = ["data": data, "subject": .string(subject), "request_id": "request \(index)"]
                let session = try await agent.create(params)
                let change: Document = ["token": .string(session.token), "set": ["more": .string(content)]]
                _ = try await agent.result("session.update", change)
                let rotate: Document = [
                    "token": .string(session.token), "grace_ms": 60_000, "request_id": "turn \(index)",
                ]
                secrets += [session.token, Session(try await agent.result("session.rotate", rotate)).token]
            }
            try server.command("SAVE")
            let digest = try File.text("\(server.directory)/log") + agent.daemon.log
            var dump = try File.bytes("\(server.directory)/dump.rdb") + Array(digest.utf8)
            for name in Directory.names(in: "\(server.directory)/appendonlydir") {
                dump += try File.bytes("\(server.directory)/appendonlydir/\(name)")
            }
            #expect(dump.count > 10_000)
            // Handles are there, so the search would find what is there.
            let found = try #require(try server.command("KEYS", "session:*").elements?.first?.text)
            #expect(dump.contains(text: found))
            for secret in secrets {
                #expect(!dump.contains(text: secret))
                #expect(!dump.contains(text: String(secret.dropFirst(4))))
            }
        }
    }

    @Test("Keys that others may read keep the agent from starting")
    func looseKey() async throws {
        try await withTemporaryDirectory { directory in
            try KeyFile.write(1, to: "\(directory)/key", mode: 0o644)
            let environment = ["SQUIRE_SESSIONS_KEY_FILES": "\(directory)/key", "HOME": directory]
            let socket = "\(directory)/squire.sock"
            let outcome = try await run(try Product.path("squired"), ["--socket", socket], environment: environment)
            #expect(outcome.status == .exited(78))
            #expect(outcome.standardError.contains("0600"))
        }
    }

    @Test("A crash leaves no core file, unless it is asked for", arguments: [false, true])
    func coreFiles(areWanted: Bool) async throws {
        let environment = ["SQUIRE_CORE_FILES": "\(areWanted)", "SWIFT_BACKTRACE": "enable=no"]
        try await withSessionAgents(environment: environment) { agents, _, _ in
            let daemon = agents[0].daemon
            let session = try await agents[0].create(["data": ["text": "content-to-be-hidden"]])
            let process = daemon.process.processID
            let limited = try await run("/usr/bin/prlimit", ["--pid", "\(process)", "--core=unlimited"])
            try #require(limited.status == .exited(0))
            let directory = try File.destination(ofLink: "/proc/\(process)/cwd")
            try daemon.process.signal(SIGABRT)
            try await daemon.process.end()
            let cores = Directory.names(in: directory).filter { $0.hasPrefix("core") }
            guard areWanted else { return #expect(cores.isEmpty) }
            // Where the host keeps core files elsewhere, there is none to look into.
            guard try File.text("/proc/sys/kernel/core_pattern").hasPrefix("core") else { return }
            let core = try File.bytes("\(directory)/\(try #require(cores.first))")
            #expect(core.contains(text: session.token))
        }
    }

    @Test("The list of processes shows no token that rpc was given")
    func processList() async throws {
        try await withSessionAgents { agents, server, _ in
            let session = try await agents[0].create()
            try server.pause()
            var command = ChildProcess.Command(executable: try Product.path("rpc"))
            command.arguments = ["--socket", agents[0].daemon.socketPath, "session.get", "token=\(session.token)"]
            command.environment = variables([:])
            try await withTemporaryDirectory { directory in
                let process = try await LaunchedProcess.start(command, log: "\(directory)/log")
                defer { process.kill() }
                try await waitUntil("the values are hidden") {
                    try File.text("/proc/\(process.processID)/cmdline").contains("token=***")
                }
                let words = try File.bytes("/proc/\(process.processID)/cmdline")
                #expect(!words.contains(text: session.token))
                try server.resume()
                #expect(try await process.end() == .exited(0))
            }
        }
    }
}

extension RESPReply {
    /// The bytes of a bulk reply, or nil.
    fileprivate var bytes: [UInt8]? {
        if case .bulk(let bytes) = self { bytes } else { nil }
    }
}

extension [UInt8] {
    /// Whether the UTF-8 of `text` occurs.
    fileprivate func contains(text: String) -> Bool {
        let sought = Array(text.utf8)
        guard let first = sought.first, count >= sought.count else { return false }
        return withByteView { view in
            var start = 0
            while let index = view.firstIndex(of: first, from: start), index + sought.count <= view.count {
                if sought.withByteView({ view.dropFirst(index).hasPrefix($0) }) { return true }
                start = index + 1
            }
            return false
        }
    }
}
