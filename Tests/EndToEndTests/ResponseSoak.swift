import TestSupport
import Testing

/// The long form of ``ResponseCoherenceTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct ResponseSoak {
    @Test("nothing is returned that was overwritten or invalidated, for minutes")
    func forLong() async throws {
        let history = try await ResponseRun.check(for: Soak.duration(.seconds(300)), seed: 1)
        let (hits, misses) = (await history.hits, await history.misses)
        File.writeToStandardError("ResponseSoak: \(hits) hits, \(misses) misses\n")
    }
}
