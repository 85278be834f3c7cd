import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// How long it takes until whoever waits has what a killed process held.
@Suite(.enabled(if: Soak.isEnabled), .serialized)
struct HandoverSoak {
    private func start(_ agent: RunningAgent, _ words: [String], _ directory: String) async throws -> LaunchedProcess {
        var command = ChildProcess.Command(executable: try Product.path("rpc"))
        command.arguments = ["--socket", agent.daemon.socketPath] + words + ["--", "sleep", "1000"]
        return try await LaunchedProcess.start(command, log: "\(directory)/log")
    }

    private func report(_ what: String, _ nanoseconds: [Int64]) {
        let sorted = nanoseconds.sorted()
        let at = { (part: Double) in Double(sorted[min(Int(Double(sorted.count) * part), sorted.count - 1)]) / 1e6 }
        print("HandoverSoak: \(what): n \(sorted.count), p50 \(at(0.5)) ms, p99 \(at(0.99)) ms, max \(at(1)) ms")
    }

    @Test("of a lock over two agents, and of a lead")
    func handover() async throws {
        try await withTemporaryDirectory { directory in
            try await withTwoAgents { first, second in
                var locks: [Int64] = []
                for _ in 0..<300 {
                    let holder = try await start(first, ["lock.exec", "name=n"], directory)
                    try await waitUntil("it is held") {
                        try first.server.command("HEXISTS", "lock:{n}", "p") == .integer(1)
                    }
                    let waiter = try LeaseClient(second.daemon.socketPath)
                    let call = try await waiter.begin("lock.acquire", ["name": "n", "wait_ms": 60_000])
                    try await waitUntil("somebody waits") {
                        try first.server.command("ZCARD", "lock-queue:{n}") == .integer(1)
                    }
                    let killed = Instant.now
                    try holder.signal(SIGKILL)
                    let held = try await waiter.result(of: call)
                    locks.append(Instant.now.nanoseconds(since: killed))
                    _ = try await waiter.result("lock.release", ["lease": held["lease"] ?? .null])
                    try await holder.end()
                }
                report("lock, holder killed -9", locks)
                var leads: [Int64] = []
                for round in 0..<300 {
                    let name = "e\(round)"
                    let leader = try await start(first, ["leader.exec", "election=\(name)"], directory)
                    try await waitUntil("it leads") {
                        try first.server.command("HEXISTS", "leader:{\(name)}", "p") == .integer(1)
                    }
                    let other = try LeaseClient(first.daemon.socketPath)
                    _ = try await other.result("leader.campaign", ["election": .string(name)])
                    let killed = Instant.now
                    try leader.signal(SIGKILL)
                    _ = try await other.push("leader.elected")
                    leads.append(Instant.now.nanoseconds(since: killed))
                    try await leader.end()
                }
                report("lead, leader killed -9", leads)
            }
        }
    }
}
