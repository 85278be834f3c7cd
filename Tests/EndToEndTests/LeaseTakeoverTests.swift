import JSON
import Linux
import TestSupport
import Testing

@Suite("A lease that another connection takes along")
struct LeaseTakeoverTests {
    /// Waits until as many leases are held as the agent knows.
    private func waitUntilHeld(_ count: Int64, _ agent: RunningAgent) async throws {
        try await waitUntil("the agent knows who holds something") { try await agent.leases("held") == count }
    }

    @Test("is its own or lost, where the connection that had it closes before the renewal is answered")
    func renewedBeforeTheEnd() async throws {
        try await withAgent { agent in
            var holder: LeaseClient? = try agent.lease()
            let (heir, other) = (try agent.lease(), try agent.lease())
            let held = try #require(try await holder?.result("lock.acquire", ["name": "n"]))
            try agent.server.pause()
            let renewal = try await heir.begin("lock.renew", ["lease": held["lease"] ?? .null])
            // The agent has the renewal when it answers what came behind it.
            _ = try await heir.result("agent.stats")
            holder = nil
            try await waitUntilHeld(0, agent)
            try agent.server.resume()
            #expect(try await heir.result(of: renewal)["ttl_ms"] != nil)
            #expect(try await other.result("lock.acquire", ["name": "n"])["acquired"] == false)
            #expect(try await heir.result("lock.renew", ["lease": held["lease"] ?? .null])["ttl_ms"] != nil)
        }
    }

    @Test("is lost where it is renewed while it is being released")
    func renewedAfterTheEnd() async throws {
        try await withAgent { agent in
            var holder: LeaseClient? = try agent.lease()
            let (heir, other) = (try agent.lease(), try agent.lease())
            let held = try #require(try await holder?.result("lock.acquire", ["name": "n"]))
            try agent.server.pause()
            holder = nil
            try await waitUntilHeld(0, agent)
            let renewal = try await heir.begin("lock.renew", ["lease": held["lease"] ?? .null])
            _ = try await heir.result("agent.stats")
            try agent.server.resume()
            #expect(try await heir.error(of: renewal)["kind"] == "lease_lost")
            #expect(try await other.result("lock.acquire", ["name": "n"])["acquired"] == true)
        }
    }

    @Test("is lost where it is ended before the renewal is answered")
    func endedMeanwhile() async throws {
        try await withAgent { agent in
            let (holder, heir, other) = (try agent.lease(), try agent.lease(), try agent.lease())
            let lease = try await holder.result("lock.acquire", ["name": "n"])["lease"] ?? .null
            try agent.server.pause()
            let renewal = try await heir.begin("lock.renew", ["lease": lease])
            _ = try await heir.result("agent.stats")
            let release = try await holder.begin("lock.release", ["lease": lease])
            _ = try await holder.result("agent.stats")
            try agent.server.resume()
            #expect(try await heir.error(of: renewal)["kind"] == "lease_lost")
            #expect(try await holder.result(of: release) == ["released": true])
            #expect(try await agent.leases("held") == 0)
            #expect(try await other.result("lock.acquire", ["name": "n"])["acquired"] == true)
        }
    }

    @Test("has one holder, however its renewal and the end of its connection meet", arguments: [true, false])
    func meeting(isNamed: Bool) async throws {
        try await withAgent { agent in
            let heir = try agent.lease()
            for round in 0..<150 {
                let name = "n\(round)"
                let params: Document = ["name": .string(name), "request_id": "r"]
                var holder: LeaseClient? = try agent.lease()
                let held = try #require(try await holder?.result("lock.acquire", params))
                let call =
                    if isNamed {
                        try await heir.begin("lock.acquire", params)
                    } else {
                        try await heir.begin("lock.renew", ["lease": held["lease"] ?? .null])
                    }
                if round % 2 == 0 { holder = nil }
                let reply = try await heir.reply(to: call)
                holder = nil
                let isHeirs = reply["error"] == nil
                if !isHeirs { #expect(reply["error"]?["data"]?["kind"] == "lease_lost") }
                // By the time a new connection is accepted, the agent knows of the end of the other.
                let next = try await agent.lease().result("lock.acquire", ["name": .string(name)])
                #expect(next["acquired"]?.boolean == !isHeirs, "round \(round)")
            }
        }
    }

    @Test("is released at once behind a connection that has asked much of it and closes")
    func manyRenewals() async throws {
        try await withAgent { agent in
            var holder: LeaseClient? = try agent.lease()
            let waiter = try agent.lease(limit: .seconds(25))
            let held = try #require(try await holder?.result("lock.acquire", ["name": "n"]))
            let call = try await waiter.begin("lock.acquire", ["name": "n", "wait_ms": 25_000])
            try await waitUntil("somebody waits") { try await agent.leases("waiting") == 1 }
            try agent.server.command("CONFIG", "RESETSTAT")
            try agent.server.pause()
            for _ in 0..<200 { _ = try await holder?.begin("lock.renew", ["lease": held["lease"] ?? .null]) }
            _ = try await holder?.result("agent.stats")
            holder = nil
            try await waitUntilHeld(0, agent)
            try agent.server.resume()
            #expect(try await waiter.result(of: call)["acquired"] == true)
            let calls = try #require(
                try agent.server.command("INFO", "commandstats").text?.firstMatch(of: /cmdstat_evalsha:calls=(\d+)/)
            )
            // One renewal was under way; the release, and what becomes of it, are a few more.
            #expect(try #require(Int(calls.1)) < 50)
        }
    }

    @Test("stays with its holder where the process that made the other connection has ended")
    func endedProcess() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                guard let python = Executable.find("python3") else { throw FixtureError("python3 is not installed") }
                let (holder, other) = (try agent.lease(), try agent.lease())
                let held = try await holder.result("lock.acquire", ["name": "n"])
                let script = "Tests/EndToEndTests/Clients/forked_renewer.py"
                let lease = try #require(held["lease"]?.string)
                let process = try await LaunchedProcess.start(
                    ChildProcess.Command(executable: python, arguments: [script, agent.daemon.socketPath, lease]),
                    log: "\(directory)/log",
                    output: "\(directory)/output"
                )
                try await waitUntil("the child is answered") { try !File.text("\(directory)/output").isEmpty }
                let reply = try Document.parse(try File.text("\(directory)/output"))
                #expect(reply["error"]?["data"]?["kind"] == "conflict")
                #expect(reply["error"]?["data"]?["outcome"] == "not_applied")
                #expect(try await agent.leases("held") == 1)
                #expect(try await other.result("lock.acquire", ["name": "n"])["acquired"] == false)
                #expect(try await holder.result("lock.release", ["lease": .string(lease)]) == ["released": true])
                withExtendedLifetime(process) {}
            }
        }
    }

    @Test("and is renewed without a life has the client's own, also where the agent's last renewal was shorter")
    func ownLife() async throws {
        try await withAgent { agent in
            let client = try agent.lease()
            let held = try await client.result("lock.acquire", ["name": "n", "ttl_ms": 6000, "max_hold_ms": 6500])
            // After two seconds the agent may renew it for four and a half.
            try await waitUntil("the agent renewed it", within: .seconds(20)) {
                try await agent.leases("renewals") == 1
            }
            let left = try await client.result("lock.renew", ["lease": held["lease"] ?? .null])["ttl_ms"]?.integer
            #expect(try #require(left) > 4500)
        }
    }
}
