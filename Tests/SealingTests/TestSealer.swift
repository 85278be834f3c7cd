import Bytes
import Crypto

@testable import Sealing

/// Seals and opens envelopes for a test.
struct TestSealer {
    let sealer: EnvelopeSealer

    /// A sealer with keys of one repeated sequence each, the primary one first.
    init(keys: [UInt8] = [1]) {
        sealer = EnvelopeSealer(KeyRing(keys.map { TestSealer.key($0) }))
    }

    /// The key of a number: 32 bytes that count up from it.
    static func key(_ number: UInt8) -> MasterKey {
        let bytes = (0..<32).map { number &+ UInt8($0) }
        return MasterKey(bytes.withByteView { SecretBytes(copying: $0) })
    }

    /// A session's head with every field filled.
    static var head: EnvelopeHead {
        var head = EnvelopeHead(.session)
        head.generation = 7
        head.createdAt = 1_700_000_000_000
        head.expiresAt = 1_702_592_000_000
        head.idle = 86_400_000
        head.index = (0..<16).map { UInt8($0) }
        head.seenAt = 1_700_000_500_000
        return head
    }

    /// A place of one byte, repeated, in a namespace.
    static func place(_ digest: UInt8 = 9, _ namespace: String = "") -> [UInt8] {
        [UInt8](repeating: digest, count: 32) + [UInt8(namespace.utf8.count)] + Array(namespace.utf8)
    }

    /// An envelope.
    func seal(_ text: String, _ head: EnvelopeHead = TestSealer.head, place: [UInt8] = TestSealer.place()) -> [UInt8] {
        var output = ByteBuffer()
        text.withByteView { text in
            place.withByteView { self.sealer.seal(text, head, place: $0, salt: nil, to: &output) }
        }
        return output.view.copy()
    }

    /// What an envelope holds.
    func open(_ envelope: [UInt8], place: [UInt8] = TestSealer.place()) throws(EnvelopeFault) -> String {
        var output = ByteBuffer()
        try envelope.withByteView { (bytes) throws(EnvelopeFault) in
            let parsed = try Envelope(bytes)
            try place.withByteView { (place) throws(EnvelopeFault) in
                try sealer.open(parsed, place: place, to: &output)
            }
        }
        return output.view.text()
    }

    /// Why an envelope does not open; nil where it does.
    func fault(_ envelope: [UInt8], place: [UInt8] = TestSealer.place()) -> EnvelopeFault? {
        do throws(EnvelopeFault) {
            _ = try open(envelope, place: place)
            return nil
        } catch {
            return error
        }
    }
}
