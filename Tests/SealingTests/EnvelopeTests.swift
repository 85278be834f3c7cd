import Bytes
import Testing

@testable import Sessions

@Suite("Envelopes")
struct EnvelopeTests {
    @Test("What was sealed is opened, and its head says what was written")
    func roundTrip() throws {
        let sealing = Sealing()
        let envelope = sealing.seal(#"{"user":42}"#)
        #expect(envelope.count == Envelope.bytesMin + 11)
        #expect(try sealing.open(envelope) == #"{"user":42}"#)
        try envelope.withByteView { bytes in
            let parsed = try Envelope(bytes)
            #expect(parsed.kind == .session)
            #expect(parsed.keyID == Sealing.key(1).id)
            #expect(parsed.generation == 7)
            #expect(parsed.createdAt == Sealing.head.createdAt)
            #expect(parsed.expiresAt == Sealing.head.expiresAt)
            #expect(parsed.idle == Sealing.head.idle)
            #expect(parsed.index.copy() == Sealing.head.index)
            #expect(parsed.seenAt == Sealing.head.seenAt)
            #expect(parsed.idleExpiresAt == Sealing.head.seenAt + Sealing.head.idle)
        }
    }

    @Test("An empty text is sealed and opened")
    func empty() throws {
        let sealing = Sealing()
        #expect(try sealing.open(sealing.seal("")).isEmpty)
    }

    @Test("No envelope of 1000 opens with any one bit of it changed, but for when it was seen")
    func bits() {
        let sealing = Sealing()
        for number in 0..<1000 {
            var envelope = sealing.seal("a session \(number)")
            // Each envelope has every bit of one byte in eight changed, so that all of them are in 8 envelopes.
            for index in stride(from: number % 8, to: envelope.count, by: 8) {
                let isSeenAt = Envelope.authenticatedBytes..<Envelope.headBytes ~= index
                for bit in 0..<8 {
                    envelope[index] ^= 1 << bit
                    #expect((sealing.fault(envelope) == nil) == isSeenAt, "byte \(index), bit \(bit)")
                    envelope[index] ^= 1 << bit
                }
            }
        }
    }

    @Test("A cut envelope does not open, wherever it was cut")
    func cuts() {
        let sealing = Sealing()
        let envelope = sealing.seal("a text that is cut")
        for count in 0..<envelope.count {
            let expected: EnvelopeFault = count < Envelope.bytesMin ? .truncated : .damaged
            #expect(sealing.fault(Array(envelope.prefix(count))) == expected, "\(count) bytes")
        }
        #expect(sealing.fault(envelope + [0]) == .damaged)
    }

    @Test("Fields of one session's envelope make no other session's open")
    func swaps() {
        let sealing = Sealing()
        var otherHead = Sealing.head
        otherHead.generation = 8
        otherHead.createdAt += 1
        otherHead.expiresAt += 1
        otherHead.idle += 1
        otherHead.index = (16..<32).map { UInt8($0) }
        let one = sealing.seal("one session's text")
        let other = sealing.seal("two session's text", otherHead)
        let fields = [12..<28, 28..<40, 40..<48, 48..<56, 56..<64, 64..<72, 72..<88, 104..<one.count - 16]
        for field in fields + [one.count - 16..<one.count] {
            var mixed = one
            mixed.replaceSubrange(field, with: other[field])
            #expect(sealing.fault(mixed) == .damaged, "\(field)")
        }
    }

    @Test("An envelope opens in its own place only")
    func places() {
        let sealing = Sealing()
        let envelope = sealing.seal("a text", place: Sealing.place(9, "shop"))
        #expect(sealing.fault(envelope, place: Sealing.place(9, "shop")) == nil)
        #expect(sealing.fault(envelope, place: Sealing.place(8, "shop")) == .misplaced)
        #expect(sealing.fault(envelope, place: Sealing.place(9, "bank")) == .misplaced)
        #expect(sealing.fault(envelope, place: Sealing.place(9)) == .misplaced)
    }

    @Test("Causes are told apart: newer versions, unknown keys, other kinds")
    func causes() {
        let sealing = Sealing()
        var envelope = sealing.seal("a text")
        #expect(Sealing(keys: [2]).fault(envelope) == .unknownKey)
        #expect(Sealing(keys: [2, 1]).fault(envelope) == nil)
        envelope[0] = 2
        #expect(sealing.fault(envelope) == .newerVersion)
        envelope[0] = 1
        envelope[1] = 9
        #expect(sealing.fault(envelope) == .newerVersion)
        envelope[1] = 1
        envelope[2] = 200
        #expect(sealing.fault(envelope) == .damaged)
        // Each kind has subkeys of its own, so an envelope of one is none of another.
        envelope[2] = Envelope.Kind.outcome.rawValue
        #expect(sealing.fault(envelope) == .damaged)
    }

    @Test("Every write has another nonce and, unless it is given, another salt")
    func fresh() {
        let sealing = Sealing()
        var seen: Set<[UInt8]> = []
        for _ in 0..<10_000 { seen.insert(Array(sealing.seal("")[12..<40])) }
        #expect(seen.count == 10_000)
    }

    @Test("More sessions than subkeys are kept are opened all the same")
    func manySalts() throws {
        let sealing = Sealing()
        let envelopes = (0..<6000).map { sealing.seal("session \($0)") }
        for (number, envelope) in envelopes.enumerated() {
            #expect(try sealing.open(envelope) == "session \(number)")
        }
    }

    @Test("Keys that are replaced open nothing any more")
    func replacedKeys() {
        let sealing = Sealing()
        let envelope = sealing.seal("a text")
        #expect(sealing.fault(envelope) == nil)
        sealing.sealer.keys = KeyRing([Sealing.key(2)])
        #expect(sealing.fault(envelope) == .unknownKey)
    }

    @Test("A session's life ends with its idle time or its lifetime, whichever is first")
    func life() {
        var head = Sealing.head
        #expect(!head.isOver(at: head.seenAt + head.idle - 1))
        #expect(head.isOver(at: head.seenAt + head.idle))
        head.seenAt = head.expiresAt - 10
        #expect(!head.isOver(at: head.expiresAt - 1))
        #expect(head.isOver(at: head.expiresAt))
        head.seenAt = .max
        #expect(head.idleExpiresAt == head.expiresAt)
    }
}
