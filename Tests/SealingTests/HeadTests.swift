import Bytes
import Testing

@testable import Sealing

@Suite("Heads of envelopes that anybody may have written")
struct HeadTests {
    @Test("No value of the field that is not authenticated leads outside of the session's life")
    func seenAt() throws {
        for forged in [Int64.min, -1, 0, 1_600_000_000_000, .max] {
            var envelope = TestSealer().seal("a text")
            var field = ByteBuffer()
            field.append(bigEndian: forged)
            envelope.replaceSubrange(96..<104, with: field.view.copy())
            try envelope.withByteView { bytes in
                let parsed = try Envelope(bytes)
                #expect((parsed.createdAt...parsed.expiresAt).contains(parsed.seenAt))
                #expect(parsed.idleExpiresAt <= parsed.expiresAt)
                #expect(!EnvelopeHead(parsed).isOver(at: parsed.seenAt) || parsed.seenAt == parsed.expiresAt)
            }
        }
    }

    @Test("Whatever stands in a head, reading it ends well")
    func anything() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = (0..<Envelope.headBytes).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
            bytes.replaceSubrange(0..<4, with: [1, 1, UInt8.random(in: 1...4, using: &random), 0])
            // Borders of the numbers are where sums go wrong.
            let field = [48, 56, 64, 96].randomElement(using: &random) ?? 48
            bytes.replaceSubrange(field..<(field + 8), with: [0x7f] + [UInt8](repeating: 0xff, count: 7))
            bytes.withByteView { view in
                guard let envelope = try? Envelope(view, isHeadOnly: true) else { return #expect(Bool(false)) }
                let head = EnvelopeHead(envelope)
                #expect(head.isOver(at: .max))
                #expect(head.idleExpiresAt == envelope.idleExpiresAt)
            }
        }
    }
}
