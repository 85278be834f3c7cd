import TestSupport
import Testing

@Suite("Coherence for long", .enabled(if: Soak.isEnabled))
struct CoherenceSoak {
    @Test("nobody reads what was overwritten more than 50 ms ago, nor its own past, for minutes")
    func forLong() async throws {
        try await CoherenceRun.check(for: Soak.duration(.seconds(300)), seed: 1)
    }

    @Test("nor does anybody in a million operations while replies to data come late, behind the news")
    func delayed() async throws {
        let duration = Soak.duration(.seconds(60))
        try await CoherenceRun.check(for: duration, operations: 1_000_000, seed: 2, jitter: .milliseconds(2))
    }
}
