/// One of the two queues of entries, linked through their headers.
struct NearQueue {
    /// The entry that came last.
    var front = BlockReference.none
    /// The entry that is looked at next for eviction.
    var back = BlockReference.none
    /// Memory of its blocks, in bytes.
    var bytes = 0
}

/// What was evicted before it was asked for again: 32 bits of hashes, in sets of four that forget their oldest.
///
/// A name that comes back while it is remembered goes straight to the main queue (S3-FIFO's ghost queue). A set of four
/// instead of one long queue makes forgetting a little uneven and costs 4 bytes an entry.
struct NearGhosts {
    private static let ways = 4
    private static let countMin = 1024

    private var hashes: [UInt32] = []
    private var turn: UInt8 = 0

    /// Memory held, in bytes.
    var bytes: Int { hashes.count * 4 }

    /// Remembers a hash among about `capacity` others.
    mutating func insert(_ hash: UInt32, capacity: Int) {
        if hashes.count < capacity { grow(to: capacity) }
        let base = set(hash)
        turn &+= 1
        hashes[base + Int(turn) % NearGhosts.ways] = hash
    }

    /// Forgets a hash.
    ///
    /// - Returns: Whether it was remembered.
    mutating func remove(_ hash: UInt32) -> Bool {
        guard !hashes.isEmpty else { return false }
        let base = set(hash)
        for way in 0..<NearGhosts.ways where hashes[base + way] == hash {
            hashes[base + way] = 0
            return true
        }
        return false
    }

    /// Forgets everything, the memory too.
    mutating func removeAll() {
        hashes = []
    }

    private mutating func grow(to capacity: Int) {
        var count = NearGhosts.countMin
        while count < capacity { count *= 2 }
        let old = hashes
        hashes = Array(repeating: 0, count: count)
        for hash in old where hash != 0 {
            turn &+= 1
            hashes[set(hash) + Int(turn) % NearGhosts.ways] = hash
        }
    }

    /// Index of the first place of a hash's set.
    private func set(_ hash: UInt32) -> Int {
        // The index goes by the low bits; these are others.
        (Int((hash &* 0x9e37_79b1) >> 8) & (hashes.count / NearGhosts.ways - 1)) * NearGhosts.ways
    }
}
