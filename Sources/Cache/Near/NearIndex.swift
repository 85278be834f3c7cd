import CProcessor
import Glibc

/// Finds blocks by the hashes of their names: open addressing with linear probing, 8 bytes a bucket.
///
/// A bucket holds 32 bits of the hash and the block; 0 is an empty one. Removal moves what follows back, so that no
/// marks of what was there are left. Growth goes through the old buckets in order and fills the new ones in two
/// ascending runs, which memory likes: about a millisecond for half a million entries.
@safe
struct NearIndex: ~Copyable {
    private static let countMin = 256

    private var buckets: UnsafeMutablePointer<UInt64>?
    private var mask = -1
    private(set) var count = 0

    init() {
        unsafe buckets = nil
    }

    deinit {
        unsafe free(buckets)
    }

    /// Memory held, in bytes.
    var bytes: Int { (mask + 1) * MemoryLayout<UInt64>.stride }

    /// What another entry may add to ``bytes``.
    var growthBytes: Int { needsGrowth ? max(bytes, NearIndex.countMin * 8) : 0 }

    private var needsGrowth: Bool { (count + 1) * 4 > (mask + 1) * 3 }

    /// The first block under `hash` that `isSought` accepts, or nil.
    func find(_ hash: UInt32, _ isSought: (BlockReference) -> Bool) -> BlockReference? {
        guard let buckets = unsafe buckets else { return nil }
        var position = Int(hash) & mask
        while case let bucket = unsafe buckets[position], bucket != 0 {
            if UInt32(truncatingIfNeeded: bucket >> 32) == hash {
                let reference = NearIndex.reference(bucket)
                if isSought(reference) { return reference }
            }
            position = (position + 1) & mask
        }
        return nil
    }

    /// Has the processor fetch the bucket where the search for `hash` begins.
    func fetch(_ hash: UInt32) {
        guard let buckets = unsafe buckets else { return }
        unsafe squire_fetch(buckets + (Int(hash) & mask))
    }

    /// The first block under `hash`, which may be another's; nil for none.
    func candidate(_ hash: UInt32) -> BlockReference? { find(hash) { _ in true } }

    /// Adds a block.
    mutating func insert(_ hash: UInt32, _ reference: BlockReference) {
        if needsGrowth { grow() }
        place(UInt64(hash) << 32 | UInt64(reference.rawValue + 1))
        count += 1
    }

    /// Takes a block out, which must be there.
    mutating func remove(_ hash: UInt32, _ reference: BlockReference) {
        guard let buckets = unsafe buckets else { preconditionFailure("an entry is in the index") }
        let sought = UInt64(hash) << 32 | UInt64(reference.rawValue + 1)
        var hole = Int(hash) & mask
        while unsafe buckets[hole] != sought {
            unsafe precondition(buckets[hole] != 0, "an entry is in the index")
            hole = (hole + 1) & mask
        }
        count -= 1
        var position = hole
        while true {
            position = (position + 1) & mask
            let bucket = unsafe buckets[position]
            guard bucket != 0 else { break }
            // It may move into the hole unless that lies before the place where its search begins.
            let home = Int(UInt32(truncatingIfNeeded: bucket >> 32)) & mask
            if (position - home) & mask >= (position - hole) & mask {
                unsafe buckets[hole] = bucket
                hole = position
            }
        }
        unsafe buckets[hole] = 0
    }

    /// Gives everything up, the memory too.
    mutating func removeAll() {
        unsafe free(buckets)
        unsafe buckets = nil
        mask = -1
        count = 0
    }

    private mutating func grow() {
        let old = unsafe buckets
        let oldCount = mask + 1
        let fresh = max(oldCount * 2, NearIndex.countMin)
        guard let memory = unsafe calloc(fresh, MemoryLayout<UInt64>.stride) else {
            fatalError("out of memory: \(fresh) buckets")
        }
        unsafe buckets = memory.bindMemory(to: UInt64.self, capacity: fresh)
        mask = fresh - 1
        for position in 0..<oldCount {
            guard let bucket = unsafe old?[position], bucket != 0 else { continue }
            place(bucket)
        }
        unsafe free(old)
    }

    private func place(_ bucket: UInt64) {
        guard let buckets = unsafe buckets else { preconditionFailure("the index has buckets") }
        var position = Int(bucket >> 32) & mask
        while unsafe buckets[position] != 0 { position = (position + 1) & mask }
        unsafe buckets[position] = bucket
    }

    private static func reference(_ bucket: UInt64) -> BlockReference {
        BlockReference(rawValue: UInt32(truncatingIfNeeded: bucket) - 1)
    }
}
