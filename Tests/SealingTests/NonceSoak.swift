import TestSupport
import Testing

@testable import Sealing

@Suite(.enabled(if: Soak.isEnabled))
struct NonceSoak {
    @Test("No two of a million writes of one session have the same nonce")
    func nonces() {
        let sealer = TestSealer()
        var seen: Set<[UInt8]> = []
        seen.reserveCapacity(1_000_000)
        for _ in 0..<1_000_000 { seen.insert(Array(sealer.seal("")[28..<40])) }
        #expect(seen.count == 1_000_000)
    }
}
