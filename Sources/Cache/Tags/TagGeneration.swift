import Crypto

/// The generation of a tag: 16 bytes that no other has.
///
/// One that a write made is random, with its first bit clear. One that an invalidation made has that bit set and tells
/// when that was, so that a value can be refused which was computed from what was there before: its first 8 bytes are Unix
/// time in microseconds by the server's clock, big-endian. The other 8 are random.
enum TagGeneration {
    /// How long a tag that was invalidated is remembered, in milliseconds: as long as a lease may run.
    static let memoryMilliseconds: Int64 = 3_600_000

    /// A generation for a tag that has none.
    static func make() -> [UInt8] {
        var bytes = RandomBytes.make(EntryHead.generationBytes)
        bytes[0] &= 0x7f
        return bytes
    }

    /// When the invalidation was that made a generation (``CacheScripts/rememberInvalidation``), in microseconds; nil for
    /// one that a write made.
    static func invalidatedAt(_ generation: [UInt8]) -> Int64? {
        guard generation.count == EntryHead.generationBytes, generation[0] == 0x80 else { return nil }
        return generation[1..<8].reduce(into: Int64(0)) { $0 = $0 << 8 | Int64($1) }
    }
}
