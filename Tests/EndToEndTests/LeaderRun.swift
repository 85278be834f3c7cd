import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// Two candidates of two agents, of which the leader's is cut off from Valkey or stands still, round after round.
struct LeaderRun {
    /// How often the leader's agent meets a fault.
    var rounds: Int
    /// Life of a lead in milliseconds; faults last up to twice that.
    var life: Int64 = 1000
    /// What the choice of faults is drawn from.
    var seed: UInt64 = 1

    /// What came of a run.
    struct Outcome {
        var terms = 0
        var overlaps = 0
        /// Overlaps in which the first one's own agent stood still, and whose term was stale.
        var overlapsExplained = 0
        var decreasingTerms = 0
        var faults: [String: Int] = [:]
    }

    /// A candidate as it sees itself.
    private final class Candidate {
        let client: LeaseClient
        let daemon: Daemon
        let proxy: FaultProxy
        /// The term in which it believes to lead.
        var term: Int64?
        /// When its agent last went on after it had stood still; in the future while it does.
        var pauseEnd: Instant?

        /// Whether its agent stands still, or did just now: it needs a moment to find out.
        var isPaused: Bool { pauseEnd.map { Instant.now < $0.advanced(by: .seconds(2)) } ?? false }

        init(_ client: LeaseClient, _ daemon: Daemon, _ proxy: FaultProxy) {
            self.client = client
            self.daemon = daemon
            self.proxy = proxy
        }
    }

    /// Runs it.
    func run() async throws -> Outcome {
        try await withValkeyServer { server in
            try await withFaultProxy(to: .unix(server.socketPath)) { first in
                try await withFaultProxy(to: .unix(server.socketPath)) { second in
                    try await withDaemon(arguments: ["--valkey", first.address.url]) { one in
                        try await withDaemon(arguments: ["--valkey", second.address.url]) { other in
                            try await run([(one, first), (other, second)], server)
                        }
                    }
                }
            }
        }
    }

    private func run(_ agents: [(Daemon, FaultProxy)], _ server: ValkeyServer) async throws -> Outcome {
        var candidates: [Candidate] = []
        for (daemon, proxy) in agents {
            try await RunningAgent(daemon: daemon, server: server).becomeConnected()
            let candidate = Candidate(try LeaseClient(daemon.socketPath), daemon, proxy)
            let params: Document = ["election": "e", "ttl_ms": .integer(life)]
            candidate.term = try await candidate.client.result("leader.campaign", params)["term"]?.integer
            candidates.append(candidate)
        }
        var generator = SeededGenerator(seed: seed)
        var outcome = Outcome()
        var last: Int64 = 0
        for _ in 0..<rounds {
            let deadline = Instant.now.advanced(by: .seconds(30))
            while !candidates.contains(where: { $0.term != nil }) {
                try look(candidates, &outcome, &last)
                guard Instant.now < deadline else { throw FixtureError("nobody leads") }
                try await Task.sleep(for: .milliseconds(1))
            }
            guard let leader = candidates.max(by: { $0.term ?? 0 < $1.term ?? 0 }) else { continue }
            let isPause = Bool.random(using: &generator)
            let length = Duration.milliseconds(Int64.random(in: 0...(2 * life), using: &generator))
            outcome.faults[isPause ? "agent paused" : "agent cut off", default: 0] += 1
            if isPause {
                leader.pauseEnd = Instant.now.advanced(by: .seconds(3600))
                try leader.daemon.process.signal(SIGSTOP)
            } else {
                leader.proxy.faults = .blackHole
            }
            let end = Instant.now.advanced(by: length)
            while Instant.now < end {
                try look(candidates, &outcome, &last)
                try await Task.sleep(for: .milliseconds(1))
            }
            if isPause {
                try leader.daemon.process.signal(SIGCONT)
                leader.pauseEnd = .now
            } else {
                leader.proxy.faults = .none
            }
        }
        return outcome
    }

    /// Takes what the candidates were told, and counts those who believe that they lead.
    private func look(_ candidates: [Candidate], _ outcome: inout Outcome, _ last: inout Int64) throws {
        for candidate in candidates {
            for push in try candidate.client.takePushes() {
                let term = push["params"]?["term"]?.integer
                switch push["method"]?.string {
                case "leader.elected":
                    outcome.terms += 1
                    if term ?? 0 <= last { outcome.decreasingTerms += 1 }
                    last = max(last, term ?? 0)
                    candidate.term = term
                case "leader.lost":
                    if candidate.term == term { candidate.term = nil }
                default: continue
                }
            }
        }
        // What came in one look came in no known order: only beliefs that outlast it count.
        let believers = candidates.filter { $0.term != nil }.sorted { $0.term ?? 0 < $1.term ?? 0 }
        guard believers.count == 2, let first = believers.first else { return }
        outcome.overlaps += 1
        if first.isPaused { outcome.overlapsExplained += 1 }
    }
}

extension LeaderRun.Outcome {
    /// Expects what elections promise.
    func expectSound() {
        #expect(decreasingTerms == 0)
        #expect(overlaps == overlapsExplained)
        #expect(terms > 0)
    }
}

@Suite("An election while agents are cut off and stand still")
struct LeaderRunTests {
    @Test("has two who believe that they lead only where the first one's agent stood still")
    func quick() async throws {
        try await LeaderRun(rounds: 6).run().expectSound()
    }
}
