import Bytes

/// The id of a call as its client wrote it, held in place where it is short, as nearly all are.
///
/// It owns nothing, so copying one is copying four words. A longer id is kept by the table that the call stands in.
struct CallIdentifier {
    /// Longest id held in place, in bytes.
    static let inlineMax = 24

    private var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
    /// Number of bytes held in place.
    private var length = Int16(CallIdentifier.absent)

    private static let absent = -1
    private static let long = -2

    /// Whether the call is a notification, which has no id.
    var isAbsent: Bool { length == CallIdentifier.absent }

    /// Whether the id is too long to be held in place.
    var isLong: Bool { length == CallIdentifier.long }

    /// Keeps a copy of `id` where it is short; otherwise takes note that it is not.
    mutating func set(_ id: ByteView?) {
        guard let id else {
            length = Int16(CallIdentifier.absent)
            return
        }
        guard id.count <= CallIdentifier.inlineMax else {
            length = Int16(CallIdentifier.long)
            return
        }
        length = Int16(id.count)
        let count = id.count
        unsafe withUnsafeMutableBytes(of: &words) { target in
            unsafe id.withUnsafeBytes { source, _ in
                unsafe target.baseAddress.unsafelyUnwrapped.copyMemory(from: source, byteCount: count)
            }
        }
    }

    /// Whether the id is held here and was written like `other`.
    func equals(_ other: ByteView) -> Bool {
        guard Int(length) == other.count else { return false }
        return unsafe withUnsafeBytes(of: words) { own in
            unsafe other.withUnsafeBytes { bytes, count in
                unsafe own.prefix(count).elementsEqual(UnsafeBufferPointer(start: bytes, count: count))
            }
        }
    }

    /// Appends the id as it was written; one that is long or absent is not here to be appended.
    func append(to buffer: inout ByteBuffer) {
        let count = Int(length)
        assert(count >= 0)
        // All of the place is copied, since that is three stores; what lies behind the id is written over.
        unsafe withUnsafeBytes(of: words) { source in
            _ = unsafe buffer.withSpareCapacity(CallIdentifier.inlineMax) { target, _ in
                unsafe UnsafeMutableRawPointer(target).copyMemory(
                    from: source.baseAddress.unsafelyUnwrapped,
                    byteCount: CallIdentifier.inlineMax
                )
                return count
            }
        }
    }
}
