import TestSupport
import Testing

/// The long form of ``RequestTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct RequestSoak {
    @Test("over 200 crashes of Valkey increments with a request id count exactly")
    func crashes() async throws {
        let run = try await RequestTests.crashes(200, increments: 100)
        Figures.show(
            "RequestSoak: \(run.increments) increments exactly, \(run.repetitions) repetitions, \(run.resets) resets"
        )
    }
}
