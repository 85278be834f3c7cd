import Linux
import TestSupport
import Testing

/// The long form of ``ResetOffsetTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct ResetOffsetSoak {
    @Test("a reset at any byte of 20 calls shifts no reply, and the agent goes on")
    func everyByte() async throws {
        #expect(ResetCall.all.count == 20)
        let start = Instant.now
        let resets = try await ResetOffsetTests.run(ResetCall.all)
        Figures.show("ResetOffsetSoak: \(resets) resets in \(Instant.now.milliseconds(since: start) / 1000) s")
    }
}
