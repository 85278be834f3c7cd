import Bytes
import Testing

@testable import Sealing

@Suite("Envelopes")
struct EnvelopeTests {
    @Test("What was sealed is opened, and its head says what was written")
    func roundTrip() throws {
        let sealer = TestSealer()
        let envelope = sealer.seal(#"{"user":42}"#)
        #expect(envelope.count == Envelope.bytesMin + 11)
        #expect(try sealer.open(envelope) == #"{"user":42}"#)
        try envelope.withByteView { bytes in
            let parsed = try Envelope(bytes)
            #expect(parsed.kind == .session)
            #expect(parsed.keyID == TestSealer.key(1).id)
            #expect(parsed.generation == 7)
            #expect(parsed.createdAt == TestSealer.head.createdAt)
            #expect(parsed.expiresAt == TestSealer.head.expiresAt)
            #expect(parsed.idle == TestSealer.head.idle)
            #expect(parsed.index.copy() == TestSealer.head.index)
            #expect(parsed.seenAt == TestSealer.head.seenAt)
            #expect(parsed.idleExpiresAt == TestSealer.head.seenAt + TestSealer.head.idle)
        }
    }

    @Test("An empty text is sealed and opened")
    func empty() throws {
        let sealer = TestSealer()
        #expect(try sealer.open(sealer.seal("")).isEmpty)
    }

    @Test("No envelope of 1000 opens with any one bit of it changed, but for when it was seen")
    func bits() {
        let sealer = TestSealer()
        for number in 0..<1000 {
            var envelope = sealer.seal("a session \(number)")
            // Each envelope has every bit of one byte in eight changed, so that all of them are in 8 envelopes.
            for index in stride(from: number % 8, to: envelope.count, by: 8) {
                let isSeenAt = Envelope.authenticatedBytes..<Envelope.headBytes ~= index
                for bit in 0..<8 {
                    envelope[index] ^= 1 << bit
                    #expect((sealer.fault(envelope) == nil) == isSeenAt, "byte \(index), bit \(bit)")
                    envelope[index] ^= 1 << bit
                }
            }
        }
    }

    @Test("A cut envelope does not open, wherever it was cut")
    func cuts() {
        let sealer = TestSealer()
        let envelope = sealer.seal("a text that is cut")
        for count in 0..<envelope.count {
            let expected: EnvelopeFault = count < Envelope.bytesMin ? .truncated : .damaged
            #expect(sealer.fault(Array(envelope.prefix(count))) == expected, "\(count) bytes")
        }
        #expect(sealer.fault(envelope + [0]) == .damaged)
    }

    @Test("Fields of one session's envelope make no other session's open")
    func swaps() {
        let sealer = TestSealer()
        var otherHead = TestSealer.head
        otherHead.generation = 8
        otherHead.createdAt += 1
        otherHead.expiresAt += 1
        otherHead.idle += 1
        otherHead.index = (16..<32).map { UInt8($0) }
        let one = sealer.seal("one session's text")
        let other = sealer.seal("two session's text", otherHead)
        let fields = [12..<28, 28..<40, 40..<48, 48..<56, 56..<64, 64..<72, 72..<88, 104..<one.count - 16]
        for field in fields + [one.count - 16..<one.count] {
            var mixed = one
            mixed.replaceSubrange(field, with: other[field])
            #expect(sealer.fault(mixed) == .damaged, "\(field)")
        }
    }

    @Test("An envelope opens in its own place only")
    func places() {
        let sealer = TestSealer()
        let envelope = sealer.seal("a text", place: TestSealer.place(9, "shop"))
        #expect(sealer.fault(envelope, place: TestSealer.place(9, "shop")) == nil)
        #expect(sealer.fault(envelope, place: TestSealer.place(8, "shop")) == .misplaced)
        #expect(sealer.fault(envelope, place: TestSealer.place(9, "bank")) == .misplaced)
        #expect(sealer.fault(envelope, place: TestSealer.place(9)) == .misplaced)
    }

    @Test("Causes are told apart: newer versions, unknown keys, other kinds")
    func causes() {
        let sealer = TestSealer()
        var envelope = sealer.seal("a text")
        #expect(TestSealer(keys: [2]).fault(envelope) == .unknownKey)
        #expect(TestSealer(keys: [2, 1]).fault(envelope) == nil)
        envelope[0] = 2
        #expect(sealer.fault(envelope) == .newerVersion)
        envelope[0] = 1
        envelope[1] = 9
        #expect(sealer.fault(envelope) == .newerVersion)
        envelope[1] = 1
        envelope[2] = 200
        #expect(sealer.fault(envelope) == .damaged)
        // Each kind has subkeys of its own, so an envelope of one is none of another.
        envelope[2] = Envelope.Kind.outcome.rawValue
        #expect(sealer.fault(envelope) == .damaged)
    }

    @Test("Every write has another nonce and, unless it is given, another salt")
    func fresh() {
        let sealer = TestSealer()
        var seen: Set<[UInt8]> = []
        for _ in 0..<10_000 { seen.insert(Array(sealer.seal("")[12..<40])) }
        #expect(seen.count == 10_000)
    }

    @Test("More sessions than subkeys are kept are opened all the same")
    func manySalts() throws {
        let sealer = TestSealer()
        let envelopes = (0..<6000).map { sealer.seal("session \($0)") }
        for (number, envelope) in envelopes.enumerated() {
            #expect(try sealer.open(envelope) == "session \(number)")
        }
    }

    @Test("Keys that are replaced open nothing any more")
    func replacedKeys() {
        let sealer = TestSealer()
        let envelope = sealer.seal("a text")
        #expect(sealer.fault(envelope) == nil)
        sealer.sealer.keys = KeyRing([TestSealer.key(2)])
        #expect(sealer.fault(envelope) == .unknownKey)
    }

    @Test("A session's life ends with its idle time or its lifetime, whichever is first")
    func life() {
        var head = TestSealer.head
        #expect(!head.isOver(at: head.seenAt + head.idle - 1))
        #expect(head.isOver(at: head.seenAt + head.idle))
        head.seenAt = head.expiresAt - 10
        #expect(!head.isOver(at: head.expiresAt - 1))
        #expect(head.isOver(at: head.expiresAt))
        head.seenAt = .max
        #expect(head.idleExpiresAt == head.expiresAt)
    }
}
