import Glibc

/// A write of an entry that runs, as the near cache knows it.
struct NearWrite: Equatable {
    /// The stripe of the entry's name in 14 bits, and one for a write of which no more note was taken than that it runs.
    let rawValue: UInt16

    /// Takes back what ``rawValue`` gave.
    init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// Describes a write in a stripe, 0 ..< 2^14.
    init(stripe: Int, isNoted: Bool) {
        rawValue = UInt16(stripe) | (isNoted ? 0 : 1 << 14)
    }

    /// The stripe of the entry's name.
    var stripe: Int { Int(rawValue & 0x3fff) }

    /// Whether the stripe knows of it.
    var isNoted: Bool { rawValue >> 14 == 0 }
}

/// What is known of each stripe of names: which version it has, and how many writes run.
///
/// The two lie side by side, as whoever looks at one looks at the other. Memory is taken as stripes are used.
@safe
struct NearStripes: ~Copyable {
    private struct Stripe {
        var version: UInt32
        var writes: UInt32
    }

    private let stripes: UnsafeMutablePointer<Stripe>

    init() {
        guard let memory = unsafe calloc(NearCache.stripes, MemoryLayout<Stripe>.stride) else {
            fatalError("out of memory")
        }
        unsafe stripes = memory.bindMemory(to: Stripe.self, capacity: NearCache.stripes)
    }

    deinit {
        unsafe free(stripes)
    }

    /// The version of a stripe.
    func version(of stripe: Int) -> UInt32 {
        unsafe place(stripe).pointee.version
    }

    /// Whether a stripe has this version, and nothing in it is being written.
    func isUnchanged(_ stripe: Int, since version: UInt32) -> Bool {
        let place = unsafe place(stripe)
        return unsafe place.pointee.version == version && place.pointee.writes == 0
    }

    /// Takes note of a change of an entry.
    mutating func change(_ stripe: Int) {
        unsafe place(stripe).pointee.version &+= 1
    }

    /// Takes note of a write that begins.
    mutating func beginWrite(_ stripe: Int) {
        unsafe place(stripe).pointee.writes += 1
    }

    /// Takes note that a write ended.
    mutating func endWrite(_ stripe: Int) {
        let place = unsafe place(stripe)
        unsafe place.pointee.writes -= 1
        unsafe place.pointee.version &+= 1
    }

    private func place(_ stripe: Int) -> UnsafeMutablePointer<Stripe> {
        precondition((0..<NearCache.stripes).contains(stripe), "there is no such stripe")
        return unsafe stripes + stripe
    }
}
