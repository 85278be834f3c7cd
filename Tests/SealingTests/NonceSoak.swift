import TestSupport
import Testing

@testable import Sessions

@Suite(.enabled(if: Soak.isEnabled))
struct NonceSoak {
    @Test("No two of a million writes of one session have the same nonce")
    func nonces() {
        let sealing = Sealing()
        var seen: Set<[UInt8]> = []
        seen.reserveCapacity(1_000_000)
        for _ in 0..<1_000_000 { seen.insert(Array(sealing.seal("")[28..<40])) }
        #expect(seen.count == 1_000_000)
    }
}
