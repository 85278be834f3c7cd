import Bytes
import EventLoop
import JSON
import Linux
import Store

/// A name among those that are looked for one after the other; see ``NearCache/add(_:_:)``.
struct NearName {
    fileprivate let start: Int
    fileprivate let end: Int
    fileprivate let hash: UInt64
}

/// Copies of entries in the agent's memory, and the rules by which none of them outlives what it is a copy of.
///
/// A copy is made of what a read brings from Valkey, while Valkey tells of every change (``TrackingObserver``). The
/// reply and the news come over two connections, in no order, so each read takes note of a version when it is sent, and
/// is kept only where the version is the same when its reply comes. Versions belong to stripes of names: news of a key,
/// and the end of a write of this agent, move the version of its stripe on. While a write runs, nothing of its stripe is
/// kept, and the copy went when the write was sent: so whoever writes reads what it wrote.
@EventLoop
final class NearCache {
    /// A read whose value may be kept.
    final class Fill {
        fileprivate(set) var name = ByteBuffer()
        fileprivate(set) var hash: UInt64 = 0
        /// Number of the namespace.
        fileprivate(set) var namespace: UInt16 = 0
        /// Tells the read from others that had the same place before.
        fileprivate(set) var generation: UInt64 = 0
        fileprivate var version: UInt32 = 0
        fileprivate var epoch: UInt32 = 0
        fileprivate(set) var sentAt = Instant.distantFuture
        /// Life left in milliseconds as `PTTL` tells it, negative for no end; nil while it is not known.
        var life: Int64?
        /// When the read must have been answered.
        var deadline = Instant.distantFuture
        /// Whether a copy may be kept: not of an entry whose changes nobody would tell of.
        var isKept = true
        /// Whether what is remembered of tags does not count.
        var isFresh = false
        /// What the caller wishes for where the entry is missing.
        var wish: LeaseWish?
    }

    /// Number of stripes of names; 14 bits.
    nonisolated static let stripes = 1 << 14

    /// Whether Valkey tells of every change.
    private(set) var isTracked = false
    /// Whether copies of any entry are wanted; what is written while none are costs less.
    private var isWanted: Bool
    /// News of changes since the start.
    private(set) var changes: UInt64 = 0
    private var table: NearTable
    private let keyspace: Keyspace
    private var scratch = ByteBuffer()
    // Those of a list.
    private var names = ByteBuffer()
    private var stripes = NearStripes()
    private var epoch: UInt32 = 0
    /// Writes that run of which no stripe knows.
    private var unnotedWrites = 0
    private var fills: [Fill] = []
    private var freeFills: [Int] = []
    private var lists: [[NearWrite]] = []
    private var freeLists: [Int] = []

    /// An empty cache of at most `bytesMax` bytes.
    init(bytesMax: Int, keyspace: Keyspace) {
        table = NearTable(bytesMax: bytesMax)
        isWanted = bytesMax > 0
        self.keyspace = keyspace
    }

    /// Whether copies may be used and made.
    var isUsable: Bool { isTracked && table.bytesMax > 0 }

    /// Entries held.
    var count: Int { table.count }

    /// Memory held, in bytes.
    var bytes: Int { table.bytes }

    /// What a namespace holds.
    func share(of namespace: UInt16) -> NearTable.Share { table.share(of: namespace) }

    // MARK: Names

    /// The full name of an entry's key, lent until the next call of this method.
    func name(_ namespace: JSONString?, _ key: ByteView) -> ByteView {
        scratch.removeAll()
        keyspace.append(nameTo: &scratch, .cache, namespace, key)
        return scratch.view
    }

    /// Begins a list of names that are looked for one after the other; what another list lent is taken back.
    func beginNames() {
        names.removeAll(keepingCapacityUpTo: 64 << 10)
    }

    /// Adds a name to the list, and has the processor fetch what is known of it.
    func add(_ namespace: JSONString?, _ key: ByteView) -> NearName {
        let start = names.count
        keyspace.append(nameTo: &names, .cache, namespace, key)
        let hash = table.hash(names.view.dropFirst(start))
        table.fetchIndex(hash)
        return NearName(start: start, end: names.count, hash: hash)
    }

    /// Has the processor fetch the copy of an entry, where there is one.
    func fetch(_ name: NearName) {
        table.fetchEntry(name.hash)
    }

    /// Finds the copy of an entry; it is lent until this object is called again.
    func find(_ name: NearName) -> NearHit? {
        table.find(names.view[name.start..<name.end], name.hash, at: EventLoop.reactor.now)
    }

    /// The hash of a name, for the other methods.
    func hash(_ name: ByteView) -> UInt64 { table.hash(name) }

    private static func stripe(_ hash: UInt64) -> Int { Int(hash >> 40) & (stripes - 1) }

    // MARK: Reading

    /// Finds the copy of an entry; it is lent until this object is called again.
    func find(_ name: ByteView, _ hash: UInt64) -> NearHit? {
        table.find(name, hash, at: EventLoop.reactor.now)
    }

    /// Takes note of a read that is about to be sent, of a name of the list.
    ///
    /// - Returns: The number of the note, which ``end(_:)`` takes back.
    func beginFill(_ name: NearName, _ namespace: UInt16) -> Int {
        beginFill(names.view[name.start..<name.end], name.hash, namespace)
    }

    /// Takes note of a read that is about to be sent.
    ///
    /// - Returns: The number of the note, which ``end(_:)`` takes back.
    func beginFill(_ name: ByteView, _ hash: UInt64, _ namespace: UInt16) -> Int {
        let number = freeFills.popLast() ?? fills.count
        if number == fills.count { fills.append(Fill()) }
        let fill = fills[number]
        fill.name.removeAll()
        fill.name.append(name)
        fill.hash = hash
        fill.namespace = namespace
        fill.version = stripes.version(of: NearCache.stripe(hash))
        fill.epoch = epoch
        fill.sentAt = .now
        fill.life = nil
        fill.isKept = true
        return number
    }

    /// The note of a read.
    func fill(_ number: Int) -> Fill { fills[number] }

    /// Takes note of the life that a read's entry has left.
    func setLife(_ milliseconds: Int64, of number: Int, generation: UInt64) {
        guard fills[number].generation == generation else { return }
        fills[number].life = milliseconds
    }

    /// Whether what a read brought is known to be the newest, and may be kept.
    ///
    /// - Parameters:
    ///   - fill: The note of the read.
    ///   - count: Length of the value in bytes.
    /// - Returns: Whether nothing spoke against it since the read was sent.
    func mayStore(_ fill: Fill, _ count: Int) -> Bool {
        isTracked && fill.isKept && fill.epoch == epoch && unnotedWrites == 0
            && stripes.isUnchanged(NearCache.stripe(fill.hash), since: fill.version) && fill.life != nil
            && fill.life != 0 && count <= table.entryBytesMax
    }

    /// Keeps what a read brought, where ``mayStore(_:_:)`` says so.
    ///
    /// - Parameters:
    ///   - fill: The note of the read.
    ///   - value: The value as JSON text of one line.
    ///   - form: Under which name it is handed out.
    func store(_ fill: Fill, _ value: ByteView, _ form: NearForm) {
        guard mayStore(fill, value.count), let life = fill.life else { return }
        // Counted from before the question: never longer than Valkey would.
        let expiry = life < 0 ? Instant.distantFuture : fill.sentAt.advanced(milliseconds: life)
        table.store(fill.name.view, fill.hash, namespace: fill.namespace, value, form, expiry: expiry)
    }

    /// Ends a read, whatever came of it.
    func end(_ number: Int) {
        fills[number].generation &+= 1
        if fills[number].wish != nil { fills[number].wish = nil }
        freeFills.append(number)
    }

    // MARK: Writing

    /// Takes note that an entry is about to be written, touched or removed.
    ///
    /// - Returns: The write, which ``endWrite(_:)`` takes back.
    func beginWrite(_ name: ByteView) -> NearWrite {
        let hash = table.hash(name)
        let write = NearWrite(stripe: NearCache.stripe(hash), isNoted: isWanted)
        if isWanted {
            table.remove(name, hash)
            stripes.beginWrite(write.stripe)
        } else {
            unnotedWrites += 1
        }
        return write
    }

    /// The stripe of a name.
    func stripe(of name: [UInt8]) -> Int { name.withByteView { NearCache.stripe(table.hash($0)) } }

    /// Ends a write, whatever came of it.
    func endWrite(_ write: NearWrite) {
        guard !write.isNoted else { return stripes.endWrite(write.stripe) }
        // Copies may be wanted by now, and what is being read may be what it was before.
        unnotedWrites -= 1
        epoch &+= 1
    }

    /// Begins a write of several entries.
    ///
    /// - Returns: The number of its list, which ``endWrites(_:_:)`` takes back.
    func beginWrites() -> Int {
        let number = freeLists.popLast() ?? lists.count
        if number == lists.count { lists.append([]) }
        return number
    }

    /// Takes note of one of the entries of a write.
    ///
    /// - Returns: Its write, which ``endWrites(_:_:)`` ends.
    func addWrite(_ name: ByteView, to number: Int) -> NearWrite {
        let write = beginWrite(name)
        lists[number].append(write)
        return write
    }

    /// Ends a write of several entries, whatever came of it.
    ///
    /// - Parameters:
    ///   - number: The number of its list.
    ///   - ended: Told of each of them.
    func endWrites(_ number: Int, _ ended: (NearWrite) -> Void = { _ in }) {
        for write in lists[number] {
            endWrite(write)
            ended(write)
        }
        lists[number].removeAll(keepingCapacity: true)
        freeLists.append(number)
    }

    // MARK: News

    /// Begins to keep copies, of what is read from now on: what was asked before may be older than the first news.
    func begin() {
        epoch &+= 1
        isTracked = true
    }

    /// Says whether copies of any entry are wanted.
    func setWanted(_ isWanted: Bool) {
        self.isWanted = isWanted && table.bytesMax > 0
    }

    /// Lets everything go, and keeps nothing until ``begin()``.
    func stop() {
        isTracked = false
        forgetEverything()
    }

    /// Lets the copy of a key go, and what is being read of it unkept.
    func forget(_ name: ByteView) {
        changes += 1
        let hash = table.hash(name)
        table.remove(name, hash)
        stripes.change(NearCache.stripe(hash))
    }

    /// Lets what is being read unkept.
    func forgetReads() {
        epoch &+= 1
    }

    /// Lets everything go, and what is being read unkept.
    func forgetEverything() {
        epoch &+= 1
        table.removeAll()
    }

    /// Lets copies go, some pages of them at a time.
    ///
    /// - Parameters:
    ///   - start: First page, 0 in the first call.
    ///   - isSought: Receives a name, lent.
    /// - Returns: The page to go on with, or nil after the last.
    func forget(from start: Int, _ isSought: (ByteView) -> Bool) -> Int? {
        let end = start + 16
        table.remove(inPages: start..<end) { _, name in isSought(name) }
        return end < table.pageNumbers ? end : nil
    }
}
