import TestSupport
import Testing

/// The long form of ``BlackHoleTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct BlackHoleSoak {
    @Test("every call returns within its deadline while a black hole lasts 30 s")
    func blackHole() async throws {
        let report = try await BlackHoleTests.blackHole(lasting: Soak.duration(.seconds(30)))
        expect(report, "black hole")
    }

    @Test("every call returns within its deadline while Valkey is stopped for 3 s, 50 times")
    func stops() async throws {
        let report = try await BlackHoleTests.stops(50, lasting: .seconds(3))
        expect(report, "stopped Valkey")
    }

    private func expect(_ report: LoadReport, _ name: String) {
        Figures.show("BlackHoleSoak, \(name)\n\(report)\nmemory growth \(report.memoryGrowth >> 10) KiB")
        report.expectPunctual()
        #expect(report.memoryGrowth < 32 << 20)
    }
}
