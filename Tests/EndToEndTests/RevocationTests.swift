import JSON
import TestSupport
import Testing

@Suite("A lock that an operator breaks")
struct RevocationTests {
    /// Runs `body` with two agents on one server, of which the first is behind a proxy.
    private func withProxy(_ body: (RunningAgent, FaultProxy, RunningAgent) async throws -> Void) async throws {
        try await withValkeyServer { server in
            try await withFaultProxy(to: .unix(server.socketPath), isRecording: true) { proxy in
                // From the beginning, so that the proxy knows which connections are those of news.
                proxy.faults = .dataReplies(jitter: .zero)
                try await withDaemon(arguments: ["--valkey", proxy.address.url]) { first in
                    try await withDaemon(arguments: ["--valkey", "unix://\(server.socketPath)"]) { second in
                        let agents = [first, second].map { RunningAgent(daemon: $0, server: server) }
                        for agent in agents { try await agent.becomeConnected() }
                        try await body(agents[0], proxy, agents[1])
                    }
                }
            }
        }
    }

    @Test("stays lost where the answer to a renewal that came before arrives after the news")
    func overtakenRenewal() async throws {
        try await withProxy { first, proxy, second in
            let (holder, other) = (try first.lease(), try second.lease())
            let held = try await holder.result("lock.acquire", ["name": "n", "ttl_ms": 3000])
            let lease = try #require(held["lease"]?.string).prefix(32)
            // An agent that has begun to listen asks once whether it has missed anything.
            try await waitUntil("its agent hears of revocations") { try await first.leases("renewals") == 1 }
            var faults = proxy.faults
            faults.latency = .seconds(1)
            proxy.faults = faults
            proxy.forgetCommands()
            func renewals() -> Int { proxy.commands.count { $0.words.contains { $0 == lease } } }
            try await waitUntil("it is being renewed") { renewals() == 1 }
            #expect(try await other.result("lock.break", ["name": "n"]) == ["broken": true])
            #expect(try await holder.push("lock.lost")["reason"] == "broken")
            #expect(try await first.leases("renewals") == 1)
            let waiting = try await other.begin("lock.acquire", ["name": "n", "wait_ms": 25_000])
            // Answers come in order: the renewal's is here when this one is.
            #expect(try await holder.result("lock.inspect", ["name": "n"])["locked"] == true)
            #expect(try await other.result(of: waiting)["acquired"] == true)
            #expect(renewals() == 1)
            #expect(try holder.takePushes().isEmpty)
            #expect(try await holder.result("lock.release", ["lease": held["lease"] ?? .null]) == ["released": false])
        }
    }
}
