import Linux
import TestSupport
import Testing

/// Valkey is there and answers nothing.
struct BlackHoleTests {
    @Test("every call is answered while what is sent to Valkey disappears, and the agent goes on afterwards")
    func blackHole() async throws {
        let report = try await Self.blackHole(lasting: .seconds(2))
        #expect(report.memoryGrowth < 32 << 20)
    }

    @Test("every call is answered while Valkey stands still, and the agent goes on afterwards")
    func stops() async throws {
        let report = try await Self.stops(2, lasting: .milliseconds(700))
        #expect(report.memoryGrowth < 32 << 20)
    }

    private static var plan: LoadPlan {
        var plan = LoadPlan(connections: 64)
        plan.pause = .milliseconds(20)
        plan.deadline = .milliseconds(300)
        plan.durability = .delayed
        plan.expectsFailures = true
        return plan
    }

    /// Lets all that passes between agent and Valkey disappear for a while.
    ///
    /// - Returns: What the load found out.
    static func blackHole(lasting duration: Duration) async throws -> LoadReport {
        try await Machine.alone {
            try await withValkeyServer { server in
                try await withFaultProxy(to: .unix(server.socketPath)) { proxy in
                    try await withDaemon(arguments: ["--valkey", proxy.address.url]) { daemon in
                        let report = try await withLoad(plan, on: daemon) { load in
                            _ = try await load.success(ofCallAfter: .now, within: .seconds(10))
                            proxy.faults = .blackHole
                            try await Task.sleep(for: duration)
                            proxy.faults = .none
                            _ = try await load.success(ofCallAfter: .now, within: .seconds(20))
                        }
                        report.expectSound()
                        #expect(proxy.counters.swallowedBytes > 0)
                        try report.expectCounters(in: server)
                        return report
                    }
                }
            }
        }
    }

    /// Stops Valkey's process for a while and lets it run on, over and over.
    ///
    /// - Returns: What the load found out.
    static func stops(_ count: Int, lasting duration: Duration) async throws -> LoadReport {
        try await Machine.alone {
            try await withValkeyServer { server in
                try await withDaemon(arguments: ["--valkey", "unix://\(server.socketPath)"]) { daemon in
                    let report = try await withLoad(plan, on: daemon) { load in
                        for _ in 0..<count {
                            _ = try await load.success(ofCallAfter: .now, within: .seconds(20))
                            try server.pause()
                            try await Task.sleep(for: duration)
                            try server.resume()
                        }
                        _ = try await load.success(ofCallAfter: .now, within: .seconds(20))
                    }
                    report.expectSound()
                    try report.expectCounters(in: server)
                    return report
                }
            }
        }
    }
}
