import Linux
import TestSupport
import Testing

@Suite("Calls cancelled at random, for long", .enabled(if: Soak.isEnabled))
struct CancelSoak {
    @Test("are answered once each, with nothing of another call", arguments: [UInt64(1), 2, 3])
    func soak(seed: UInt64) async throws {
        try await withAgent { agent in
            let end = Instant.now.advanced(by: Soak.duration(.seconds(60)))
            try await CancelRun.run(on: agent, clients: 8, seed: 1000 * seed) { _ in Instant.now < end }
        }
    }
}
