import TestSupport
import Testing

@Suite("A hundred restarts under load", .enabled(if: Soak.isEnabled))
struct RestartSoak {
    @Test("refuse no connection and lose no call that was acknowledged")
    func restarts() async throws {
        try await restartUnderLoad(100)
    }
}
