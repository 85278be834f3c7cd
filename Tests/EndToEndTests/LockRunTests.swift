import TestSupport
import Testing

@Suite("Contention for a lock while everything fails")
struct LockRunTests {
    @Test("ends with rising fences, and with no two holders whom their agents could have told")
    func quick() async throws {
        let outcome = try await LockRun(clients: 6, acquisitions: 300, faultInterval: .milliseconds(200)).run()
        outcome.expectSound()
    }
}

extension LockRun.Outcome {
    /// Expects what locks promise.
    func expectSound() {
        #expect(duplicateFences == 0)
        #expect(decreasingFences == 0)
        #expect(overlaps == overlapsExplained)
        // The resource refuses nobody but those who overlapped.
        #expect(overlaps > 0 || refusedWrites == 0)
        #expect(writes > acquisitions / 2)
    }
}
