import TestSupport
import Testing

@Suite("Coherence of two agents and another client")
struct CoherenceTests {
    @Test("nobody reads what was overwritten more than 50 ms ago, nor its own past, while connections are killed")
    func briefly() async throws {
        try await CoherenceRun.check(for: .seconds(2), seed: 7)
    }

    @Test("nor half a second after it, while replies to data come late, behind the news")
    func delayed() async throws {
        try await CoherenceRun.check(for: .seconds(2), seed: 8, jitter: .milliseconds(10))
    }
}
