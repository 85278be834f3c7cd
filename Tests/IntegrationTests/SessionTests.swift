import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Sessions")
struct SessionTests {
    @Test("A session is read, changed, used and ended")
    func life() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            let session = try await agent.create(["data": ["user": 42], "subject": "ada"])
            let read = try await agent.get(session.token)
            #expect(read["data"] == ["user": 42])
            #expect(read["subject"] == "ada")
            #expect(read["handle"]?.string == session.handle)
            #expect(read["version"] == 1)
            let change: Document = ["token": .string(session.token), "set": ["theme": "dark"], "remove": ["user"]]
            #expect(try await agent.result("session.update", change)["version"] == 2)
            #expect(try await agent.get(session.token)["data"] == ["theme": "dark"])
            let replace: Document = ["token": .string(session.token), "replace": ["a": [1]], "if_version": 2]
            #expect(try await agent.result("session.update", replace)["version"] == 3)
            let late = try await agent.reply("session.update", replace)
            #expect(late["error"]?["data"]?["kind"] == "conflict")
            #expect(late["error"]?["data"]?["version"] == 3)
            #expect(try await agent.result("session.destroy", ["token": .string(session.token)])["destroyed"] == true)
            #expect(try await agent.result("session.destroy", ["token": .string(session.token)])["destroyed"] == false)
            #expect(try await !agent.finds(session.token))
            #expect(
                try await agent.errorKind("session.touch", ["token": .string(session.token)]) == "session_not_found"
            )
        }
    }

    @Test("A client's own token begins no session, and a token is one in its namespace only")
    func strictness() async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            let invented = "0a1b" + String(repeating: "x", count: 43)
            #expect(try await !agent.finds(invented))
            let update: Document = ["token": .string(invented), "set": ["a": 1]]
            #expect(try await agent.errorKind("session.update", update) == "session_not_found")
            #expect(try await !agent.finds(invented))
            let session = try await agent.create(["namespace": "shop"])
            #expect(try await agent.get(session.token, "shop")["found"] == true)
            #expect(try await agent.get(session.token, "bank")["found"] == false)
            #expect(try await !agent.finds(session.token))
        }
    }

    @Test("Use is written down once a tenth of the idle time has passed, and keeps the session alive")
    func idle() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            let long = try await agent.create()
            _ = try await agent.result("session.get", ["token": .string(long.token)])
            #expect(try await agent.count("touched") == 0)
            let used = try await agent.create(["idle_ms": 6000])
            let unused = try await agent.create(["idle_ms": 6000])
            let params: Document = ["token": .string(used.token)]
            try await waitUntil("the unused session has ended", within: .seconds(30)) {
                let read = try await agent.result("session.get", params)
                #expect(read["found"] == true)
                return try await !agent.finds(unused.token)
            }
            #expect(try await agent.count("touched") > 1)
            try await waitUntil("Valkey has forgotten it") { try server.command("EXISTS", unused.key) == .integer(0) }
        }
    }

    @Test("No use and no writer of Valkey keeps a session alive beyond its lifetime")
    func lifetime() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            let session = try await agent.create(["lifetime_ms": 5000, "idle_ms": 600_000])
            try server.command("PERSIST", session.key)
            // The field that says when a session was used is authenticated by nothing.
            try server.connect().command([
                Array("SETRANGE".utf8), Array(session.key.utf8), Array("96".utf8),
                [0x7f] + [UInt8](repeating: 0xff, count: 7),
            ])
            #expect(try await agent.finds(session.token))
            try await waitUntil("the session has ended", within: .seconds(30)) { try await !agent.finds(session.token) }
            #expect(try server.command("EXISTS", session.key) == .integer(1))
            #expect(
                try await agent.errorKind("session.touch", ["token": .string(session.token)]) == "session_not_found"
            )
        }
    }

    @Test("64 clients change one session through two agents, and no change is lost")
    func lostUpdates() async throws {
        try await withSessionAgents(keys: [[1], [1]]) { agents, _, _ in
            let session = try await agents[0].create()
            let rounds = 5
            let versions = try await withThrowingTaskGroup(of: [Int64].self) { group in
                for client in 0..<64 {
                    group.addTask {
                        var versions: [Int64] = []
                        for round in 0..<rounds {
                            let set: Document = .object(DocumentObject("c\(client)-\(round)", 1))
                            let params: Document = [
                                "token": .string(session.token), "set": set, "_meta": ["deadline_ms": 60_000],
                            ]
                            let result = try await agents[client % 2].result("session.update", params)
                            versions.append(result["version"]?.integer ?? 0)
                        }
                        return versions
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(versions.sorted() == Array(2...Int64(64 * rounds + 1)))
            #expect(try await agents[1].get(session.token)["data"]?.object?.count == 64 * rounds)
        }
    }

    @Test("A session that was ended stays so, whatever changes ran meanwhile")
    func resurrection() async throws {
        try await withSessionAgents(keys: [[1], [1]]) { agents, server, _ in
            for _ in 0..<5 {
                let session = try await agents[0].create(["idle_ms": 60_000])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for client in 0..<16 {
                        group.addTask {
                            let params: Document = [
                                "token": .string(session.token), "set": ["a": .integer(Int64(client))],
                            ]
                            while try await agents[client % 2].errorKind("session.update", params) == nil {}
                        }
                    }
                    let end: Document = ["handle": .string(session.handle)]
                    #expect(try await agents[1].result("session.destroy", end)["destroyed"] == true)
                    try await group.waitForAll()
                }
                for agent in agents { #expect(try await !agent.finds(session.token)) }
                #expect(try server.command("GET", session.key) == .bulk([0]))
                let life = try server.command("PTTL", session.key)
                guard case .integer(1...60_000) = life else { return #expect(Bool(false), "\(life)") }
            }
        }
    }

    @Test("The same request gives the same session, through any agent, and nobody can read it in Valkey")
    func requests() async throws {
        try await withSessionAgents(keys: [[1], [1]]) { agents, server, _ in
            let params: Document = ["data": ["a": 1], "request_id": "begin"]
            let session = try await agents[0].create(params)
            #expect(try await agents[1].create(params).token == session.token)
            let other: Document = ["data": ["a": 2], "request_id": "begin"]
            #expect(try await agents[1].errorKind("session.create", other) == "conflict")
            let rotate: Document = ["token": .string(session.token), "request_id": "turn"]
            let rotated = Session(try await agents[1].result("session.rotate", rotate))
            #expect(Session(try await agents[0].result("session.rotate", rotate)).token == rotated.token)
            #expect(try await agents[0].finds(rotated.token))
            #expect(try await !agents[0].finds(session.token))
            #expect(try server.command("DBSIZE") == .integer(7))
        }
    }

    @Test("An agent that starts anew finds the sessions of the one before, with the key that it had made")
    func restart() async throws {
        try await withTemporaryDirectory { directory in
            try await withValkeyServer { server in
                let arguments = ["--valkey", "unix://\(server.socketPath)", "--state-dir", "\(directory)/state"]
                let token = try await withDaemon(arguments: arguments) { daemon in
                    let agent = SessionAgent(daemon: daemon)
                    let warnings = try await agent.result("agent.health")["warnings"]?.array ?? []
                    #expect(warnings.contains { $0.string?.contains("sessions.key_files") == true })
                    #expect(daemon.log.contains("/state/session-key"))
                    return try await agent.create(["subject": "ada"]).token
                }
                try await withDaemon(arguments: arguments) { daemon in
                    let agent = SessionAgent(daemon: daemon)
                    #expect(try await agent.finds(token))
                    let sessions = try await agent.result("session.list", ["subject": "ada"])["sessions"]?.array
                    #expect(sessions?.count == 1)
                }
            }
        }
    }

    @Test("The same request with any other parameter is a conflict, and one that was refused is not remembered")
    func requestConflicts() async throws {
        let environment = ["SQUIRE_SESSIONS_PER_SUBJECT_MAX": "1", "SQUIRE_SESSIONS_PER_SUBJECT_POLICY": "reject"]
        try await withSessionAgents(environment: environment) { agents, _, _ in
            let agent = agents[0]
            let session = try await agent.create(["subject": "ada", "request_id": "begin"])
            let others: [Document] = [
                ["request_id": "begin"], ["subject": "grace", "request_id": "begin"],
                ["subject": "ada", "namespace": "agents", "request_id": "begin"],
            ]
            for other in others { #expect(try await agent.errorKind("session.create", other) == "conflict") }
            let same = #""params":{"subject":"ada","request_id":"\u0062egin"}"#
            let request = #"{"jsonrpc":"2.0","id":1,"method":"session.create",\#(same)}"#
            let reply = try Document.parse(try await agent.daemon.exchange(request))
            #expect(reply["result"]?["token"]?.string == session.token)
            let (first, second) = try await (agent.create(), agent.create())
            let rotate: Document = ["token": .string(first.token), "request_id": "turn"]
            let rotated = Session(try await agent.result("session.rotate", rotate))
            let otherSession: Document = ["token": .string(second.token), "request_id": "turn"]
            #expect(try await agent.errorKind("session.rotate", otherSession) == "conflict")
            #expect(Session(try await agent.result("session.rotate", rotate)).token == rotated.token)
            // The subject has as many sessions as it may.
            let refused: Document = ["subject": "ada", "request_id": "refused"]
            #expect(try await agent.errorKind("session.create", refused) == "conflict")
            let free: Document = ["subject": "lin", "request_id": "refused"]
            try await waitUntil("the refusal is forgotten") { try await agent.errorKind("session.create", free) == nil }
        }
    }

    @Test("A change whose time is over before its turn comes is refused at once")
    func turnTooLate() async throws {
        try await withSessionAgents { agents, server, _ in
            let session = try await agents[0].create()
            let path = agents[0].daemon.socketPath
            try await onThread {
                let client = try ChannelClient(path)
                try server.pause()
                defer { try? server.resume() }
                func send(_ milliseconds: Int) -> Int64 {
                    let meta = #""_meta":{"deadline_ms":\#(milliseconds)}"#
                    let params = #"{"token":"\#(session.token)","set":{"a":\#(milliseconds)},\#(meta)}"#
                    return client.client.send("session.update", params: JSONFragment(params))
                }
                let end = Instant.now.advanced(by: .seconds(15))
                let (long, short) = (send(60_000), send(100))
                let first = try client.client.receive(until: end)
                try expect(first.id?.integer, short)
                try expect(first.error?.kind, "deadline_exceeded")
                try expect(first.error?.data?["outcome"]?.string, "not_applied")
                try server.resume()
                try expect(client.client.reply(to: long, until: end).result?["version"]?.integer, 2)
            }
        }
    }
}

extension DocumentObject {
    /// An object of one member.
    init(_ name: String, _ value: Document) {
        self.init()
        self[name] = value
    }
}
