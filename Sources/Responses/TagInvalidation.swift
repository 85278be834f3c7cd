import Bytes

/// The generation that an invalidation gives a tag: it tells when that was, so that a response can be refused which was
/// asked for before.
///
/// It is the letter `t`, Unix time in microseconds by the server's clock in 13 hexadecimal characters, and 2 random ones.
/// A generation that a write made has hexadecimal characters alone.
enum TagInvalidation {
    /// How long a tag that was invalidated is remembered, in milliseconds: as long as a lease may run.
    static let memoryMilliseconds: Int64 = 3_600_000

    /// When the last of the invalidations was that made some of these generations, in 13 hexadecimal characters; of no
    /// bytes where none did.
    static func latest(of generations: some Sequence<[UInt8]>) -> [UInt8] {
        generations.reduce(into: []) { latest, generation in
            guard generation.count == StoredResponse.wordCount, generation[0] == UInt8(ascii: "t") else { return }
            let time = Array(generation[1..<14])
            guard Hexadecimal.isDigits(time), latest.lexicographicallyPrecedes(time) else { return }
            latest = time
        }
    }
}
