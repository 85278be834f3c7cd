import TestSupport
import Testing

/// The long form of ``EmbeddedKillTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct EmbeddedKillSoak {
    @Test("every call returns within its deadline while the embedded servers are killed 30 times")
    func kills() async throws {
        let (report, recoveries) = try await EmbeddedKillTests.run(
            kills: 30,
            interval: .milliseconds(200)...(.seconds(2))
        )
        Figures.show("EmbeddedKillSoak\n\(report)\nfrom kill to success: \(Figures.words(recoveries))")
        report.expectPunctual()
    }
}
