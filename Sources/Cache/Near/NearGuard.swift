import Bytes
import Linux

/// What a copy needs to be checked against before it is served, in front of its value: the end of its life where it may
/// be served after it, and the tags that it was written under.
///
/// Such copies are rare, so they are told from others by their form, and others pay nothing for them.
struct NearGuard {
    /// How the value is handed out.
    let form: NearForm
    /// When the value becomes stale; ``Instant/distantFuture`` where it never does.
    let staleAt: Instant
    /// The tags, as they were known when the copy was made.
    let tags: [TagTable.Reference]
    /// The value as JSON text of one line.
    let value: ByteView

    /// Length of what stands in front of the value, in bytes.
    static func count(tags: Int) -> Int { 10 + 16 * tags }

    /// Reads a copy of form ``NearForm/guarded``.
    init(_ copy: ByteView) {
        form = NearForm(rawValue: copy[0]) ?? .json
        let count = Int(copy[1])
        staleAt = Instant(nanoseconds: Int64(bitPattern: UInt64(littleEndian: copy.word(at: 2))))
        var tags: [TagTable.Reference] = []
        for index in 0..<count {
            let start = 10 + 16 * index
            tags.append(
                TagTable.Reference(
                    number: UInt32(truncatingIfNeeded: UInt64(littleEndian: copy.word(at: start))),
                    version: UInt64(littleEndian: copy.word(at: start + 8))
                )
            )
        }
        self.tags = tags
        value = copy.dropFirst(NearGuard.count(tags: count))
    }

    /// Appends what stands in front of the value.
    static func append(_ form: NearForm, staleAt: Instant, _ tags: [TagTable.Reference], to copy: inout ByteBuffer) {
        copy.append(form.rawValue)
        copy.append(UInt8(tags.count))
        copy.append(word: UInt64(bitPattern: staleAt.nanoseconds))
        for tag in tags {
            copy.append(word: UInt64(tag.number))
            copy.append(word: tag.version)
        }
    }
}

extension ByteBuffer {
    /// Appends eight bytes, the least significant first.
    fileprivate mutating func append(word: UInt64) {
        for shift in stride(from: UInt64(0), through: 56, by: 8) { append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
}
