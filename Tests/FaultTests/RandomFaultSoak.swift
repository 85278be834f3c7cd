import Linux
import TestSupport
import Testing

/// The long form of ``RandomFaultTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct RandomFaultSoak {
    @Test("under faults in many orders no reply is wrong, and the agent goes on after each")
    func everyFault() async throws {
        let end = Instant.now.advanced(by: Soak.duration(.seconds(120)))
        var seed: UInt64 = 100
        while Instant.now < end {
            seed += 1
            let report = try await RandomFaultTests.run(rounds: 2, lasting: .milliseconds(300), seed: seed)
            Figures.show("RandomFaultSoak, seed \(seed)\n\(report)")
            #expect(report.memoryGrowth < 32 << 20)
        }
    }
}
