import TestSupport
import Testing

@Suite("Coherence of stored responses")
struct ResponseCoherenceTests {
    @Test("nothing is returned that was overwritten or invalidated, through two agents, while connections are killed")
    func briefly() async throws {
        _ = try await ResponseRun.check(for: .seconds(2), seed: 4)
    }
}
