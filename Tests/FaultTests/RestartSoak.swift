import TestSupport
import Testing

/// The long form of ``RestartTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct RestartSoak {
    @Test("over 200 crashes of Valkey no reply is wrong, and the counters are right up to the ambiguous increments")
    func crashes() async throws {
        let (report, recoveries) = try await RestartTests.run(
            cycles: 200,
            downtime: .milliseconds(100)...(.seconds(3))
        )
        Figures.show("RestartSoak\n\(report)\nfrom Valkey's return to success: \(Figures.words(recoveries))")
        #expect(report.memoryGrowth < 32 << 20)
        #expect(Figures.percentile(recoveries, 0.99) < .seconds(1))
    }
}
