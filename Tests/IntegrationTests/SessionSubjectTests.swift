import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("Sessions of a subject, and their tokens")
struct SessionSubjectTests {
    private func handles(_ agent: SessionAgent, _ subject: String) async throws -> [String] {
        let list = try await agent.result("session.list", ["subject": .string(subject)])
        return (list["sessions"]?.array ?? []).compactMap { $0["handle"]?.string }
    }

    /// What the server's clock shows.
    private func milliseconds(_ server: ValkeyServer) throws -> Int64 {
        let parts = try server.command("TIME").elements?.compactMap { $0.text.flatMap { Int64($0) } } ?? []
        try #require(parts.count == 2)
        return parts[0] * 1000 + parts[1] / 1000
    }

    @Test("They are listed oldest first, and none that ended")
    func list() async throws {
        try await withSessionAgents(keys: [[1], [1]]) { agents, server, _ in
            var sessions: [Session] = []
            for index in 0..<4 {
                sessions.append(try await agents[index % 2].create(["subject": "ada"]))
                // Sessions of one moment are listed in no order.
                let begun = try milliseconds(server)
                try await waitUntil("some milliseconds have passed") { try milliseconds(server) > begun + 5 }
            }
            _ = try await agents[0].create(["subject": "grace"])
            #expect(try await handles(agents[0], "ada") == sessions.map(\.handle))
            try server.command("DEL", sessions[1].key)
            _ = try await agents[1].result("session.destroy", ["token": .string(sessions[2].token)])
            #expect(try await handles(agents[1], "ada") == [sessions[0].handle, sessions[3].handle])
            let index = try #require(
                try server.command("KEYS", "session-index:*").elements?.compactMap(\.text).sorted()
            )
            #expect(index.count == 2)
            let counts = try index.map { try server.command("ZCARD", $0) }
            #expect(counts.contains(.integer(2)) && counts.contains(.integer(1)))
        }
    }

    @Test("All of them end at once, but the one that is spared")
    func destroyAll() async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            var sessions: [Session] = []
            for _ in 0..<5 { sessions.append(try await agent.create(["subject": "ada"])) }
            let other = try await agent.create(["subject": "grace"])
            let params: Document = ["subject": "ada", "except": .string(sessions[3].token)]
            #expect(try await agent.result("session.destroy_all", params)["destroyed"] == 4)
            #expect(try await handles(agent, "ada") == [sessions[3].handle])
            for (position, session) in sessions.enumerated() {
                #expect(try await agent.finds(session.token) == (position == 3))
            }
            #expect(try await agent.finds(other.token))
            let typo: Document = ["subject": "ada", "except": "no token"]
            #expect(try await agent.errorKind("session.destroy_all", typo) == "invalid_params")
        }
    }

    @Test("Beyond their number the oldest ends")
    func evict() async throws {
        let environment = ["SQUIRE_SESSIONS_PER_SUBJECT_MAX": "3"]
        try await withSessionAgents(keys: [[1], [1]], environment: environment) { agents, _, _ in
            let tokens = try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<12 { group.addTask { try await agents[index % 2].create(["subject": "ada"]).token } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            var left = 0
            for token in tokens where try await agents[0].finds(token) { left += 1 }
            #expect(left == 3)
            #expect(try await handles(agents[1], "ada").count == 3)
            #expect(try await agents[0].count("evicted") + agents[1].count("evicted") == 9)
        }
    }

    @Test("Beyond their number a new one is refused, where that is the policy")
    func reject() async throws {
        let environment = [
            "SQUIRE_SESSIONS_PER_SUBJECT_MAX": "2", "SQUIRE_SESSIONS_PER_SUBJECT_POLICY": "reject",
        ]
        try await withSessionAgents(environment: environment) { agents, _, _ in
            let agent = agents[0]
            let first = try await agent.create(["subject": "ada"])
            _ = try await agent.create(["subject": "ada"])
            #expect(try await agent.errorKind("session.create", ["subject": "ada"]) == "conflict")
            _ = try await agent.create(["subject": "ada", "namespace": "shop"])
            #expect(try await agent.finds(first.token))
            _ = try await agent.result("session.destroy", ["token": .string(first.token)])
            _ = try await agent.create(["subject": "ada"])
            #expect(try await agent.count("rejected") == 1)
        }
    }

    @Test("A rotated session keeps what it holds, and its old token is dead at once")
    func rotate() async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            let old = try await agent.create(["data": ["user": 1], "subject": "ada"])
            let end = try await agent.get(old.token)["expires_at_ms"]
            let new = Session(try await agent.result("session.rotate", ["token": .string(old.token)]))
            #expect(new.token != old.token)
            #expect(new.token.prefix(4) == old.token.prefix(4))
            #expect(try await !agent.finds(old.token))
            let read = try await agent.get(new.token)
            #expect(read["data"] == ["user": 1])
            #expect(read["subject"] == "ada")
            #expect(read["expires_at_ms"] == end)
            #expect(try await handles(agent, "ada") == [new.handle])
        }
    }

    @Test("With a grace the old token reads, changes nothing, and dies with the new one")
    func grace() async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            let old = try await agent.create(["data": ["user": 1]])
            let params: Document = ["token": .string(old.token), "grace_ms": 60_000]
            let new = Session(try await agent.result("session.rotate", params))
            let read = try await agent.get(old.token)
            #expect(read["data"] == ["user": 1])
            #expect(read["handle"]?.string == new.handle)
            for method in ["session.touch", "session.rotate"] {
                #expect(try await agent.errorKind(method, ["token": .string(old.token)]) == "session_not_found")
            }
            let update: Document = ["token": .string(old.token), "set": ["a": 1]]
            #expect(try await agent.errorKind("session.update", update) == "session_not_found")
            #expect(try await agent.result("session.destroy", ["token": .string(new.token)])["destroyed"] == true)
            #expect(try await !agent.finds(old.token))
        }
    }

    @Test("Rotated again within the grace, a session is found by each of its tokens, and nothing counts as damaged")
    func graceAfterGrace() async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            var sessions = [try await agent.create(["subject": "ada"])]
            for _ in 1...3 {
                let params: Document = ["token": .string(sessions.last?.token ?? ""), "grace_ms": 600_000]
                sessions.append(Session(try await agent.result("session.rotate", params)))
            }
            for session in sessions {
                #expect(try await agent.get(session.token)["handle"]?.string == sessions.last?.handle)
            }
            for fault in ["misplaced", "damaged"] { #expect(try await agent.count(fault) == 0) }
        }
    }

    @Test("The one that is spared is found by a token from before its rotation")
    func destroyAllButRotated() async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            let other = try await agent.create(["subject": "ada"])
            let first = try await agent.create(["subject": "ada"])
            var last = first
            for _ in 1...2 {
                let params: Document = ["token": .string(last.token), "grace_ms": 600_000]
                last = Session(try await agent.result("session.rotate", params))
                let except: Document = ["subject": "ada", "except": .string(first.token)]
                let ended = try await agent.result("session.destroy_all", except)["destroyed"]
                #expect(ended == (last.version == 2 ? 1 : 0))
                #expect(try await agent.finds(last.token))
                #expect(try await !agent.finds(other.token))
            }
        }
    }

    @Test("Within its grace an old token ends the session that it reads, whatever rotations are between")
    func destroyWithinGrace() async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            for rotations in 1...3 {
                let first = try await agent.create(["subject": "ada"])
                var last = first
                for _ in 1...rotations {
                    let params: Document = ["token": .string(last.token), "grace_ms": 600_000]
                    last = Session(try await agent.result("session.rotate", params))
                }
                #expect(try await agent.finds(first.token))
                let destroy: Document = ["token": .string(first.token)]
                #expect(try await agent.result("session.destroy", destroy)["destroyed"] == true)
                #expect(try await !agent.finds(last.token))
                #expect(try await !agent.finds(first.token))
                #expect(try await handles(agent, "ada").isEmpty)
                #expect(try await agent.result("session.destroy", destroy)["destroyed"] == false)
            }
            // By its handle too.
            let old = try await agent.create()
            let params: Document = ["token": .string(old.token), "grace_ms": 600_000]
            let new = Session(try await agent.result("session.rotate", params))
            #expect(try await agent.result("session.destroy", ["handle": .string(old.handle)])["destroyed"] == true)
            #expect(try await !agent.finds(new.token))
        }
    }

    @Test("A rotation and an end of one token take turns in the order that they came in", arguments: [0, 60_000])
    func rotationBeforeEnd(grace: Int) async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            for _ in 0..<30 {
                let old = try await agent.create()
                let end = Instant.now.advanced(by: .seconds(20))
                let client = try RPCClient(path: agent.daemon.socketPath, until: end)
                let token = #""token":"\#(old.token)""#
                let rotation = client.send(
                    "session.rotate",
                    params: JSONFragment(#"{\#(token),"grace_ms":\#(grace)}"#)
                )
                let ending = client.send("session.destroy", params: JSONFragment("{\(token)}"))
                let new = try #require(try client.reply(to: rotation, until: end).result?["token"]?.string)
                #expect(try client.reply(to: ending, until: end).result?["destroyed"]?.text == "\(grace > 0)")
                #expect(try await agent.finds(new) == (grace == 0))
            }
        }
    }

    @Test("What is left of a session that ended is gone when its life would have been over", arguments: [false, true])
    func tombstone(isRotated: Bool) async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            let session = try await agent.create(["lifetime_ms": 30_000, "idle_ms": 315_360_000_000])
            if isRotated {
                _ = try await agent.result("session.rotate", ["token": .string(session.token)])
            } else {
                _ = try await agent.result("session.destroy", ["token": .string(session.token)])
            }
            let left = try server.command("PTTL", session.key).integer ?? 0
            #expect((1...31_000).contains(left), "\(left)")
            let short = try await agent.create(["lifetime_ms": 600_000, "idle_ms": 20_000])
            _ = try await agent.result("session.destroy", ["token": .string(short.token)])
            #expect((1...20_000).contains(try server.command("PTTL", short.key).integer ?? 0))
        }
    }

    @Test("A grace ends by itself, and the new token lives on")
    func graceEnds() async throws {
        try await withSessionAgents { agents, _, _ in
            let agent = agents[0]
            let old = try await agent.create()
            let params: Document = ["token": .string(old.token), "grace_ms": 4000]
            let new = Session(try await agent.result("session.rotate", params))
            #expect(try await agent.finds(old.token))
            try await waitUntil("the grace has ended", within: .seconds(30)) { try await !agent.finds(old.token) }
            #expect(try await agent.finds(new.token))
        }
    }

    @Test("Of many rotations of one token, one succeeds")
    func rotationRace() async throws {
        try await withSessionAgents(keys: [[1], [1]]) { agents, _, _ in
            let old = try await agents[0].create(["subject": "ada"])
            let kinds = try await withThrowingTaskGroup(of: String?.self) { group in
                for index in 0..<16 {
                    group.addTask {
                        try await agents[index % 2].errorKind("session.rotate", ["token": .string(old.token)])
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(kinds.count { $0 == nil } == 1)
            #expect(kinds.count { $0 == "session_not_found" } == 15)
            #expect(try await handles(agents[0], "ada").count == 1)
        }
    }
}
