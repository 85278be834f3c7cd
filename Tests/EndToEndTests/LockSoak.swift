import TestSupport
import Testing

@Suite(.enabled(if: Soak.isEnabled))
struct LockSoak {
    @Test("10 000 acquisitions by 32 clients")
    func contention() async throws {
        let outcome = try await LockRun(clients: 32, acquisitions: 10_000).run()
        print("LockSoak: \(outcome)")
        outcome.expectSound()
    }
}
