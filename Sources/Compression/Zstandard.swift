public import Bytes
import CZstd

/// Zstandard (RFC 8878), by its library: whole texts at a time, within a bound when they are read.
///
/// The memory of one value is used again for each text, so it belongs to one thread.
@safe
public final class Zstandard {
    /// How hard it tries: the library's own default.
    private static let level: Int32 = 3

    private let compressing: OpaquePointer
    private let reading: OpaquePointer

    /// Makes a compressor, which takes memory at its first text.
    public init() {
        guard let compressing = unsafe ZSTD_createCCtx(), let reading = unsafe ZSTD_createDCtx() else {
            fatalError("out of memory: a context of Zstandard")
        }
        unsafe self.compressing = unsafe compressing
        unsafe self.reading = unsafe reading
    }

    deinit {
        unsafe _ = ZSTD_freeCCtx(compressing)
        unsafe _ = ZSTD_freeDCtx(reading)
    }

    /// Appends `text`, compressed to one frame that says its own size.
    ///
    /// - Parameters:
    ///   - text: Any bytes.
    ///   - output: Receives the frame.
    public func compress(_ text: ByteView, to output: inout ByteBuffer) {
        let bound = ZSTD_compressBound(text.count)
        unsafe _ = output.withSpareCapacity(bound) { memory, capacity in
            let written = unsafe text.withUnsafeBytes { base, count in
                unsafe ZSTD_compressCCtx(compressing, memory, capacity, base, count, Zstandard.level)
            }
            precondition(ZSTD_isError(written) == 0, "Zstandard failed")
            return written
        }
    }

    /// Appends what a frame holds.
    ///
    /// - Parameters:
    ///   - frame: One frame that says its own size, and nothing behind it.
    ///   - bytesMax: Bound on what it may hold; more is refused before any memory is taken.
    ///   - output: Receives the text; left as it is where the result is false.
    /// - Returns: Whether it is such a frame.
    public func decompress(_ frame: ByteView, bytesMax: Int, to output: inout ByteBuffer) -> Bool {
        let size = unsafe frame.withUnsafeBytes { base, count in unsafe squire_zstd_content_bytes(base, count) }
        guard size >= 0, size <= bytesMax else { return false }
        var isWhole = false
        unsafe _ = output.withSpareCapacity(max(Int(size), 1)) { memory, _ in
            let written = unsafe frame.withUnsafeBytes { base, count in
                unsafe ZSTD_decompressDCtx(reading, memory, Int(size), base, count)
            }
            isWhole = ZSTD_isError(written) == 0 && written == Int(size)
            return isWhole ? written : 0
        }
        return isWhole
    }
}
