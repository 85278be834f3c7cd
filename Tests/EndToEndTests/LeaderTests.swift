import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("Leaders")
struct LeaderTests {
    @Test("lead one at a time, in terms that rise, and everybody is told")
    func succession() async throws {
        try await withTwoAgents { first, second in
            let observer = try second.lease()
            let nobody = try await observer.result("leader.observe", ["election": "e"])
            #expect(nobody["leader"] == nil && nobody["term"] == 0)
            var term: Int64 = 0
            var candidates: [(client: LeaseClient, name: Document)] = []
            for index in 0..<3 {
                let client = try (index % 2 == 0 ? first : second).lease(limit: .seconds(10))
                let label = Document.string("candidate \(index)")
                let result = try await client.result("leader.campaign", ["election": "e", "label": label])
                #expect(result["leader"] == .boolean(index == 0))
                if index == 0 { term = try #require(result["term"]?.integer) }
                candidates.append((client, result["subscription"] ?? .null))
            }
            #expect(try await changed(observer) == ["candidate 0", .integer(term)])
            // The first ends as a connection does, the second resigns.
            candidates.removeFirst()
            for (client, name) in candidates {
                let elected = try await client.push("leader.elected")
                #expect(elected["subscription"] == name && elected["election"] == "e")
                let next = try #require(elected["term"]?.integer)
                #expect(next > term)
                term = next
                #expect(try await changed(observer)[1] == .integer(term))
                #expect(try await client.result("leader.resign", ["subscription": name]) == ["resigned": true])
            }
            #expect(try await observer.push("leader.changed")["leader"] == .null)
        }
    }

    /// Label and term of the next change to somebody.
    private func changed(_ observer: LeaseClient) async throws -> [Document] {
        while true {
            let push = try await observer.push("leader.changed")
            if let label = push["leader"]?["label"] { return [label, push["term"] ?? .null] }
        }
    }

    @Test("stop believing it while Valkey cannot be reached, and lead again afterwards")
    func unreachable() async throws {
        try await withAgent { agent in
            let client = try agent.lease()
            let result = try await client.result("leader.campaign", ["election": "e", "ttl_ms": 600])
            #expect(result["leader"] == true)
            try agent.server.pause()
            let lost = try await client.push("leader.lost")
            #expect(lost["reason"] == "unreachable")
            #expect(lost["term"] == result["term"])
            try agent.server.resume()
            let elected = try await client.push("leader.elected")
            #expect(elected["term"]?.integer ?? 0 > result["term"]?.integer ?? 0)
        }
    }

    @Test("whose agent is paused past the term are replaced, and learn of it first of all")
    func pausedAgent() async throws {
        try await withTwoAgents { first, second in
            let (leader, other) = (try first.lease(), try second.lease())
            let params: Document = ["election": "e", "ttl_ms": 600]
            let before = try await leader.result("leader.campaign", params)
            #expect(try await other.result("leader.campaign", params)["leader"] == false)
            try first.daemon.process.signal(SIGSTOP)
            let elected = try await other.push("leader.elected")
            try first.daemon.process.signal(SIGCONT)
            #expect(elected["term"]?.integer ?? 0 > before["term"]?.integer ?? 0)
            let lost = try await leader.push("leader.lost")
            #expect(lost["term"] == before["term"])
            #expect(try await leader.result("leader.observe", ["election": "e"])["term"] == elected["term"])
        }
    }

    @Test("that run out with nobody to follow are noticed by those who look")
    func runsOut() async throws {
        try await withTwoAgents { first, second in
            let observer = try second.lease(limit: .seconds(10))
            let leader = try first.lease()
            _ = try await leader.result("leader.campaign", ["election": "e", "ttl_ms": 500])
            #expect(try await observer.result("leader.observe", ["election": "e"])["leader"] != nil)
            first.daemon.kill()
            #expect(try await observer.push("leader.changed")["leader"] == .null)
        }
    }

    @Test("a candidate that leads at once is told so by rpc, and one that does not waits for the news")
    func campaigning() async throws {
        try await withAgent { agent in
            let words = ["--socket", agent.daemon.socketPath, "leader.campaign", "election=x", "--count", "1"]
            let first = try await runRPC(words)
            #expect(first.status == .exited(0), "\(first.standardError)")
            let told = try Document.parse(first.standardOutput)
            #expect(told["leader"] == true && told["term"]?.integer ?? 0 > 0, "\(first.standardOutput)")
            try await waitUntil("the first has resigned") {
                let observer = try agent.connect()
                return try await observer.result(of: "leader.observe", #"{"election":"x"}"#)["leader"] == nil
            }
            let client = try agent.connect()
            _ = try await client.result(of: "leader.campaign", #"{"election":"x"}"#)
            let second = try await runRPC(words + ["--for", "100ms"])
            #expect(second.status == .exited(7), "\(second.standardOutput)")
            #expect(second.standardOutput == "")
        }
    }

    @Test("who leads now is the first that rpc tells an observer")
    func observing() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let words = ["--socket", agent.daemon.socketPath, "leader.observe", "election=x", "--count", "1"]
            let before = try await runRPC(words)
            #expect(before.status == .exited(0))
            #expect(try Document.parse(before.standardOutput)["term"] == 0, "\(before.standardOutput)")
            let won = try await client.result(of: "leader.campaign", #"{"election":"x","label":"app-1"}"#)
            let after = try await runRPC(words)
            #expect(try Document.parse(after.standardOutput)["leader"]?["label"] == "app-1", "\(after.standardOutput)")
            #expect(try Document.parse(after.standardOutput)["term"] == won["term"])
        }
    }
}
