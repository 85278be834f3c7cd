import Linux
import TestSupport
import Testing

/// An external Valkey that keeps all it acknowledges crashes and comes back while the agent is under load.
struct RestartTests {
    @Test("over crashes of Valkey no reply is wrong and no increment is lost or counted twice unnoticed")
    func crashes() async throws {
        _ = try await Self.run(cycles: 5, downtime: .milliseconds(100)...(.milliseconds(300)))
    }

    /// Kills Valkey and starts it again, over and over, under a load of reads, sets and increments.
    ///
    /// - Parameters:
    ///   - cycles: How often.
    ///   - downtime: Bounds of the time between a kill and the next start.
    /// - Returns: What the load found out, and the times from Valkey's answering again to the first call that succeeded.
    /// - Throws: `FixtureError` where a part of the fixture fails, or the agent does not recover.
    static func run(
        cycles: Int,
        downtime: ClosedRange<Duration>
    ) async throws -> (report: LoadReport, recoveries: [Duration]) {
        var plan = LoadPlan(connections: 64)
        // Without a pause Valkey mostly has increments that it has carried out and not yet answered, when it is killed.
        plan.depth = 2
        plan.calls = [.set, .get, .setAndGet, .increment, .increment, .increment, .counter, .getMany, .shared]
        plan.deadline = .seconds(2)
        plan.expectsFailures = true
        var random = SeededGenerator(seed: 5)
        return try await Machine.alone {
            try await withValkeyServer(arguments: ["--appendonly", "yes", "--appendfsync", "always"]) { server in
                try await withDaemon(arguments: ["--valkey", "unix://\(server.socketPath)"]) { daemon in
                    var recoveries: [Duration] = []
                    let report = try await withLoad(plan, on: daemon) { load in
                        for _ in 0..<cycles {
                            let busy = (Duration.milliseconds(50)...(.milliseconds(250))).random(using: &random)
                            try await Task.sleep(for: busy)
                            server.kill()
                            await load.expectSuccess(ofCallAfter: .now)
                            try await Task.sleep(for: downtime.random(using: &random))
                            try await server.start()
                            let listening = Instant.now
                            let success = try await load.expectedSuccess(within: .seconds(20))
                            recoveries.append(.nanoseconds(max(success.nanoseconds(since: listening), 0)))
                        }
                    }
                    report.expectSound()
                    try report.expectCounters(in: server)
                    return (report, recoveries)
                }
            }
        }
    }
}
