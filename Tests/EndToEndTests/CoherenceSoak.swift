import TestSupport
import Testing

@Suite("Coherence for long", .enabled(if: Soak.isEnabled))
struct CoherenceSoak {
    @Test("nobody reads what was overwritten more than 50 ms ago, nor its own past, for minutes")
    func forLong() async throws {
        try await CoherenceRun.check(for: Soak.duration(.seconds(300)), seed: 1)
    }
}
