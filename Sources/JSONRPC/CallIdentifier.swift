import Bytes

/// The id of a call as its client wrote it, held beside the call without an allocation where it is short.
struct CallIdentifier {
    /// Longest id held in place, in bytes.
    private static let inlineMax = 24

    private var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
    private var long: [UInt8]?
    /// Number of bytes held in place; -1 where the call is a notification.
    private var length = -1

    /// Whether the call is a notification, which has no id.
    var isAbsent: Bool { length < 0 }

    /// Keeps a copy of `id`.
    mutating func set(_ id: ByteView?) {
        if long != nil { long = nil }
        guard let id else {
            length = -1
            return
        }
        length = id.count
        guard id.count <= CallIdentifier.inlineMax else {
            long = id.copy()
            return
        }
        unsafe withUnsafeMutableBytes(of: &words) { target in
            unsafe id.withUnsafeBytes { source, count in
                unsafe target.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
            }
        }
    }

    /// Whether the id was written like `other`; a notification's is like none.
    func equals(_ other: ByteView) -> Bool {
        guard length == other.count else { return false }
        if let long { return long.withByteView { $0.equals(other) } }
        return unsafe withUnsafeBytes(of: words) { own in
            unsafe other.withUnsafeBytes { bytes, count in
                unsafe own.prefix(count).elementsEqual(UnsafeBufferPointer(start: bytes, count: count))
            }
        }
    }

    /// Appends the id as it was written.
    func append(to buffer: inout ByteBuffer) {
        if let long {
            buffer.append(long)
            return
        }
        let count = length
        unsafe withUnsafeBytes(of: words) { source in
            _ = unsafe buffer.withSpareCapacity(count) { target, _ in
                unsafe UnsafeMutableRawPointer(target).copyMemory(
                    from: source.baseAddress.unsafelyUnwrapped,
                    byteCount: count
                )
                return count
            }
        }
    }
}
