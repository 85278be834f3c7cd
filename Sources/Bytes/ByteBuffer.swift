public import Glibc

/// A queue of bytes in one block of memory: appended at the end, consumed at the front.
///
/// Sockets are read into one and written out of one. It owns its memory and moves what it holds only after as many bytes
/// were consumed, or into a block with room for as many again, so a byte is moved at most twice on average.
@safe
public struct ByteBuffer: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<UInt8>?
    @usableFromInline var start = 0
    @usableFromInline var end = 0
    /// Size of the block of memory held, in bytes.
    public internal(set) var capacity = 0

    /// An empty buffer that holds no memory.
    public init() {
        unsafe base = nil
    }

    deinit {
        unsafe free(base)
    }

    /// Number of bytes held.
    @inlinable public var count: Int { end - start }

    /// Whether no byte is held.
    @inlinable public var isEmpty: Bool { end == start }

    /// The bytes held, lent until the next change of the buffer.
    @inlinable
    public var view: ByteView {
        guard let base = unsafe base else { return .empty }
        return unsafe ByteView(base: UnsafePointer(base) + start, count: end - start)
    }

    /// Makes room for `count` more bytes.
    @inlinable @inline(__always)
    public mutating func reserve(_ count: Int) {
        if capacity - end < count { grow(by: count) }
    }

    /// Appends one byte.
    @inlinable @inline(__always)
    public mutating func append(_ byte: UInt8) {
        reserve(1)
        // A buffer with room has memory.
        unsafe base.unsafelyUnwrapped[end] = byte
        end += 1
    }

    /// Appends the bytes of `view`, which must not be of this buffer.
    @inlinable
    public mutating func append(_ view: ByteView) {
        // One more than none, so that there is memory to copy nothing to.
        reserve(view.count | 1)
        unsafe _ = memcpy(base.unsafelyUnwrapped + end, view.base, view.count)
        end += view.count
    }

    /// Appends the UTF-8 of a literal.
    ///
    /// Inlined, so that a short literal becomes a few stores.
    @inlinable @inline(__always)
    public mutating func append(_ literal: StaticString) {
        let count = literal.utf8CodeUnitCount
        // One more than none, so that there is memory to copy nothing to.
        reserve(count | 1)
        unsafe _ = memcpy(base.unsafelyUnwrapped + end, literal.utf8Start, count)
        end += count
    }

    /// Appends an owned copy of bytes.
    public mutating func append(_ bytes: [UInt8]) {
        bytes.withByteView { append($0) }
    }

    /// Appends the UTF-8 of `text`.
    public mutating func append(text: String) {
        text.withByteView { append($0) }
    }

    /// Appends `value` in decimal, with a leading `-` where it is negative.
    public mutating func append(decimal value: Int64) {
        if value < 0 {
            append(UInt8(ascii: "-"))
        }
        append(decimal: value.magnitude)
    }

    /// Appends `value` in decimal.
    @inline(__always)
    public mutating func append(decimal value: UInt64) {
        // Most are counts and lengths of commands: a digit or two.
        guard value >= 10 else { return append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value)) }
        guard value < 100 else { return appendLong(value) }
        reserve(2)
        let (tens, ones) = value.quotientAndRemainder(dividingBy: 10)
        unsafe base.unsafelyUnwrapped[end] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: tens)
        unsafe base.unsafelyUnwrapped[end + 1] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: ones)
        end += 2
    }

    @inline(never)
    private mutating func appendLong(_ value: UInt64) {
        let (upper, lower) = value.quotientAndRemainder(dividingBy: 100_000_000)
        guard upper > 0 else { return append(ByteBuffer.decimal(lower), leadingZeros: false) }
        // Of 20 digits the first 4 are beyond two times 8.
        append(decimal: upper)
        append(ByteBuffer.decimal(lower), leadingZeros: true)
    }

    /// Appends eight digits that ``decimal(_:)`` made.
    @inline(__always)
    private mutating func append(_ digits: UInt64, leadingZeros: Bool) {
        reserve(8)
        // Leading zeros are the lowest bytes; of nothing but zeros none is appended, and nobody asks for it.
        let zeros = leadingZeros ? 0 : digits.trailingZeroBitCount / 8
        let text = (digits | 0x3030_3030_3030_3030) >> (8 * UInt64(zeros))
        unsafe UnsafeMutableRawPointer(base.unsafelyUnwrapped + end).storeBytes(of: text.littleEndian, as: UInt64.self)
        end += 8 - zeros
    }

    /// The eight decimal digits of a number, each in a byte of its own, the first in the lowest.
    ///
    /// It is halved three times, all parts of it at once: into two numbers of four digits, four of two, eight of one.
    /// Each quotient is a product with a fraction that is large enough by a little.
    ///
    /// - Parameter value: The number, 0 ..< 10^8.
    /// - Returns: The digits, each 0...9.
    @inline(__always)
    private static func decimal(_ value: UInt64) -> UInt64 {
        let fours = value / 10_000 | (value % 10_000) << 32
        // 10486 / 2^20 is 1 / 100 and a little, right up to 43,698.
        let hundreds = (fours &* 10_486) >> 20 & 0x7f_0000_007f
        let twos = hundreds | (fours &- hundreds &* 100) << 16
        // 103 / 2^10 is 1 / 10 and a little, right up to 178.
        let tens = (twos &* 103) >> 10 & 0xf_000f_000f_000f
        return tens | (twos &- tens &* 10) << 8
    }

    /// Digits of `value` in decimal, 1...20: by the count of its bits, which is wrong by one at most.
    public static func digitCount(_ value: UInt64) -> Int {
        // 1233 / 4096 is a little more than the decimal logarithm of 2.
        let guess = ((64 - value.leadingZeroBitCount) * 1233) >> 12
        return guess + (value >= powersOfTen[guess] ? 1 : 0) + (value == 0 ? 1 : 0)
    }

    /// 10 to the power of 0...19; the first is 1, so that 1 has a digit more than 0.
    private static let powersOfTen: InlineArray<20, UInt64> = [
        1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000,
        100_000_000_000, 1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000,
        10_000_000_000_000_000, 100_000_000_000_000_000, 1_000_000_000_000_000_000, 10_000_000_000_000_000_000,
    ]

    /// Appends `value` in decimal.
    public mutating func append(decimal value: Int) {
        append(decimal: Int64(value))
    }

    /// Drops the first `count` bytes, at most as many as are held.
    @inlinable
    public mutating func consume(_ count: Int) {
        assert(count >= 0 && count <= self.count)
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Drops what was appended after the buffer held `count` bytes.
    @inlinable
    public mutating func truncate(to count: Int) {
        assert(count >= 0 && count <= self.count)
        end = start + count
    }

    /// Drops every byte.
    ///
    /// - Parameter limit: The block of memory is freed when it is larger than this many bytes.
    public mutating func removeAll(keepingCapacityUpTo limit: Int = .max) {
        start = 0
        end = 0
        guard capacity > limit else { return }
        unsafe free(base)
        unsafe base = nil
        capacity = 0
    }

    /// Overwrites the byte at `index`, 0 ..< `count`.
    public mutating func replace(at index: Int, with byte: UInt8) {
        assert(index >= 0 && index < count)
        if let base = unsafe base { unsafe base[start + index] = byte }
    }

    /// Cuts `bounds` out; what follows moves forward.
    public mutating func remove(_ bounds: Range<Int>) {
        assert(bounds.lowerBound >= 0 && bounds.upperBound <= count)
        guard let base = unsafe base, !bounds.isEmpty else { return }
        let tail = count - bounds.upperBound
        unsafe _ = memmove(base + start + bounds.lowerBound, base + start + bounds.upperBound, tail)
        end -= bounds.upperBound - bounds.lowerBound
    }

    /// Lets `body` write into free memory after the last byte.
    ///
    /// - Parameters:
    ///   - minimum: Bytes of free memory wanted, at least.
    ///   - body: Receives the memory and its size, returns how many bytes it wrote there.
    /// - Returns: What `body` returned.
    @unsafe
    @inlinable
    public mutating func withSpareCapacity(
        _ minimum: Int,
        _ body: (UnsafeMutablePointer<UInt8>, Int) -> Int
    ) -> Int {
        reserve(minimum)
        guard let base = unsafe base else { return 0 }
        let written = unsafe body(base + end, capacity - end)
        assert(written >= 0 && written <= capacity - end)
        end += written
        return written
    }

    @inline(never)
    @usableFromInline
    mutating func grow(by count: Int) {
        let held = end - start
        if let base = unsafe base, start >= held, capacity - held >= count {
            unsafe _ = memmove(base, base + start, held)
            start = 0
            end = held
            return
        }
        var size = max(64, capacity)
        while size - held < max(count, held) { size *= 2 }
        guard let block = unsafe malloc(size) else { fatalError("out of memory: \(size) bytes") }
        let fresh = unsafe block.assumingMemoryBound(to: UInt8.self)
        if let base = unsafe base {
            unsafe _ = memcpy(fresh, base + start, held)
            unsafe free(base)
        }
        unsafe self.base = fresh
        capacity = size
        start = 0
        end = held
    }
}
