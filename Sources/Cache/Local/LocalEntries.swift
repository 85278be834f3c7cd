import Bytes
import EventLoop
import Linux

/// Entries that lie in the agent's memory alone: data of one host, which a restart forgets.
///
/// They are kept like copies, within a bound of their own, and are as little promised to stay as those of any cache.
@EventLoop
final class LocalEntries {
    /// How long an entry is served.
    struct Life {
        /// When its life is over; ``Instant/distantFuture`` for never.
        let staleAt: Instant
        /// When it ends; ``Instant/distantFuture`` for never.
        let end: Instant
        /// How long it may be served after its life, in nanoseconds; kept for the next life where this one has no end.
        let stale: Int64

        /// A life from now on, of some milliseconds or without an end.
        @EventLoop
        init(milliseconds: Int64?, stale: Int64) {
            staleAt = milliseconds.map { EventLoop.reactor.now.advanced(milliseconds: $0) } ?? .distantFuture
            end = staleAt.advanced(nanoseconds: stale)
            self.stale = stale
        }

        /// The life that a block tells.
        init(staleAt: Instant, end: Instant) {
            let isEndless = end == .distantFuture && staleAt.nanoseconds < 0
            self.staleAt = isEndless ? .distantFuture : min(staleAt, end)
            self.end = end
            stale = isEndless ? -staleAt.nanoseconds : max(end.nanoseconds(since: min(staleAt, end)), 0)
        }

        /// What a block tells beside its end: when the life is over, or less than zero by the stale period of the next.
        fileprivate var mark: Instant {
            if stale > 0, staleAt == .distantFuture { return Instant(nanoseconds: -stale) }
            return staleAt == end ? .distantFuture : staleAt
        }
    }

    /// An entry that was found, lent until the next call.
    struct Found {
        /// The value as JSON text of one line.
        let value: ByteView
        /// Under which name it is handed out.
        let form: NearForm
        /// How long it is served.
        let life: Life
        /// The tags that it was written under.
        let tags: [TagTable.Reference]

        /// Whether its life is over.
        @EventLoop var isStale: Bool { life.staleAt <= EventLoop.reactor.now && life.staleAt < life.end }
    }

    private var table: NearTable
    private var tags = TagTable()
    /// When tags were invalidated last, while entries were being computed, in nanoseconds by the host's monotonic clock.
    private var invalidations: [[UInt8]: Int64] = [:]
    /// When a tag was invalidated last for which there was no room.
    private var invalidationsUnknown = Int64.min
    private static let invalidationsMax = 10_000
    private var scratch = ByteBuffer()
    /// Until when nobody is to compute an entry, by its key's full name.
    private var pauses: [[UInt8]: (end: Instant, namespace: UInt16)] = [:]
    /// Most pauses; beyond, those that are over are forgotten, and one more is not taken.
    private static let pausesMax = 10_000

    /// An empty store of at most `bytesMax` bytes.
    init(bytesMax: Int) {
        table = NearTable(bytesMax: bytesMax)
    }

    /// Longest name and value together, in bytes.
    var entryBytesMax: Int { max(table.entryBytesMax - MemoryLayout<NearHeader>.stride, 0) }

    /// What a namespace holds.
    func share(of namespace: UInt16) -> NearTable.Share { table.share(of: namespace) }

    /// Entries held.
    var count: Int { table.count }

    /// Memory held, in bytes.
    var bytes: Int { table.bytes }

    /// Finds an entry.
    ///
    /// - Parameter name: Full name of the key that it would have in Valkey.
    /// - Returns: The entry, lent until the next call; nil where there is none, or its tags have moved on.
    func find(_ name: ByteView) -> Found? {
        let hash = table.hash(name)
        guard let hit = table.find(name, hash, at: EventLoop.reactor.now) else { return nil }
        guard hit.form == .guarded else {
            let life = Life(staleAt: hit.expiry, end: hit.expiry)
            return Found(value: hit.value, form: hit.form, life: life, tags: [])
        }
        let copy = NearGuard(hit.value)
        guard copy.tags.allSatisfy({ tags.stands($0) }) else {
            table.remove(name, hash)
            return nil
        }
        let life = Life(staleAt: copy.staleAt, end: hit.expiry)
        return Found(value: copy.value, form: copy.form, life: life, tags: copy.tags)
    }

    /// Writes an entry.
    ///
    /// - Parameters:
    ///   - name: Full name of the key.
    ///   - namespace: Number of the namespace.
    ///   - value: The value as JSON text of one line, which must not be of this object.
    ///   - form: Under which name it is handed out.
    ///   - life: How long it is served.
    ///   - references: What ``references(to:)`` gave for its tags.
    /// - Returns: Whether it is held. Where it is too large what was there stays.
    @discardableResult
    func store(
        _ name: ByteView,
        _ namespace: UInt16,
        _ value: ByteView,
        _ form: NearForm,
        _ life: Life,
        _ references: [TagTable.Reference]
    ) -> Bool {
        guard fits(name.count, value.count, hasStale: life.stale > 0, tags: references.count) else { return false }
        let hash = table.hash(name)
        if life.stale == 0, references.isEmpty {
            return table.store(name, hash, namespace: namespace, value, form, expiry: life.end)
        }
        scratch.removeAll(keepingCapacityUpTo: 64 << 10)
        NearGuard.append(form, staleAt: life.mark, references, to: &scratch)
        scratch.append(value)
        return table.store(name, hash, namespace: namespace, scratch.view, .guarded, expiry: life.end)
    }

    /// Whether an entry is small enough.
    ///
    /// - Parameters:
    ///   - nameCount: Length of its name in bytes.
    ///   - valueCount: Length of its value as JSON text of one line.
    ///   - hasStale: Whether it has a stale period.
    ///   - tags: Number of its tags.
    /// - Returns: Whether ``store(_:_:_:_:_:_:)`` holds it.
    func fits(_ nameCount: Int, _ valueCount: Int, hasStale: Bool, tags: Int) -> Bool {
        let guardCount = hasStale || tags > 0 ? NearGuard.count(tags: tags) : 0
        return nameCount <= NearTable.nameBytesMax && nameCount + guardCount + valueCount <= entryBytesMax
    }

    /// Gives an entry another life.
    ///
    /// - Returns: Whether there is one.
    func touch(_ name: ByteView, _ namespace: UInt16, life: Int64?) -> Bool {
        guard let found = find(name) else { return false }
        let value = found.value.copy()
        let next = Life(milliseconds: life, stale: found.life.stale)
        return value.withByteView { store(name, namespace, $0, found.form, next, found.tags) }
    }

    /// Removes an entry.
    ///
    /// - Returns: Whether there was one.
    func remove(_ name: ByteView) -> Bool {
        let isThere = find(name) != nil
        table.remove(name, table.hash(name))
        return isThere
    }

    /// Full names of the tags of an entry that was found.
    func tagNames(of found: Found) -> [[UInt8]] { found.tags.compactMap { tags.name(of: $0) } }

    /// What an entry with these tags records of them.
    func references(to names: [[UInt8]]) -> [TagTable.Reference] {
        names.compactMap { name in
            if let known = tags.known(name) { return known.reference }
            tags.learn([1], tags.ask(name))
            return tags.known(name)?.reference
        }
    }

    /// Has all entries be gone that have a tag.
    ///
    /// - Parameters:
    ///   - name: The tag's full name.
    ///   - isRemembered: Whether anybody computes a value, who may be told with ``wasInvalidated(_:since:)``.
    func invalidate(tag name: [UInt8], isRemembered: Bool) {
        tags.changed(name)
        if !isRemembered {
            invalidations.removeAll()
        } else if invalidations.count < LocalEntries.invalidationsMax || invalidations[name] != nil {
            invalidations[name] = Instant.now.nanoseconds
        } else {
            invalidationsUnknown = Instant.now.nanoseconds
        }
    }

    /// Whether a tag was invalidated since a lease began.
    func wasInvalidated(_ names: [[UInt8]], since begun: Int64) -> Bool {
        guard !names.isEmpty else { return false }
        return invalidationsUnknown >= begun || names.contains { invalidations[$0].map { $0 >= begun } ?? false }
    }

    /// Goes through the names of some pages' entries, and removes those that are sought.
    ///
    /// - Parameters:
    ///   - start: First page, 0 in the first call; behind the last one nothing is gone through.
    ///   - isSought: Receives a namespace's number and a full name, lent.
    /// - Returns: The page to go on with, or nil after the last.
    func remove(from start: Int, _ isSought: (UInt16, ByteView) -> Bool) -> Int? {
        guard (0..<table.pageNumbers).contains(start) else { return nil }
        let end = start + 16
        table.remove(inPages: start..<end, isSought)
        return end < table.pageNumbers ? end : nil
    }

    // MARK: Pauses

    /// Has nobody compute an entry for a while.
    func pause(_ name: [UInt8], _ namespace: UInt16, milliseconds: Int64) {
        let now = EventLoop.reactor.now
        if pauses.count >= LocalEntries.pausesMax { pauses = pauses.filter { $0.value.end > now } }
        guard pauses.count < LocalEntries.pausesMax else { return }
        pauses[name] = (now.advanced(milliseconds: milliseconds), namespace)
    }

    /// Whether nobody is to compute an entry now.
    func isPaused(_ name: [UInt8]) -> Bool {
        guard let pause = pauses[name] else { return false }
        if pause.end > EventLoop.reactor.now { return true }
        pauses[name] = nil
        return false
    }

    /// Lets an entry be computed again.
    func endPause(_ name: [UInt8]) {
        if !pauses.isEmpty { pauses[name] = nil }
    }

    /// Lets those entries be computed again that are sought.
    func endPauses(_ isSought: (UInt16, ByteView) -> Bool) {
        guard !pauses.isEmpty else { return }
        pauses = pauses.filter { name, pause in !name.withByteView { isSought(pause.namespace, $0) } }
    }
}
