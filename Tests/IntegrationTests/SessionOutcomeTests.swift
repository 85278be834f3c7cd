import JSON
import TestSupport
import Testing

@Suite("What a call of sessions says of its effect")
struct SessionOutcomeTests {
    /// The data of the error that a call is answered with while the store is silent.
    private static func timeout(_ agent: SessionAgent, _ method: String, _ params: String) async throws -> Document {
        let deadline = #""_meta":{"deadline_ms":300}"#
        let call = #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":{\#(params),\#(deadline)}}"#
        let reply = try Document.parse(try await agent.daemon.exchange(call, limit: .seconds(20)))
        let data = try #require(reply["error"]?["data"], "\(method): \(reply.text(style: .compact))")
        #expect(data["kind"] == "deadline_exceeded", "\(method)")
        return data
    }

    @Test("where a step before the one that has it gets no answer: it did not happen, and may be asked for again")
    func preparation() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            let session = try await agent.create(["subject": "ada"])
            let token = #""token":"\#(session.token)""#
            try server.pause()
            for (method, params) in [
                ("session.update", token + #","set":{"a":1}"#), ("session.destroy", token), ("session.touch", token),
                ("session.destroy", #""handle":"\#(session.handle)""#), ("session.rotate", token),
                ("session.rotate", token + #","request_id":"r""#), ("session.create", #""request_id":"c""#),
                ("session.destroy_all", #""subject":"ada","except":"\#(session.token)""#),
            ] {
                let data = try await Self.timeout(agent, method, params)
                #expect(data["outcome"] == "not_applied", "\(method)")
                #expect(data["retryable"] == true, "\(method)")
            }
            try server.resume()
            #expect(try await agent.finds(session.token))
            #expect(try await agent.get(session.token)["version"] == 1)
        }
    }

    @Test(
        "where Valkey refuses to tell what there is: nothing was done, and nothing is said of it",
        arguments: ["getrange", "get"]
    )
    func refusal(command: String) async throws {
        try await withSessionAgents(keys: [[1], [2, 1]]) { agents, server, _ in
            let agent = agents[0]
            let old = try await agent.create(["subject": "ada"])
            let params: Document = ["token": .string(old.token), "grace_ms": 600_000]
            let new = Session(try await agent.result("session.rotate", params))
            _ = try await agents[1].result("session.list", ["subject": "ada"])
            try server.command("ACL", "SETUSER", "default", "-\(command)")
            for target: Document in [["token": .string(old.token)], ["handle": .string(old.handle)]] {
                let error = try await agent.reply("session.destroy", target)["error"]?["data"]
                #expect(
                    error?["kind"] == "valkey_error" && error?["valkey"] == "NOPERM",
                    "\(String(describing: error))"
                )
                #expect(error?["outcome"] == "not_applied")
            }
            if command == "getrange" {
                for method in ["session.keys", "session.rekey"] {
                    #expect(try await agents[1].errorKind(method, [:]) == "valkey_error", "\(method)")
                }
            }
            try server.command("ACL", "SETUSER", "default", "+\(command)")
            for token in [old.token, new.token] { #expect(try await agent.finds(token)) }
            let keys = try await agents[1].result("session.keys")["keys"]?.array ?? []
            #expect(keys.map { $0["sessions"]?.integer } == [0, 1])
        }
    }

    @Test("where it only reads: nothing")
    func reading() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            _ = try await agent.create(["subject": "ada"])
            try server.pause()
            for _ in 0..<2 {
                let data = try await Self.timeout(agent, "session.list", #""subject":"ada""#)
                #expect(data["outcome"] == nil)
                #expect(data["retryable"] == true)
            }
            try server.resume()
        }
    }

    @Test("where the one that has it gets no answer: nobody knows")
    func effect() async throws {
        try await withSessionAgents { agents, server, _ in
            let agent = agents[0]
            _ = try await agent.create()
            try server.pause()
            let data = try await Self.timeout(agent, "session.create", #""data":{}"#)
            #expect(data["outcome"] == "unknown")
            #expect(data["retryable"] == false)
            try server.resume()
        }
    }
}
