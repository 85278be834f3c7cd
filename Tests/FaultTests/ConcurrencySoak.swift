import TestSupport
import Testing

/// The long form of ``ConcurrencyTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct ConcurrencySoak {
    @Test("mixed calls on 1000 connections for a minute are all answered rightly, and the memory stays flat")
    func mixedCalls() async throws {
        let report = try await ConcurrencyTests.run(connections: 1000, lasting: Soak.duration(.seconds(60)))
        let slope = report.memorySlope(warmUp: 0.3)
        Figures.show("ConcurrencySoak\n\(report)\nmemory slope \(Int(slope)) bytes/s")
        // A leak of one byte a call would be about twice as much.
        #expect(slope < 65_536)
    }
}
