import JSON
import Linux
import TestSupport
import Testing

@Suite("The question who computes a missing entry")
struct LeaseQuestionTests {
    private func waiting(_ agent: RunningAgent) async throws -> Int64? {
        try await agent.connect().result(of: "cache.stats")["leases"]?["waiting"]?.integer
    }

    @Test("leaves no lease behind that nobody has, when whoever asked has given up before its answer")
    func abandoned() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.get", #"["k"]"#)
            _ = try agent.server.command("CLIENT", "PAUSE", "60000", "WRITE")
            let brief = #"{"key":"k","lease_ms":3600000,"_meta":{"deadline_ms":100}}"#
            #expect(try await client.error(of: "cache.get", brief)["data"]?["kind"] == "deadline_exceeded")
            _ = try agent.server.command("CLIENT", "UNPAUSE")
            try await waitUntil("the lease is taken back") {
                try agent.server.command("EXISTS", "cache:k") == .integer(0)
                    && (try agent.server.command("INFO", "commandstats")).text?.contains("evalsha") == true
            }
            let other = try agent.connect()
            #expect(try await other.result(of: "cache.get", #"{"key":"k","lease_ms":1000}"#)["lease"] != nil)
        }
    }

    @Test("goes on for those who wait longer than who asked first")
    func patience() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let patient = try agent.connect()
            _ = try await client.result(of: "cache.get", #"["k"]"#)
            _ = try agent.server.command("CLIENT", "PAUSE", "60000", "WRITE")
            let brief = #"{"key":"k","lease_ms":3600000,"_meta":{"deadline_ms":300}}"#
            try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(brief)}"#)
            try await waitUntil("it is asked") { try await waiting(agent) == 1 }
            let long = #"{"key":"k","lease_ms":60000,"wait_ms":30000,"_meta":{"deadline_ms":60000}}"#
            try await patient.send(#"{"jsonrpc":"2.0","id":2,"method":"cache.get","params":\#(long)}"#)
            try await waitUntil("both wait") { try await waiting(agent) == 2 }
            let late = try Document.parse(try await client.receive())
            #expect(late["error"]?["data"]?["kind"] == "deadline_exceeded")
            _ = try agent.server.command("CLIENT", "UNPAUSE")
            #expect(try Document.parse(try await patient.receive())["result"]?["lease"] != nil)
            // As long as who has it wished for, and not as who asked first.
            let life = try agent.server.command("PTTL", "cache:k").integer ?? 0
            #expect((1...60_000).contains(life), "\(life)")
        }
    }

    @Test("is forgotten with a connection that has the lease and waits for it too")
    func both() async throws {
        try await withAgent { agent in
            var client: AgentClient? = try agent.connect()
            let other = try agent.connect()
            let wish = #"{"key":"k","lease_ms":60000,"wait_ms":60000,"_meta":{"deadline_ms":60000}}"#
            #expect(try await client?.result(of: "cache.get", wish)["lease"] != nil)
            try await client?.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(wish)}"#)
            try await waitUntil("it waits") { try await waiting(agent) == 1 }
            client = nil
            try await waitUntil("nothing is left") { try await waiting(agent) == 0 }
            #expect(try await other.result(of: "cache.get", wish)["lease"] != nil)
        }
    }

    @Test(
        "is asked behind a write of the same client, whoever computed the entry before",
        arguments: [
            ("cache.set", #"{"key":"k","value":7}"#), ("cache.set_many", #"{"entries":[{"key":"k","value":7}]}"#),
            ("cache.increment", #"{"key":"k","by":7}"#),
        ]
    )
    func ownWrites(method: String, params: String) async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            let client = try agent.connect()
            for _ in 0..<20 {
                _ = try await client.result(of: "cache.delete", #"["k"]"#)
                let lease = #"{"key":"k","lease_ms":60000}"#
                #expect(try await computer.result(of: "cache.get", lease)["lease"] != nil)
                #expect(try await client.result(of: "cache.get", lease) == ["hit": false])
                let lines = [
                    #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#,
                    #"{"jsonrpc":"2.0","id":2,"method":"cache.get","params":\#(lease)}"#,
                    #"{"jsonrpc":"2.0","id":3,"method":"cache.get","params":["k"]}"#,
                ]
                try await client.send(lines)
                for _ in lines {
                    let reply = try Document.parse(try await client.receive())
                    if reply["id"] != 1 { #expect(reply["result"]?["value"] == 7, "\(reply)") }
                }
            }
        }
    }

    @Test("is asked again after a write, where nobody tells of changes", arguments: [true, false])
    func untracked(isOwn: Bool) async throws {
        try await withAgent(configuration: #"{"cache":{"near_bytes":0}}"#) { agent in
            let computer = try agent.connect()
            let client = try agent.connect()
            let wish = #"{"key":"k","lease_ms":60000,"wait_ms":60000,"_meta":{"deadline_ms":60000}}"#
            #expect(try await computer.result(of: "cache.get", wish)["lease"] != nil)
            try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(wish)}"#)
            try await waitUntil("it waits") { try await waiting(agent) == 1 }
            if isOwn {
                _ = try await computer.result(of: "cache.set_many", #"{"entries":[{"key":"k","value":7}]}"#)
            } else {
                _ = try agent.server.command("SET", "cache:k", "7")
            }
            #expect(try Document.parse(try await client.receive())["result"]?["value"] == 7)
        }
    }

    @Test("is refused to a connection that computes too many entries, until it is done with one")
    func bound() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let most = 4096
            var token = ""
            for key in 0..<most {
                let lease = try await client.result(of: "cache.get", #"{"key":"k\#(key)","lease_ms":3600000}"#)["lease"]
                token = try #require(lease?.string, "\(key)")
            }
            let more = #"{"key":"more","lease_ms":3600000}"#
            #expect(try await client.error(of: "cache.get", more)["data"]?["kind"] == "overloaded")
            #expect(try await agent.connect().result(of: "cache.get", more)["lease"] != nil)
            let last = #"{"key":"k\#(most - 1)","lease":"\#(token)"}"#
            #expect(try await client.result(of: "cache.fail", last) == ["released": true])
            let next = #"{"key":"next","lease_ms":3600000}"#
            #expect(try await client.result(of: "cache.get", next)["lease"] != nil)
        }
    }

    @Test("is waited for no longer than its caller said, also by the only one for whom it is asked")
    func ownPatience() async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"valkey"}}"#) { agent in
            let computer = try agent.connect()
            let client = try agent.connect()
            #expect(try await computer.result(of: "cache.get", #"{"key":"k","lease_ms":60000}"#)["lease"] != nil)
            try agent.server.pause()
            let wish = #"{"key":"k","lease_ms":1000,"wait_ms":200,"_meta":{"deadline_ms":60000}}"#
            // Answered while the server is paused still.
            #expect(try await client.result(of: "cache.get", wish) == ["hit": false])
        }
    }

    @Test("is waited for no longer than each deadline says, by those who have a stale value too")
    func staleDeadlines() async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"valkey"}}"#) { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":1,"ttl_ms":1,"stale_ms":600000}"#)
            try await waitUntil("its life is over") {
                try await client.result(of: "cache.get", #"["k"]"#)["stale"] == true
            }
            _ = try agent.server.command("CLIENT", "PAUSE", "60000", "WRITE")
            // Both are read before anything is asked.
            let lines = [60_000, 300].map { deadline in
                let params = #"{"key":"k","lease_ms":1000,"_meta":{"deadline_ms":\#(deadline)}}"#
                return #"{"jsonrpc":"2.0","id":\#(deadline),"method":"cache.get","params":\#(params)}"#
            }
            try await client.send(lines)
            let late = try Document.parse(try await client.receive())
            #expect(late["id"] == 300 && late["error"]?["data"]?["kind"] == "deadline_exceeded")
            _ = try agent.server.command("CLIENT", "UNPAUSE")
            #expect(try Document.parse(try await client.receive())["result"]?["lease"] != nil)
        }
    }

    @Test("ends with a lease as long as its holder wishes, also where it was asked for somebody who has gone")
    func next() async throws {
        try await withAgent { agent in
            let (client, other) = (try agent.connect(), try agent.connect())
            _ = try await client.result(of: "cache.get", #"["k"]"#)
            _ = try agent.server.command("CLIENT", "PAUSE", "60000", "WRITE")
            let long = #"{"key":"k","lease_ms":3600000,"wait_ms":30000}"#
            try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(long)}"#)
            try await waitUntil("it is asked") { try await waiting(agent) == 1 }
            let short = #"{"key":"k","lease_ms":60000,"wait_ms":30000}"#
            try await other.send(#"{"jsonrpc":"2.0","id":2,"method":"cache.get","params":\#(short)}"#)
            try await waitUntil("both wait") { try await waiting(agent) == 2 }
            try await client.send(#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}"#)
            try await waitUntil("one waits") { try await waiting(agent) == 1 }
            _ = try agent.server.command("CLIENT", "UNPAUSE")
            #expect(try Document.parse(try await other.receive())["result"]?["lease"] != nil)
            let life = try agent.server.command("PTTL", "cache:k").integer ?? 0
            #expect((1...60_000).contains(life), "\(life)")
        }
    }
}
