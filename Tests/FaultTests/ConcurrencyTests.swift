import TestSupport
import Testing

/// Many connections at once, nothing broken.
struct ConcurrencyTests {
    @Test("mixed calls on 200 connections at once are all answered rightly")
    func mixedCalls() async throws {
        let report = try await Self.run(connections: 200, lasting: .milliseconds(2500))
        #expect(report.memoryGrowth < 64 << 20)
    }

    /// Loads an agent with its own servers.
    ///
    /// - Returns: What the load found out; that every reply was right has been expected already.
    static func run(connections: Int, lasting duration: Duration) async throws -> LoadReport {
        try await Machine.alone {
            try await withDaemon { daemon in
                let report = try await withLoad(LoadPlan(connections: connections), on: daemon) { _ in
                    try await Task.sleep(for: duration)
                }
                report.expectSound()
                #expect(report.failures.isEmpty)
                return report
            }
        }
    }
}
