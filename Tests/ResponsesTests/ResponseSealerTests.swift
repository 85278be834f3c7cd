import Bytes
import Crypto
import Testing

@testable import Responses

@Suite("A response that is encrypted")
struct ResponseSealerTests {
    private let entry = Array(#"{"id":"0123456789abcdef","generations":"","response":"secret"}"#.utf8)
    private let name = Array("response:a".utf8)

    private func sealer(_ keys: UInt8...) -> ResponseSealer {
        ResponseSealer(
            keys.map { key in Array(repeating: key, count: 32).withByteView { SecretBytes(copying: $0) } }
        )
    }

    @Test("has its id where scripts look for it, and opens in its place under every key that is held")
    func roundTrip() {
        let sealed = sealer(1).seal(entry, name: name)
        #expect(ResponseSealer.isSealed(sealed) && !ResponseSealer.isSealed(entry))
        #expect(StoredResponse.id(of: sealed) == Array("0123456789abcdef".utf8))
        #expect(!sealed.withByteView { $0.contains("secret") })
        #expect(sealer(1).open(sealed, name: name) == entry)
        #expect(sealer(2, 1).open(sealed, name: name) == entry)
        #expect(sealer(2).open(sealed, name: name) == nil)
        #expect(sealer(1).seal(entry, name: name) != sealed)
    }

    @Test("opens nowhere else, and not where any byte of it is another")
    func tampering() {
        let sealer = sealer(1)
        let sealed = sealer.seal(entry, name: name)
        #expect(sealer.open(sealed, name: Array("response:b".utf8)) == nil)
        // When a session was seen stands in every envelope, unauthenticated, and says nothing of a response.
        let seen = (ResponseSealer.headBytes + 96)..<(ResponseSealer.headBytes + 104)
        for index in sealed.indices where !seen.contains(index) && index >= 7 {
            var changed = sealed
            changed[index] ^= 1
            #expect(sealer.open(changed, name: name) == nil, "\(index)")
        }
        for count in 7..<sealed.count {
            #expect(sealer.open(Array(sealed.prefix(count)), name: name) == nil, "\(count)")
        }
    }
}
