/// Names a call that runs; stale once it was answered.
public struct CallID: Hashable, Sendable {
    /// Slot and generation in one word, for completion records that know nothing of calls.
    public let rawValue: UInt64

    /// Takes back a word that ``rawValue`` gave.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    init(slot: Int, generation: UInt32) {
        rawValue = UInt64(generation) << 32 | UInt64(slot)
    }

    var slot: Int { Int(rawValue & 0xffff_ffff) }
    var generation: UInt32 { UInt32(rawValue >> 32) }
}
