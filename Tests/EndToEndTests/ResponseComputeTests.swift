import JSON
import Linux
import TestSupport
import Testing

@Suite("A missing response is computed once")
struct ResponseComputeTests {
    private static let identity = #""model":"m","scope":"s","prompt":"p""#
    private static let get = #"{\#(identity),"lease_ms":60000,"wait_ms":60000}"#

    /// Runs `body` with two agents on one server.
    private func withTwo(_ body: (RunningAgent, RunningAgent) async throws -> Void) async throws {
        try await withAgent { first in
            try await withDaemon(arguments: ["--valkey", "unix://\(first.server.socketPath)"]) { daemon in
                let second = RunningAgent(daemon: daemon, server: first.server)
                try await second.becomeConnected()
                try await body(first, second)
            }
        }
    }

    private func begin(_ client: AgentClient, _ params: String = get) async throws {
        try await client.send(#"{"jsonrpc":"2.0","id":1,"method":"response.get","params":\#(params)}"#)
    }

    private func result(_ client: AgentClient) async throws -> Document {
        try #require(try Document.parse(try await client.receive())["result"])
    }

    private func put(_ response: String, lease: String, more: String = "") -> String {
        #"{\#(Self.identity),"response":\#(response),"lease":"\#(lease)"\#(more)}"#
    }

    private func waiting(_ agents: RunningAgent...) async throws -> Int64 {
        var sum: Int64 = 0
        for agent in agents {
            sum += try await agent.connect().result(of: "agent.stats")["responses"]?["waiting"]?.integer ?? 0
        }
        return sum
    }

    @Test("by the first who asks; the others get what it stored, on both hosts, also as a stream")
    func value() async throws {
        try await withTwo { first, second in
            let clients = try (0..<100).map { try ($0 % 2 == 0 ? first : second).connect() }
            for client in clients { try await begin(client) }
            let (computer, lease) = try await clients.onlyComputer { try await waiting(first, second) == 99 }
            let streaming = try second.connect()
            try await begin(streaming, #"{\#(Self.identity),"lease_ms":60000,"wait_ms":60000,"stream":"at_once"}"#)
            try await waitUntil("one more waits") { try await waiting(first, second) == 100 }
            let chunks = #""chunks":[{"delay_ms":1,"chunk":"a"},{"delay_ms":1,"chunk":"b"}]"#
            let stored = try await computer.result(
                of: "response.put",
                #"{\#(Self.identity),\#(chunks),"lease":"\#(lease)"}"#
            )
            #expect(stored["stored"] == true)
            for client in clients where client !== computer {
                #expect(try await result(client)["chunks"]?.array?.count == 2)
            }
            #expect(try await streaming.receive().contains(#""index":0,"chunk":"a""#))
            #expect(try await streaming.receive().contains(#""index":1,"chunk":"b""#))
            #expect(try await result(streaming)["chunk_count"] == 2)
            let stats = try await [first, second].asyncSum {
                try await $0.connect().result(of: "response.stats")["hits"]?.integer
            }
            #expect(stats == 100)
        }
    }

    @Test(
        "by the next who waits, at once, when the first has gone or gives up",
        arguments: [true, false],
        [true, false]
    )
    func handOver(isSameHost: Bool, isGone: Bool) async throws {
        try await withTwo { first, second in
            var computer: AgentClient? = try first.connect()
            let waiters = try (0..<2).map { _ in try (isSameHost ? first : second).connect() }
            try await begin(try #require(computer))
            let begun = try await result(try #require(computer))
            #expect(begun["lease"] != nil)
            let fingerprint = try #require(begun["fingerprint"]?.string)
            for waiter in waiters { try await begin(waiter) }
            try await waitUntil("the next ones wait") { try await waiting(first, second) == 2 }
            if isGone {
                computer = nil
            } else {
                let params = #"{"fingerprint":"\#(fingerprint)"}"#
                #expect(try await computer?.result(of: "response.invalidate", params) == ["invalidated": 0])
            }
            try await waitUntil("one goes on waiting") { try await waiting(first, second) == 1 }
            var heir: (AgentClient, String)?
            try await waitUntil("one has its turn") {
                for waiter in waiters {
                    guard let reply = try waiter.receivedMessage() else { continue }
                    heir = (waiter, try #require(try Document.parse(reply)["result"]?["lease"]?.string))
                }
                return heir != nil
            }
            let (client, lease) = try #require(heir)
            #expect(try await client.result(of: "response.put", put("7", lease: lease))["stored"] == true)
            for waiter in waiters where waiter !== client { #expect(try await result(waiter)["response"] == 7) }
        }
    }

    @Test("and an incomplete response passes the turn on")
    func incomplete() async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            let next = try agent.connect()
            let lease = try await computer.result(of: "response.get", Self.get)["lease"]?.string ?? ""
            try await begin(next)
            try await waitUntil("the next waits") { try await waiting(agent) == 1 }
            let refused = put(#"{"error":{"code":500}}"#, lease: lease)
            #expect(try await computer.result(of: "response.put", refused)["stored"] == false)
            #expect(try await result(next)["lease"] != nil)
        }
    }

    @Test("and a lease is void once the response was stored or invalidated by others")
    func void() async throws {
        try await withTwo { first, second in
            let computer = try first.connect()
            let other = try second.connect()
            for (method, params) in [
                ("response.put", #"{\#(Self.identity),"response":"other"}"#),
                ("response.invalidate", #"{"model":"m"}"#), ("response.invalidate", #"{"scope":"s"}"#),
            ] {
                let begun = try await computer.result(of: "response.get", #"{\#(Self.identity),"lease_ms":60000}"#)
                let lease = try #require(begun["lease"]?.string, "\(method)")
                _ = try await other.result(of: method, params)
                let error = try await computer.error(of: "response.put", put("1", lease: lease))
                #expect(error["data"]?["kind"] == "lease_void", "\(method) \(params)")
                let fingerprint = try #require(begun["fingerprint"]?.string)
                _ = try await other.result(of: "response.invalidate", #"{"fingerprint":"\#(fingerprint)"}"#)
            }
        }
    }

    @Test("and an entry that went out of date while it was there is computed anew")
    func outOfDate() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for what in [#""model":"m""#, #""tags":["t"]"#] {
                _ = try await client.result(of: "response.put", #"{\#(Self.identity),"response":"old","tags":["t"]}"#)
                _ = try await client.result(of: "response.invalidate", "{\(what)}")
                let lease = try #require(try await client.result(of: "response.get", Self.get)["lease"]?.string)
                let stored = try await client.result(of: "response.put", put(#""new""#, lease: lease))
                #expect(stored["stored"] == true)
                #expect(try await client.result(of: "response.get", "{\(Self.identity)}")["response"] == "new")
            }
        }
    }

    @Test("and who waited long enough has a plain miss, a deadline before that is an error, a lease ends by its time")
    func time() async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            let other = try agent.connect()
            #expect(try await computer.result(of: "response.get", Self.get)["lease"] != nil)
            let impatient = try await other.result(of: "response.get", #"{\#(Self.identity),"lease_ms":1}"#)
            #expect(impatient["hit"] == false && impatient["lease"] == nil)
            let deadline = #"{\#(Self.identity),"lease_ms":1,"wait_ms":60000,"_meta":{"deadline_ms":60}}"#
            #expect(try await other.error(of: "response.get", deadline)["data"]?["kind"] == "deadline_exceeded")
            let short = #""model":"m","scope":"s","prompt":"other","wait_ms":60000,"lease_ms":"#
            #expect(try await computer.result(of: "response.get", "{\(short)50}")["lease"] != nil)
            #expect(try await other.result(of: "response.get", "{\(short)60000}")["lease"] != nil)
        }
    }

    @Test("and a client that leaves while it waits leaves nothing behind")
    func leaving() async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            #expect(try await computer.result(of: "response.get", Self.get)["lease"] != nil)
            var waiter: AgentClient? = try agent.connect()
            try await begin(try #require(waiter))
            try await waitUntil("it waits") { try await waiting(agent) == 1 }
            waiter = nil
            try await waitUntil("nothing is left of it") {
                let stats = try await computer.result(of: "agent.stats")
                return stats["responses"]?["waiting"] == 0 && stats["calls"]?["running"] == 0
            }
        }
    }

    @Test("also when news is missed because the connection that tells it breaks at that very moment")
    func missedNews() async throws {
        try await withTwo { first, second in
            for round in 0..<20 {
                let prompt = #""model":"m","scope":"s","prompt":"\#(round)""#
                let computer = try first.connect()
                let next = try second.connect()
                let get = #"{\#(prompt),"lease_ms":60000,"wait_ms":60000}"#
                let lease = try #require(try await computer.result(of: "response.get", get)["lease"]?.string)
                try await begin(next, get)
                try await waitUntil("the next waits") { try await waiting(second) == 1 }
                try first.server.command("CLIENT", "KILL", "TYPE", "pubsub")
                let put = #"{\#(prompt),"response":\#(round),"lease":"\#(lease)"}"#
                #expect(try await computer.result(of: "response.put", put)["stored"] == true)
                #expect(try await result(next)["response"]?.integer == Int64(round))
            }
        }
    }

    @Test("and those who wait have a miss, or the lease, when Valkey goes away or comes back with nothing")
    func restart() async throws {
        try await withAgent { agent in
            let computer = try agent.connect()
            let next = try agent.connect()
            #expect(try await computer.result(of: "response.get", Self.get)["lease"] != nil)
            try await begin(next)
            try await waitUntil("the next waits") { try await waiting(agent) == 1 }
            agent.server.kill()
            try await agent.server.start()
            let result = try await result(next)
            #expect(result["hit"] == false)
            #expect(result["lease"] != nil || result["degraded"] == true)
        }
    }

    @Test("and a notification, whose answer nobody gets, takes no lease")
    func notification() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            try await client.send(#"{"jsonrpc":"2.0","method":"response.get","params":\#(Self.get)}"#)
            #expect(try await client.result(of: "response.get", Self.get)["lease"] != nil)
        }
    }

    @Test("and with a tag that was invalidated since it was asked for it is not stored, through whichever agent")
    func tags() async throws {
        try await withTwo { first, second in
            let (computer, other) = (try first.connect(), try second.connect())
            let next = try second.connect()
            let lease = try await computer.result(of: "response.get", Self.get)["lease"]?.string ?? ""
            try await begin(next)
            try await waitUntil("the next waits") { try await waiting(second) == 1 }
            #expect(try await other.result(of: "response.invalidate", #"{"tags":["u","t"]}"#) == [:])
            let error = try await other.error(
                of: "response.put",
                put("1", lease: lease, more: #","tags":["other","t"]"#)
            )
            #expect(error["data"]?["kind"] == "lease_void" && error["data"]?["outcome"] == "not_applied")
            let granted = try await result(next)
            let token = try #require(granted["lease"]?.string)
            let tagged = put("2", lease: token, more: #","tags":["t"]"#)
            #expect(try await next.result(of: "response.put", tagged)["stored"] == true)
            #expect(try await other.result(of: "response.get", "{\(Self.identity)}")["response"] == 2)
            // What is stored without a lease is of its writer's own knowledge.
            _ = try await other.result(of: "response.invalidate", #"{"tags":["t"]}"#)
            #expect(try await other.result(of: "response.get", "{\(Self.identity)}")["hit"] == false)
            let plain = #"{\#(Self.identity),"response":3,"tags":["t"]}"#
            #expect(try await other.result(of: "response.put", plain)["stored"] == true)
            #expect(try await computer.result(of: "response.get", "{\(Self.identity)}")["response"] == 3)
        }
    }

    @Test(
        "by the next who waits, also where nobody tells that the lease is over",
        arguments: [
            ["FLUSHALL"], ["response.invalidate", #"{"model":"m"}"#], ["response.invalidate", #"{"scope":"s"}"#],
        ]
    )
    func silentEnd(end: [String]) async throws {
        try await withTwo { first, second in
            let computer = try first.connect()
            let next = try second.connect()
            #expect(try await computer.result(of: "response.get", Self.get)["lease"] != nil)
            try await begin(next)
            try await waitUntil("the next waits") { try await waiting(second) == 1 }
            if end.count == 1 {
                try first.server.command(end[0])
            } else {
                #expect(try await computer.result(of: end[0], end[1]) == [:])
            }
            // It would wait for a minute.
            #expect(try await result(next)["lease"] != nil)
        }
    }

    @Test("also where Valkey refuses to tell of news: then those who wait look from time to time")
    func untold() async throws {
        try await withAgent { agent in
            try agent.server.command("ACL", "SETUSER", "default", "-subscribe", "-psubscribe", "-publish")
            let computer = try agent.connect()
            let next = try agent.connect()
            let lease = try await computer.result(of: "response.get", Self.get)["lease"]?.string ?? ""
            try await begin(next)
            try await waitUntil("the next waits") { try await waiting(agent) == 1 }
            #expect(try await computer.result(of: "response.put", put("7", lease: lease))["stored"] == true)
            #expect(try await result(next)["response"] == 7)
        }
    }
}

extension Array {
    fileprivate func asyncSum(_ value: (Element) async throws -> Int64?) async throws -> Int64 {
        var sum: Int64 = 0
        for element in self { sum += try await value(element) ?? 0 }
        return sum
    }
}
