import Glibc
import Linux
import TestSupport
import Testing

/// The agent's own servers are killed while it is under load.
struct EmbeddedKillTests {
    @Test("every call is answered while the embedded servers are killed, and the agent recovers by itself")
    func kills() async throws {
        _ = try await Self.run(kills: 3, interval: .milliseconds(200)...(.milliseconds(400)))
    }

    /// Kills the embedded servers of a loaded agent again and again.
    ///
    /// - Parameters:
    ///   - kills: How often.
    ///   - interval: Bounds of the time between a recovery and the next kill.
    /// - Returns: What the load found out, and the times from a kill to the first call that succeeded.
    /// - Throws: `FixtureError` where a part of the fixture fails, or the agent does not recover.
    static func run(
        kills: Int,
        interval: ClosedRange<Duration>
    ) async throws -> (report: LoadReport, recoveries: [Duration]) {
        var plan = LoadPlan(connections: 64)
        plan.deadline = .seconds(1)
        plan.pause = .milliseconds(20)
        plan.durability = .forgetful
        plan.expectsFailures = true
        var random = SeededGenerator(seed: 11)
        return try await Machine.alone {
            try await withDaemon { daemon in
                var recoveries: [Duration] = []
                let report = try await withLoad(plan, on: daemon) { load in
                    for _ in 0..<kills {
                        try await Task.sleep(for: interval.random(using: &random))
                        let servers = try embeddedServers(of: daemon)
                        try #require(servers.count == 2)
                        for server in servers { kill(server, SIGKILL) }
                        let killed = Instant.now
                        try await waitUntil("both servers run anew", within: .seconds(30)) {
                            let running = try embeddedServers(of: daemon)
                            return running.count == 2 && Set(running).isDisjoint(with: servers)
                        }
                        // Only what is sent from now on cannot have been answered by the server that was killed.
                        let success = try await load.success(ofCallAfter: .now, within: .seconds(30))
                        recoveries.append(.nanoseconds(success.nanoseconds(since: killed)))
                    }
                }
                report.expectSound()
                return (report, recoveries)
            }
        }
    }

    private static func embeddedServers(of daemon: Daemon) throws -> [Int32] {
        try ProcessTable.children(of: daemon.process.processID).filter { child in
            // Between its start and its exec a child is still the agent.
            ProcessTable.commandLine(of: child)?.contains("-server") == true
        }
    }
}

extension ClosedRange<Duration> {
    /// A duration in the range, drawn evenly.
    func random(using generator: inout SeededGenerator) -> Duration {
        .nanoseconds(Int64.random(in: lowerBound.wholeNanoseconds...upperBound.wholeNanoseconds, using: &generator))
    }
}
