import TestSupport
import Testing

@Suite(.enabled(if: Soak.isEnabled))
struct LeaderSoak {
    @Test("500 rounds of partition and pause")
    func rounds() async throws {
        let outcome = try await LeaderRun(rounds: 500).run()
        print("LeaderSoak: \(outcome)")
        outcome.expectSound()
    }
}
