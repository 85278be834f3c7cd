import JSON
import TestSupport
import Testing

@Suite("Cancelling a call")
struct CancelTests {
    private static let cancelled: Int64 = 1010

    private func call(_ id: String, _ method: String, _ params: String) -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":\#(params)}"#
    }

    private func cancel(_ id: String) -> String {
        #"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":\#(id)}}"#
    }

    private func receive(_ client: AgentClient) async throws -> Document {
        try Document.parse(try await client.receive())
    }

    /// Calls that wait for others' values.
    private func waiting(_ client: AgentClient) async throws -> Int64? {
        try await client.result(of: "cache.stats")["leases"]?["waiting"]?.integer
    }

    private func running(_ client: AgentClient) async throws -> Int64? {
        try await client.result(of: "agent.stats")["calls"]?["running"]?.integer
    }

    @Test("ends a wait for another's value, and nothing else", arguments: AgentClient.Framing.allCases)
    func cacheWait(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let (computer, waiter, other) = (try agent.connect(), try agent.connect(framing), try agent.connect())
            let get = #"{"key":"k","lease_ms":30000,"wait_ms":20000}"#
            let lease = try #require(try await computer.result(of: "cache.get", get)["lease"]?.string)
            try await waiter.send(call("\"mine\"", "cache.get", get))
            try await other.send(call("\"mine\"", "cache.get", get))
            try await waitUntil("both wait") { try await waiting(computer) == 2 }
            // The ids of another connection, and others of this one, are not meant.
            try await waiter.send(cancel("7"), cancel("\"other\""), cancel(" \"mine\" "))
            let error = try await receive(waiter)
            #expect(error["id"] == "mine")
            #expect(error["error"]?["code"]?.integer == Self.cancelled)
            #expect(error["error"]?["data"]?["kind"] == "cancelled")
            #expect(error["error"]?["data"]?["outcome"] == nil)
            let set = try await computer.result(of: "cache.set", #"{"key":"k","value":5,"lease":"\#(lease)"}"#)
            #expect(set == ["stored": true])
            #expect(try await receive(other)["result"]?["value"] == 5)
            #expect(try await waiter.result(of: "cache.get", #"["k"]"#)["value"] == 5)
            let leases = try await computer.result(of: "cache.stats")["leases"]
            #expect(leases?["waiting"] == 0)
        }
    }

    @Test("passes a lease on that was being asked for, to whoever waits still")
    func leaseOnItsWay() async throws {
        try await withAgent { agent in
            let (first, second) = (try agent.connect(), try agent.connect())
            let get = #"{"key":"k","lease_ms":30000,"wait_ms":20000}"#
            for round in 0..<20 {
                let key = get.replacing("\"k\"", with: "\"k\(round)\"")
                try await first.send(call("1", "cache.get", key))
                try await second.send(call("2", "cache.get", key))
                // Wherever its question is by now: the other gets an answer.
                try await first.send(cancel("1"))
                let reply = try await receive(first)
                if let lease = reply["result"]?["lease"]?.string {
                    _ = try await first.result(of: "cache.set", #"{"key":"k\#(round)","value":1,"lease":"\#(lease)"}"#)
                    #expect(try await receive(second)["result"]?["value"] == 1)
                } else {
                    #expect(reply["error"]?["code"]?.integer == Self.cancelled, "\(reply)")
                    #expect(try await receive(second)["result"]?["lease"]?.string != nil)
                }
            }
        }
    }

    @Test("of a read under way answers at once, and no reply goes astray", arguments: AgentClient.Framing.allCases)
    func reads(framing: AgentClient.Framing) async throws {
        // No near cache: every read goes to Valkey.
        try await withAgent(configuration: #"{"cache": {"near_bytes": 0}}"#) { agent in
            let client = try agent.connect(framing)
            for key in 0..<60 { _ = try await client.result(of: "cache.set", #"["k\#(key)",\#(key)]"#) }
            for round in 0..<5 {
                try agent.server.pause()
                var messages = (0..<60).map { call("\($0)", "cache.get", #"["k\#($0)"]"#) }
                let gone = Set((0..<60).filter { ($0 + round) % 3 == 0 })
                messages += gone.map { cancel("\($0)") }
                try await client.send(bytes: messages.flatMap { client.frame($0) })
                var answered: Set<Int64> = []
                for _ in gone { answered.insert(try #require(try await cancelledID(client))) }
                #expect(answered == Set(gone.map(Int64.init)))
                try agent.server.resume()
                for _ in 0..<(60 - gone.count) {
                    let reply = try await receive(client)
                    let id = try #require(reply["id"]?.integer)
                    #expect(answered.insert(id).inserted, "\(id) was answered twice")
                    // A machine that is slow enough has the link given up meanwhile, which is a miss.
                    let result = try #require(reply["result"])
                    #expect(result["value"]?.integer == id || result["degraded"] == true, "\(reply)")
                }
                try await agent.becomeConnected()
            }
            try await waitUntil("nothing runs") { try await running(client) == 0 }
        }
    }

    private func cancelledID(_ client: AgentClient) async throws -> Int64? {
        let reply = try await receive(client)
        #expect(reply["error"]?["code"]?.integer == Self.cancelled, "\(reply)")
        return reply["id"]?.integer
    }

    @Test("leaves a write to its course, whose outcome is told")
    func writes() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.increment", #"["n"]"#)
            try agent.server.pause()
            try await client.send(
                call("1", "cache.increment", #"{"key":"n","_meta":{"deadline_ms":60000}}"#),
                call("2", "$/cancelRequest", #"{"id":1}"#)
            )
            #expect(try await receive(client) == ["jsonrpc": "2.0", "id": 2, "result": ["cancelled": false]])
            try agent.server.resume()
            let reply = try await receive(client)
            #expect(reply["id"] == 1)
            #expect(reply["result"]?["value"] == 2 || reply["error"]?["data"]?["outcome"]?.string != nil, "\(reply)")
        }
    }

    @Test("ends a subscription that was not confirmed, which then does not come to be")
    func subscriptions() async throws {
        try await withAgent { agent in
            let (client, other) = (try agent.connect(), try agent.connect())
            try agent.server.pause()
            try await client.send(call("1", "channel.subscribe", #"["news"]"#), call("2", "$/cancelRequest", "[1]"))
            let error = try await receive(client)
            #expect(error["id"] == 1)
            #expect(error["error"]?["code"]?.integer == Self.cancelled)
            #expect(error["error"]?["data"]?["outcome"] == "not_applied")
            #expect(try await receive(client)["result"] == ["cancelled": true])
            try agent.server.resume()
            try await agent.becomeConnected()
            try await waitUntil("nobody is subscribed") {
                try await other.result(of: "channel.publish", #"["news",1]"#) == ["receivers": 0]
            }
            #expect(try await client.result(of: "agent.ping") == ["pong": true])
        }
    }

    @Test("ends a subscription to a topic that has not begun")
    func topics() async throws {
        try await withAgent(configuration: #"{"valkey": {"prefix": "t:"}}"#) { agent in
            let client = try agent.connect()
            try agent.server.pause()
            let subscribe = call("1", "topic.subscribe", #"{"topic":"t","group":"g"}"#)
            try await client.send(subscribe, call("2", "$/cancelRequest", "[1]"))
            let error = try await receive(client)
            #expect(error["id"] == 1)
            #expect(error["error"]?["code"]?.integer == Self.cancelled)
            #expect(error["error"]?["data"]?["outcome"] == "not_applied")
            #expect(try await receive(client)["result"] == ["cancelled": true])
            try agent.server.resume()
            try await agent.becomeConnected()
            let statistics = try await client.result(of: "agent.stats")
            #expect(statistics["topics"]?["subscriptions"] == 0)
            let keys = try agent.server.command("KEYS", "t:*")
            #expect(keys.elements?.isEmpty == true)
        }
    }

    @Test("says whether there was something to cancel, and what its parameter must be")
    func answers() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            #expect(try await client.result(of: "$/cancelRequest", #"{"id":99}"#) == ["cancelled": false])
            #expect(try await client.result(of: "$/cancelRequest", #"["x"]"#) == ["cancelled": false])
            for params in ["{}", "[]", #"{"id":null}"#, #"{"id":[1]}"#, #"{"ID":1}"#, #"{"id":1,"also":2}"#, "[1,2]"] {
                let error = try await client.error(of: "$/cancelRequest", params)
                #expect(error["code"] == -32602, "\(params)")
            }
            try await client.send(#"{"jsonrpc":"2.0","method":"$/cancelRequest"}"#, cancel("5"))
            #expect(try await client.result(of: "agent.ping") == ["pong": true])
        }
    }

    @Test("of an element of a batch lets the batch be answered")
    func batches() async throws {
        try await withAgent { agent in
            let (computer, client) = (try agent.connect(), try agent.connect())
            let get = #"{"key":"k","lease_ms":30000,"wait_ms":20000}"#
            #expect(try await computer.result(of: "cache.get", get)["lease"]?.string != nil)
            try await client.send("[\(call("1", "cache.get", get)),\(call("2", "agent.ping", "{}"))]")
            try await waitUntil("it waits") { try await waiting(computer) == 1 }
            try await client.send(cancel("1"))
            let replies = try #require(try await receive(client).array)
            #expect(replies.count == 2)
            #expect(replies.contains { $0["id"] == 1 && $0["error"]?["code"]?.integer == Self.cancelled })
            #expect(replies.contains { $0["id"] == 2 && $0["result"] == ["pong": true] })
        }
    }

    @Test("ends a wait for another's response, and the replay of a stream")
    func responses() async throws {
        try await withAgent { agent in
            let (computer, client) = (try agent.connect(), try agent.connect())
            let identity = #""model":"m","scope":"s","prompt":"p""#
            let get = #"{\#(identity),"lease_ms":60000,"wait_ms":60000}"#
            let lease = try #require(try await computer.result(of: "response.get", get)["lease"]?.string)
            try await client.send(call("1", "response.get", get))
            try await waitUntil("it waits") {
                try await computer.result(of: "agent.stats")["responses"]?["waiting"] == 1
            }
            try await client.send(cancel("1"))
            #expect(try await receive(client)["error"]?["code"]?.integer == Self.cancelled)
            // The second chunk would come in a minute.
            let chunks = #"[{"delay_ms":0,"chunk":"a"},{"delay_ms":60000,"chunk":"b"}]"#
            let put = #"{\#(identity),"chunks":\#(chunks),"lease":"\#(lease)"}"#
            #expect(try await computer.result(of: "response.put", put)["stored"] == true)
            try await client.send(call("2", "response.get", #"{\#(identity),"stream":"paced"}"#))
            #expect(try await receive(client)["params"]?["chunk"] == "a")
            try await client.send(cancel("2"))
            let error = try await receive(client)
            #expect(error["id"] == 2 && error["error"]?["code"]?.integer == Self.cancelled)
            let statistics = try await client.result(of: "agent.stats")
            #expect(statistics["responses"]?["waiting"] == 0 && statistics["responses"]?["replay_bytes"] == 0)
            #expect(statistics["calls"]?["running"] == 0)
        }
    }

    @Test("at random leaves every other answer its own, and nothing behind")
    func random() async throws {
        try await withAgent { agent in
            try await CancelRun.run(on: agent, clients: 4, seed: 7) { bursts in bursts < 40 }
        }
    }
}
