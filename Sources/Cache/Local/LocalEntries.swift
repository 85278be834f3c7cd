import Bytes
import EventLoop
import Linux

/// Entries that lie in the agent's memory alone: data of one host, which a restart forgets.
///
/// They are kept like copies, within a bound of their own, and are as little promised to stay as those of any cache.
@EventLoop
final class LocalEntries {
    /// An entry that was found, lent until the next call.
    struct Found {
        /// The value as JSON text of one line.
        let value: ByteView
        /// Under which name it is handed out.
        let form: NearForm
        /// When its life is over; ``Instant/distantFuture`` for never.
        let staleAt: Instant
        /// When it ends; ``Instant/distantFuture`` for never.
        let end: Instant
        /// The tags that it was written under.
        let tags: [TagTable.Reference]

        /// Whether its life is over.
        @EventLoop var isStale: Bool { staleAt <= EventLoop.reactor.now && staleAt < end }
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
    private var pauses: [[UInt8]: Instant] = [:]
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
            return Found(value: hit.value, form: hit.form, staleAt: hit.expiry, end: hit.expiry, tags: [])
        }
        let copy = NearGuard(hit.value)
        guard copy.tags.allSatisfy({ tags.stands($0) }) else {
            table.remove(name, hash)
            return nil
        }
        return Found(value: copy.value, form: copy.form, staleAt: copy.staleAt, end: hit.expiry, tags: copy.tags)
    }

    /// Writes an entry.
    ///
    /// - Parameters:
    ///   - name: Full name of the key.
    ///   - namespace: Number of the namespace.
    ///   - value: The value as JSON text of one line, which must not be of this object.
    ///   - form: Under which name it is handed out.
    ///   - staleAt: When its life is over.
    ///   - end: When it ends.
    ///   - references: What ``references(to:)`` gave for its tags.
    /// - Returns: Whether it is held; it is not where it is too large.
    @discardableResult
    func store(
        _ name: ByteView,
        _ namespace: UInt16,
        _ value: ByteView,
        _ form: NearForm,
        staleAt: Instant,
        end: Instant,
        _ references: [TagTable.Reference]
    ) -> Bool {
        let hash = table.hash(name)
        if staleAt == end, references.isEmpty {
            return table.store(name, hash, namespace: namespace, value, form, expiry: end)
        }
        scratch.removeAll(keepingCapacityUpTo: 64 << 10)
        NearGuard.append(form, staleAt: staleAt == end ? .distantFuture : staleAt, references, to: &scratch)
        scratch.append(value)
        return table.store(name, hash, namespace: namespace, scratch.view, .guarded, expiry: end)
    }

    /// Gives an entry another life.
    ///
    /// - Returns: Whether there is one.
    func touch(_ name: ByteView, _ namespace: UInt16, life: Int64?) -> Bool {
        guard let found = find(name) else { return false }
        let value = found.value.copy()
        let period = found.staleAt < found.end ? found.end.nanoseconds(since: found.staleAt) : 0
        let staleAt = life.map { EventLoop.reactor.now.advanced(milliseconds: $0) } ?? .distantFuture
        let end = staleAt.advanced(nanoseconds: found.end == .distantFuture ? 0 : period)
        return value.withByteView { store(name, namespace, $0, found.form, staleAt: staleAt, end: end, found.tags) }
    }

    /// Removes an entry.
    ///
    /// - Returns: Whether there was one.
    func remove(_ name: ByteView) -> Bool {
        let isThere = find(name) != nil
        table.remove(name, table.hash(name))
        return isThere
    }

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
    ///   - start: First page, 0 in the first call.
    ///   - isSought: Receives a namespace's number and a full name, lent.
    /// - Returns: The page to go on with, or nil after the last.
    func remove(from start: Int, _ isSought: (UInt16, ByteView) -> Bool) -> Int? {
        let end = start + 16
        table.remove(inPages: start..<end, isSought)
        return end < table.pageNumbers ? end : nil
    }

    // MARK: Pauses

    /// Has nobody compute an entry for a while.
    func pause(_ name: [UInt8], milliseconds: Int64) {
        let now = EventLoop.reactor.now
        if pauses.count >= LocalEntries.pausesMax { pauses = pauses.filter { $0.value > now } }
        guard pauses.count < LocalEntries.pausesMax else { return }
        pauses[name] = now.advanced(milliseconds: milliseconds)
    }

    /// Whether nobody is to compute an entry now.
    func isPaused(_ name: [UInt8]) -> Bool {
        guard let end = pauses[name] else { return false }
        if end > EventLoop.reactor.now { return true }
        pauses[name] = nil
        return false
    }

    /// Lets an entry be computed again.
    func endPause(_ name: [UInt8]) {
        if !pauses.isEmpty { pauses[name] = nil }
    }
}
