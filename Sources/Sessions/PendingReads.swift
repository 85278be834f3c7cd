import Bytes
import Linux

/// What reads need to know again when Valkey answers: the place of the session and what was asked, in slots of one block
/// of memory that are used again, so that a read allocates nothing.
@safe
final class PendingReads {
    private static let slotBytes = 128
    private static let tagOffset = 97
    private static let flagsOffset = 99
    private static let deadlineOffset = 104
    private static let laneOffset = 112
    private var base: UnsafeMutablePointer<UInt8>
    private var slots = 0
    private var free: [UInt32] = []

    /// What was asked beside the session.
    struct Flags: OptionSet {
        let rawValue: UInt8
        /// Reading counts as use.
        static let touch = Flags(rawValue: 1)
        /// The namespace is not the one without a name.
        static let hasNamespace = Flags(rawValue: 2)

        /// One grace record more that the read has followed.
        private static let hop: UInt8 = 4

        /// How many grace records the read has followed.
        var hops: Int { Int(rawValue / Flags.hop) }

        /// What a read asks that follows one more grace record after `hops`; it does not count as use.
        static func following(after hops: Int) -> Flags { Flags(rawValue: UInt8(hops + 1) * hop) }
    }

    init() {
        unsafe base = .allocate(capacity: PendingReads.slotBytes)
    }

    deinit {
        unsafe base.deallocate()
    }

    /// Reads that wait.
    var count: Int { slots - free.count }

    /// Takes a slot for a read.
    ///
    /// - Parameters:
    ///   - tag: The session's slot tag.
    ///   - namespace: At most 64 bytes.
    ///   - flags: What was asked.
    ///   - deadline: When the caller stops waiting.
    ///   - lane: The caller's.
    ///   - writeDigest: Writes the 32 bytes of the session's digest.
    /// - Returns: The slot, to be given back by ``release(_:)``.
    func take(
        tag: UInt16,
        namespace: ByteView?,
        flags: Flags,
        deadline: Instant,
        lane: Int,
        writeDigest: (UnsafeMutablePointer<UInt8>) -> Void
    ) -> UInt32 {
        let slot = free.popLast() ?? grow()
        let start = unsafe base + Int(slot) * PendingReads.slotBytes
        unsafe writeDigest(start)
        let count = namespace?.count ?? 0
        precondition(count <= 64, "a namespace of more than 64 bytes")
        unsafe start[32] = UInt8(count)
        if let namespace {
            unsafe namespace.withUnsafeBytes { bytes, count in unsafe (start + 33).update(from: bytes, count: count) }
        }
        unsafe start[PendingReads.tagOffset] = UInt8(tag >> 8)
        unsafe start[PendingReads.tagOffset + 1] = UInt8(tag & 0xff)
        unsafe start[PendingReads.flagsOffset] = flags.union(namespace == nil ? [] : .hasNamespace).rawValue
        let numbers = UnsafeMutableRawPointer(start)
        unsafe numbers.storeBytes(of: deadline.nanoseconds, toByteOffset: PendingReads.deadlineOffset, as: Int64.self)
        unsafe numbers.storeBytes(of: Int64(lane), toByteOffset: PendingReads.laneOffset, as: Int64.self)
        return slot
    }

    private func grow() -> UInt32 {
        let wanted = max(64, slots * 2)
        let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted * PendingReads.slotBytes)
        unsafe larger.update(from: base, count: slots * PendingReads.slotBytes)
        unsafe base.deallocate()
        unsafe base = larger
        for index in (slots + 1..<wanted).reversed() { free.append(UInt32(index)) }
        defer { slots = wanted }
        return UInt32(slots)
    }

    /// Gives a slot back.
    func release(_ slot: UInt32) {
        free.append(slot)
    }

    /// The session's place, lent until the next ``take(tag:namespace:flags:deadline:lane:writeDigest:)``.
    func place(_ slot: UInt32) -> ByteView {
        let view = bytes(slot)
        return view.prefix(33 + Int(view[32]))
    }

    /// The session's digest, 32 bytes, lent likewise.
    func digest(_ slot: UInt32) -> ByteView { bytes(slot).prefix(32) }

    /// The session's namespace, lent likewise.
    func namespace(_ slot: UInt32) -> ByteView? {
        flags(slot).contains(.hasNamespace) ? place(slot).dropFirst(33) : nil
    }

    /// The session's slot tag.
    func tag(_ slot: UInt32) -> UInt16 {
        let view = bytes(slot)
        return UInt16(view[PendingReads.tagOffset]) << 8 | UInt16(view[PendingReads.tagOffset + 1])
    }

    /// When the caller stops waiting.
    func deadline(_ slot: UInt32) -> Instant {
        Instant(nanoseconds: Int64(bitPattern: bytes(slot).word(at: PendingReads.deadlineOffset)))
    }

    /// The caller's lane.
    func lane(_ slot: UInt32) -> Int { Int(bitPattern: UInt(bytes(slot).word(at: PendingReads.laneOffset))) }

    /// What was asked.
    func flags(_ slot: UInt32) -> Flags { Flags(rawValue: bytes(slot)[PendingReads.flagsOffset]) }

    private func bytes(_ slot: UInt32) -> ByteView {
        unsafe ByteView(base: base + Int(slot) * PendingReads.slotBytes, count: PendingReads.slotBytes)
    }
}
