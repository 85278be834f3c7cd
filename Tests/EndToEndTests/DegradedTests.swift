import JSON
import Linux
import TestSupport
import Testing

@testable import DevTools

@Suite("An agent whose Valkey is away")
struct DegradedTests {
    /// Every call that needs Valkey, and whether it reads as a miss without it.
    private static let calls: [(method: String, params: String, degraded: Document?)] = [
        ("cache.get", #"["k"]"#, ["hit": false, "degraded": true]),
        ("cache.get", #"{"key":"k","with_ttl":true}"#, ["hit": false, "degraded": true]),
        (
            "cache.get_many", #"[["a","b"]]"#,
            ["entries": [["hit": false, "degraded": true], ["hit": false, "degraded": true]]]
        ),
        ("cache.exists", #"["k"]"#, nil), ("cache.keys", "{}", nil), ("cache.set", #"["k",1]"#, nil),
        ("cache.set_many", #"[[{"key":"k","value":1}]]"#, nil), ("cache.delete", #"["k"]"#, nil),
        ("cache.fail", #"["k","lease"]"#, nil),
        ("cache.touch", #"["k",1000]"#, nil), ("cache.increment", #"["k"]"#, nil),
        ("cache.invalidate", #"{"all":true}"#, nil),
        ("hash.get", #"["h","f"]"#, nil), ("hash.get_all", #"["h"]"#, nil), ("hash.set", #"["h",{"f":1}]"#, nil),
        ("hash.delete", #"["h",["f"]]"#, nil), ("hash.increment", #"["h","f"]"#, nil),
    ]

    private func expectDegraded(_ client: AgentClient) async throws {
        let contract = try ContractFiles(try Project())
        for (method, params, degraded) in Self.calls {
            if let degraded {
                #expect(try await client.result(of: method, params) == degraded)
                continue
            }
            let error = try await client.error(of: method, params)
            let text = "\(method): \(error.text(style: .compact))"
            #expect(error["code"] == 1001, "\(text)")
            #expect(error["data"]?["kind"] == "unavailable", "\(text)")
            #expect(error["data"]?["retryable"] == true, "\(text)")
            // Attempts are at most so far apart, and nobody is to come back before the next.
            #expect((250...5000).contains(error["data"]?["retry_after_ms"]?.integer ?? 0), "\(text)")
            let file = try #require(contract.methods.first { $0.name == method })
            #expect(file.errors.contains("unavailable"), "\(method)")
            let outcome: Document? = file.idempotency == .read ? nil : "not_applied"
            #expect(error["data"]?["outcome"] == outcome, "\(text)")
        }
        let health = try await client.result(of: "agent.health")
        let method = try #require(contract.methods.first { $0.name == "agent.health" })
        let objection = try method.result.objection(to: health, contract.definitions)
        #expect(objection == nil, "\(health.text(style: .compact))")
        #expect(health["live"] == true)
        #expect(health["ready"] == true)
        #expect(health["degraded"] == true)
        #expect(health["stores"]?["cache"]?["connected"] == false)
        #expect(health["stores"]?["cache"]?["fault"]?.string?.isEmpty == false)
    }

    @Test("from the start misses and refuses to write, until Valkey comes", arguments: ServerKind.installed)
    func fromTheStart(kind: ServerKind) async throws {
        try await withValkeyServer(kind) { server in
            try await server.shutDown()
            try await withDaemon(arguments: ["--valkey", "unix://\(server.socketPath)"]) { daemon in
                let client = try AgentClient(daemon.socketPath)
                let health = try await client.result(of: "agent.health")
                #expect(health["stores"]?["cache"]?["server"] == .null)
                #expect(health["stores"]?["cache"]?["version"] == .null)
                try await waitUntil("the first attempt has failed") {
                    try await client.reply(to: "cache.get", #"["k"]"#).contains("degraded")
                }
                try await expectDegraded(client)
                try await server.start()
                try await waitUntil("the agent has found Valkey") {
                    try await client.reply(to: "cache.set", #"["k",1]"#).contains(#"{"stored":true}"#)
                }
                #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"] == 1)
                try await waitUntil("both stores are well") {
                    try await client.result(of: "agent.health")["degraded"] == false
                }
            }
        }
    }

    @Test("since a crash misses and refuses to write, and says in the end what it does not know")
    func later() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            #expect(try await client.result(of: "cache.set", #"["k",1]"#)["stored"] == true)
            try agent.server.pause()
            try await client.send(
                #"{"jsonrpc":"2.0","id":"n","method":"cache.increment","params":["n"]}"#,
                #"{"jsonrpc":"2.0","id":"g","method":"cache.get","params":["k"]}"#
            )
            let other = try agent.connect()
            try await waitUntil("the calls run") { try await other.result(of: "agent.stats")["calls"]?["running"] == 2 }
            agent.server.kill()
            let replies = try await client.receive(2).map { try Document.parse($0) }
            let increment = try #require(replies.first { $0["id"] == "n" }?["error"])
            #expect(increment["code"] == 1006)
            #expect(increment["data"]?["outcome"] == "unknown")
            #expect(increment["data"]?["retryable"] == false)
            #expect(replies.first { $0["id"] == "g" }?["result"] == ["hit": false, "degraded": true])
            try await expectDegraded(client)
            try await agent.server.start()
            try await waitUntil("the agent has found Valkey") {
                try await client.reply(to: "cache.increment", #"["n"]"#).contains("result")
            }
        }
    }

    @Test("answers within the deadline where Valkey hangs, and says what became of the effect")
    func hanging() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            try agent.server.pause()
            let calls: [(method: String, params: String, outcome: Document?)] = [
                ("cache.get", #"{"key":"k","_meta":{"deadline_ms":50}}"#, nil),
                ("cache.set", #"{"key":"k","value":1,"_meta":{"deadline_ms":50}}"#, "unknown"),
                ("cache.increment", #"{"key":"n","_meta":{"deadline_ms":50}}"#, "unknown"),
                ("cache.invalidate", #"{"all":true,"_meta":{"deadline_ms":50}}"#, "not_applied"),
            ]
            for (method, params, outcome) in calls {
                let error = try await client.error(of: method, params)
                #expect(error["code"] == 1002, "\(method): \(error.text(style: .compact))")
                #expect(error["data"]?["outcome"] == outcome, "\(method): \(error.text(style: .compact))")
            }
            #expect(try await client.result(of: "agent.ping") == ["pong": true])
            try agent.server.resume()
            // What was given up is not mistaken for what follows.
            #expect(try await client.result(of: "cache.set", #"["k",2]"#)["stored"] == true)
            #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"] == 2)
        }
    }

    @Test("answers reads with an error in the namespaces that are configured so, and with misses in all others")
    func errorsByNamespace() async throws {
        let configuration = #"{"cache":{"degraded":"error"},"namespaces":{"lenient":{"degraded":"miss"}}}"#
        try await withAgent(configuration: configuration) { agent in
            let client = try agent.connect()
            agent.server.kill()
            try await waitUntil("the agent has noticed") {
                try await client.result(of: "agent.health")["degraded"] == true
            }
            let reads: [(method: String, members: String)] = [
                ("cache.get", #""key":"k""#), ("cache.get", #""key":"k","with_ttl":true"#),
                ("cache.get", #""key":"k","lease_ms":1000"#), ("cache.get_many", #""keys":["k","l"]"#),
            ]
            for (method, members) in reads {
                for namespace in ["", #","namespace":"other""#] {
                    let error = try await client.error(of: method, "{\(members)\(namespace)}")
                    #expect(error["data"]?["kind"] == "unavailable", "\(method) \(members)")
                    #expect(error["data"]?["retry_after_ms"]?.integer ?? 0 > 0, "\(method) \(members)")
                }
                let result = try await client.result(of: method, #"{\#(members),"namespace":"lenient"}"#)
                let entries = result["entries"]?.array ?? [result]
                #expect(entries.allSatisfy { $0["hit"] == false && $0["degraded"] == true }, "\(method) \(members)")
            }
            let lease = try await client.result(of: "cache.get", #"{"key":"l","namespace":"lenient","lease_ms":9000}"#)
            #expect(lease["lease"]?.string?.isEmpty == false)
        }
    }

    @Test("says that a store refuses writes, until it takes them again", arguments: ServerKind.installed)
    func refusedWrites(kind: ServerKind) async throws {
        try await withAgent(kind) { agent in
            let client = try agent.connect()
            _ = try agent.server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
            _ = try agent.server.command("CONFIG", "SET", "maxmemory", "1")
            let error = try await client.error(of: "cache.set", #"["k",1]"#)
            #expect(error["data"]?["outcome"] == "not_applied")
            #expect(error["data"]?["retryable"] == true)
            var health = try await client.result(of: "agent.health")
            #expect(health["degraded"] == true)
            let warning = "the cache store refuses writes: OOM; the server is at its maxmemory"
            #expect(health["warnings"]?.array?.contains(.string(warning)) == true)
            _ = try agent.server.command("CONFIG", "SET", "maxmemory", "0")
            _ = try await client.result(of: "cache.set", #"["k",1]"#)
            health = try await client.result(of: "agent.health")
            #expect(health["degraded"] == false)
            #expect(health["warnings"]?.array?.contains(.string(warning)) == false)
        }
    }

    @Test("knows it although nobody calls, and knows when it is back")
    func idle() async throws {
        try await withAgent(configuration: #"{"cache":{"tier":"valkey"}}"#) { agent in
            let client = try agent.connect()
            func isDegraded() async throws -> Bool {
                // Answered from what the agent knows: nothing is asked of Valkey.
                try await client.result(of: "agent.health")["degraded"] == true
            }
            #expect(try await !isDegraded())
            // What the agent asks by itself, shortly after its start, is answered by then.
            try await Task.sleep(for: .milliseconds(1500))
            try agent.server.pause()
            try await waitUntil("the store that hangs is known", within: .seconds(30), isDegraded)
            try agent.server.resume()
            try await waitUntil("it is known to be back", within: .seconds(30)) { try await !isDegraded() }
        }
    }
}
