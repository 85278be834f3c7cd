import Bytes

/// What stands before the value of an entry that needs more than a value: a stale period, tags, another form.
///
/// The layout, byte by byte, is documented in `docs/reference/cache-entries.md`. The stale period has a fixed place,
/// with room for a lease, so that scripts can read it and write the lease in place.
struct EntryHead {
    /// What an entry has beside its value.
    struct Flags: OptionSet {
        let rawValue: UInt8

        /// A period after its life in which the value may still be served.
        static let stale = Flags(rawValue: 1)
        /// Tags, with the generations that it was written under.
        static let tagged = Flags(rawValue: 2)
        /// The value is compressed.
        static let compressed = Flags(rawValue: 4)
        /// The value is encrypted, after it was compressed.
        static let encrypted = Flags(rawValue: 8)
        /// All that this agent can read.
        static let known: Flags = [.stale, .tagged, .compressed, .encrypted]
    }

    /// The tag and the generation that an entry was written under.
    struct Tag {
        /// The tag's name, without prefix and namespace.
        let name: ByteView
        /// 16 bytes.
        let generation: ByteView
    }

    /// Where the parts begin.
    enum Layout {
        static let flags = 2
        static let stale = 3
        static let leaseEnd = 11
        static let lease = 19
        static let staleEnd = 51
    }

    /// The byte and the letter that the head begins with.
    static let mark: StaticString = "\u{01}E"
    /// Length of the name of a lease, and of the place for one.
    static let leaseBytes = 32
    /// Length of a tag's generation.
    static let generationBytes = 16
    /// Most tags of an entry.
    static let tagsMax = 32
    /// Longest time that a value may be served after its life, in milliseconds: 100 years, as `proto/` says.
    static let staleMillisecondsMax: Int64 = 3_153_600_000_000

    /// What the entry has.
    let flags: Flags
    /// Full name of the key that the entry was written to.
    let name: ByteView
    /// How long the value may be served after its life, in milliseconds; 0 for not at all.
    let staleMilliseconds: Int64
    /// Number of tags.
    let tagCount: Int
    /// The head's own bytes.
    let bytes: ByteView
    /// What stands behind the head.
    let payload: ByteView
    private let tagsStart: Int

    /// Reads the head of a stored entry; nil where it is none, is cut off, or has something that is not known.
    ///
    /// - Parameter stored: The entry, or its beginning where only the head is wanted; lent while the head is used.
    init?(_ stored: ByteView) {
        guard stored.hasPrefix(EntryHead.mark), stored.count > Layout.stale else { return nil }
        flags = Flags(rawValue: stored[Layout.flags])
        guard flags.isSubset(of: .known) else { return nil }
        var position = Layout.stale
        var stale: Int64 = 0
        if flags.contains(.stale) {
            guard stored.count > Layout.staleEnd else { return nil }
            stale = Int64(bitPattern: UInt64(bigEndian: stored.word(at: Layout.stale)))
            // Anybody may have written it.
            guard (0...EntryHead.staleMillisecondsMax).contains(stale) else { return nil }
            position = Layout.staleEnd
        }
        guard let nameCount = EntryHead.short(stored, position), stored.count >= position + 2 + nameCount else {
            return nil
        }
        staleMilliseconds = stale
        name = stored[(position + 2)..<(position + 2 + nameCount)]
        position += 2 + nameCount
        var count = 0
        if flags.contains(.tagged) {
            guard position < stored.count else { return nil }
            count = Int(stored[position])
            position += 1
        }
        tagCount = count
        tagsStart = position
        for _ in 0..<count {
            guard let length = EntryHead.short(stored, position) else { return nil }
            position += 2 + length + EntryHead.generationBytes
            guard position <= stored.count else { return nil }
        }
        bytes = stored.prefix(position)
        payload = stored.dropFirst(position)
    }

    /// The tags, in the order written.
    var tags: [Tag] {
        var tags: [Tag] = []
        var position = tagsStart
        for _ in 0..<tagCount {
            let end = position + 2 + (EntryHead.short(bytes, position) ?? 0)
            tags.append(
                Tag(name: bytes[(position + 2)..<end], generation: bytes[end..<(end + EntryHead.generationBytes)])
            )
            position = end + EntryHead.generationBytes
        }
        return tags
    }

    /// Appends a head.
    ///
    /// - Parameters:
    ///   - name: Full name of the entry's key.
    ///   - staleMilliseconds: How long the value may be served after its life; 0 for not at all.
    ///   - tags: Names and generations.
    ///   - form: What is done to the value.
    ///   - buffer: Receives the head.
    static func append(
        name: ByteView,
        staleMilliseconds: Int64,
        tags: [(name: [UInt8], generation: [UInt8])],
        _ form: Flags = [],
        to buffer: inout ByteBuffer
    ) {
        var flags = form
        if staleMilliseconds > 0 { flags.insert(.stale) }
        if !tags.isEmpty { flags.insert(.tagged) }
        buffer.append(mark)
        buffer.append(flags.rawValue)
        if staleMilliseconds > 0 {
            for shift in stride(from: 56, through: 0, by: -8) {
                buffer.append(UInt8(truncatingIfNeeded: staleMilliseconds >> Int64(shift)))
            }
            for _ in Layout.leaseEnd..<Layout.staleEnd { buffer.append(0) }
        }
        buffer.append(short: name.count)
        buffer.append(name)
        guard !tags.isEmpty else { return }
        buffer.append(UInt8(tags.count))
        for tag in tags {
            buffer.append(short: tag.name.count)
            buffer.append(tag.name)
            buffer.append(tag.generation)
        }
    }

    private static func short(_ bytes: ByteView, _ index: Int) -> Int? {
        guard index + 2 <= bytes.count else { return nil }
        return Int(bytes[index]) << 8 | Int(bytes[index + 1])
    }
}

extension ByteBuffer {
    /// Appends a number of two bytes, the most significant first.
    fileprivate mutating func append(short number: Int) {
        append(UInt8(truncatingIfNeeded: number >> 8))
        append(UInt8(truncatingIfNeeded: number))
    }
}
