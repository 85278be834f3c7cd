import Bytes
import CProcessor
import Glibc
import Linux

/// The entries that are held in the agent's own memory, within a bound on bytes.
///
/// An entry is one block of memory: a header of 32 bytes, the full name of the key in Valkey, and the value as the JSON
/// that replies are made of. An index of 8 bytes a bucket finds blocks by a seeded hash of the name. Nothing per entry
/// counts references, and finding one allocates nothing.
///
/// What goes when there is no room is decided by S3-FIFO ("FIFO queues are all you need for cache eviction", SOSP 2023):
/// new entries pass a small queue and leave it again unless they were asked for meanwhile, so a scan pushes out what a
/// tenth of the memory holds and no more.
///
/// Pure: it knows no clock, no Valkey and no loop.
struct NearTable: ~Copyable {
    /// What one namespace holds.
    struct Share {
        /// Entries held.
        var entries = 0
        /// Memory of their blocks, in bytes.
        var bytes = 0
        /// Entries that had to go for want of room, since the start.
        var evictions: UInt64 = 0
    }

    /// Longest name that is held, in bytes.
    static let nameBytesMax = Int(UInt16.max)
    /// The part of the memory that the small queue may take, as a divisor.
    static let smallDivisor = 10
    /// The part of the memory that one entry may take at most, as a divisor.
    private static let entryDivisor = 16

    /// Bytes of an entry that are fetched ahead of a search; what is behind them comes by itself while it is copied.
    private static let fetchedBytes = 256

    /// Bound on ``bytes``; lowered below what is held, it takes effect with the next entry.
    let bytesMax: Int
    var pages: NearPages
    var index = NearIndex()
    var small = NearQueue()
    var main = NearQueue()
    var ghosts = NearGhosts()
    private(set) var shares: [Share] = []
    private let hasher: NearHash

    /// An empty table.
    ///
    /// - Parameters:
    ///   - bytesMax: Bound on the memory, in bytes; 0 for a table that holds nothing.
    ///   - hasher: Hashes names.
    ///   - pagesMax: Most pages at a time.
    init(bytesMax: Int, hasher: NearHash = NearHash(), pagesMax: Int = BlockReference.pagesMax) {
        self.bytesMax = bytesMax
        pages = NearPages(numbersMax: pagesMax)
        self.hasher = hasher
    }

    /// Most bytes of an entry that is held, header included.
    var entryBytesMax: Int { bytesMax / NearTable.entryDivisor }

    /// Memory held, in bytes: blocks, free ones too, index, and what is remembered of evicted names.
    var bytes: Int { pages.bytes + index.bytes + ghosts.bytes }

    /// Entries held, those included whose end has come and which nobody asked for since.
    var count: Int { index.count }

    /// What a namespace holds.
    func share(of namespace: UInt16) -> Share {
        Int(namespace) < shares.count ? shares[Int(namespace)] : Share()
    }

    /// The hash of a name, for the other methods.
    func hash(_ name: ByteView) -> UInt64 { hasher(name) }

    /// Finds an entry, and remembers that it was asked for.
    ///
    /// - Parameters:
    ///   - name: Full name of the key in Valkey.
    ///   - hash: The name's hash.
    ///   - now: The moment; an entry whose end has come is removed.
    /// - Returns: The entry, lent until the table changes.
    mutating func find(_ name: ByteView, _ hash: UInt64, at now: Instant) -> NearHit? {
        guard let reference = reference(to: name, hash) else { return nil }
        let header = unsafe pages.header(reference)
        guard unsafe header.pointee.expiry > now else {
            remove(reference)
            return nil
        }
        if unsafe header.pointee.uses < 3 { unsafe header.pointee.uses += 1 }
        return unsafe NearHit(value: value(header), form: header.pointee.form, expiry: header.pointee.expiry)
    }

    /// Has the processor fetch where it is written that there is an entry, while other work goes on.
    ///
    /// - Parameter hash: The name's hash.
    func fetchIndex(_ hash: UInt64) {
        index.fetch(UInt32(truncatingIfNeeded: hash))
    }

    /// Has the processor fetch the entry, in what the index holds of it.
    ///
    /// - Parameter hash: The name's hash.
    func fetchEntry(_ hash: UInt64) {
        guard let reference = index.candidate(UInt32(truncatingIfNeeded: hash)) else { return }
        let block = unsafe UnsafeRawPointer(pages.header(reference))
        let count = min(pages.blockBytes(reference), NearTable.fetchedBytes)
        for offset in stride(from: 0, to: count, by: NearPages.lineBytes) { unsafe squire_fetch(block + offset) }
        unsafe squire_fetch(block + count - 1)
    }

    /// Holds an entry, in place of what was held under its name.
    ///
    /// - Parameters:
    ///   - name: Full name of the key in Valkey.
    ///   - hash: The name's hash.
    ///   - namespace: Number of the namespace, for ``share(of:)``.
    ///   - value: The value as JSON text of one line, copied.
    ///   - form: Under which name it is handed out.
    ///   - expiry: When it is no longer served.
    /// - Returns: Whether it is held: it is not where it is larger than a sixteenth of the memory.
    @discardableResult
    mutating func store(
        _ name: ByteView,
        _ hash: UInt64,
        namespace: UInt16,
        _ value: ByteView,
        _ form: NearForm,
        expiry: Instant
    ) -> Bool {
        remove(name, hash)
        let size = MemoryLayout<NearHeader>.stride + name.count + value.count
        guard size <= entryBytesMax, name.count <= NearTable.nameBytesMax, !name.isEmpty,
            makeRoom(for: size)
        else { return false }
        let short = UInt32(truncatingIfNeeded: hash)
        let queue = ghosts.remove(short) ? NearQueueName.main : .small
        let reference = pages.allocate(size)
        var header = NearHeader()
        header.hash = short
        header.valueCount = UInt32(value.count)
        header.expiry = expiry
        header.nameCount = UInt16(name.count)
        header.namespace = namespace
        header.form = form
        let memory = unsafe pages.header(reference)
        unsafe memory.initialize(to: header)
        let bytes = unsafe UnsafeMutableRawPointer(memory + 1)
        unsafe name.withUnsafeBytes { source, count in unsafe _ = memcpy(bytes, source, count) }
        unsafe value.withUnsafeBytes { source, count in unsafe _ = memcpy(bytes + name.count, source, count) }
        index.insert(short, reference)
        push(reference, to: queue)
        count(namespace, 1, pages.blockBytes(reference))
        return true
    }

    /// Lets an entry go, where it is held.
    mutating func remove(_ name: ByteView, _ hash: UInt64) {
        if let reference = reference(to: name, hash) { remove(reference) }
    }

    /// Lets every entry go, and the memory with them.
    ///
    /// - Complexity: O(pages), not entries.
    mutating func removeAll() {
        pages.removeAll()
        index.removeAll()
        ghosts.removeAll()
        small = NearQueue()
        main = NearQueue()
        for position in shares.indices {
            shares[position].entries = 0
            shares[position].bytes = 0
        }
    }

    /// Lets the entries of some pages go that `isSought` accepts by namespace and name.
    ///
    /// - Parameters:
    ///   - numbers: Numbers of pages, within 0 ..< ``pageNumbers``.
    ///   - isSought: Receives a namespace's number and a name, lent.
    mutating func remove(inPages numbers: Range<Int>, _ isSought: (UInt16, ByteView) -> Bool) {
        for number in numbers.clamped(to: 0..<pages.numbers) {
            for reference in pages.entries(ofPage: number) {
                let header = unsafe pages.header(reference)
                if unsafe isSought(header.pointee.namespace, name(header)) { remove(reference) }
            }
        }
    }

    /// Numbers that pages have or had: 0 ..< this.
    var pageNumbers: Int { pages.numbers }

    mutating func remove(_ reference: BlockReference) {
        let header = unsafe pages.header(reference).pointee
        unlink(reference, header)
        index.remove(header.hash, reference)
        count(header.namespace, -1, -pages.blockBytes(reference))
        pages.release(reference)
    }

    mutating func countEviction(_ namespace: UInt16) {
        shares[Int(namespace)].evictions += 1
    }

    private mutating func count(_ namespace: UInt16, _ entries: Int, _ bytes: Int) {
        while shares.count <= Int(namespace) { shares.append(Share()) }
        shares[Int(namespace)].entries += entries
        shares[Int(namespace)].bytes += bytes
    }

    private func reference(to name: ByteView, _ hash: UInt64) -> BlockReference? {
        index.find(UInt32(truncatingIfNeeded: hash)) { reference in
            unsafe self.name(pages.header(reference)).equals(name)
        }
    }

    @unsafe
    private func name(_ header: UnsafeMutablePointer<NearHeader>) -> ByteView {
        let base = unsafe UnsafeRawPointer(header + 1).assumingMemoryBound(to: UInt8.self)
        return unsafe ByteView(base: base, count: Int(header.pointee.nameCount))
    }

    @unsafe
    private func value(_ header: UnsafeMutablePointer<NearHeader>) -> ByteView {
        let base = unsafe UnsafeRawPointer(header + 1).assumingMemoryBound(to: UInt8.self)
        return unsafe ByteView(base: base + Int(header.pointee.nameCount), count: Int(header.pointee.valueCount))
    }
}
