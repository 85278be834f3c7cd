import Bytes

/// Where a record lies, as it is bound into the envelope: 32 bytes that name it, the length of its namespace, and that.
///
/// Whoever moves an envelope to another key or namespace moves it to a place where it does not open.
enum Place {
    /// Appends the place of what is named by a digest of 32 bytes.
    static func append(_ digest: ByteView, _ namespace: ByteView?, to buffer: inout ByteBuffer) {
        buffer.append(digest)
        buffer.append(UInt8(truncatingIfNeeded: namespace?.count ?? 0))
        if let namespace { buffer.append(namespace) }
    }
}
