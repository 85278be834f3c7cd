public import Glibc

/// Bytes that somebody else owns, lent for the length of a call.
///
/// A view is how a request travels from the socket's buffer to Valkey's without being copied into an array. It is two
/// words, does not count references and frees nothing. Whoever hands one out keeps the memory alive and unchanged until
/// the callee returns; whoever receives one copies what it needs longer. No view is stored across a suspension or a
/// turn of the event loop.
@safe
public struct ByteView {
    @usableFromInline let base: UnsafePointer<UInt8>
    /// Number of bytes.
    public let count: Int

    /// Lends `count` bytes that begin at `base`.
    ///
    /// - Parameters:
    ///   - base: First byte; not read when `count` is 0.
    ///   - count: Number of bytes, 0 or more.
    @unsafe
    @inlinable
    public init(base: UnsafePointer<UInt8>, count: Int) {
        unsafe self.base = base
        self.count = count
    }

    /// Lends the UTF-8 of a literal, which lives as long as the process.
    @inlinable
    public init(_ literal: StaticString) {
        unsafe self.init(base: literal.utf8Start, count: literal.utf8CodeUnitCount)
    }

    /// A view of no bytes.
    public static var empty: ByteView { ByteView("") }

    /// Whether there is no byte.
    @inlinable public var isEmpty: Bool { count == 0 }

    /// The byte at `index`, 0 ..< `count`; beyond is a programmer's error, trapped in debug builds.
    @inlinable
    public subscript(index: Int) -> UInt8 {
        assert(index >= 0 && index < count)
        return unsafe base[index]
    }

    /// The bytes from `lower` up to, not including, `upper`, with 0 ≤ `lower` ≤ `upper` ≤ `count`.
    @inlinable
    public subscript(bounds: Range<Int>) -> ByteView {
        assert(bounds.lowerBound >= 0 && bounds.upperBound <= count)
        return unsafe ByteView(base: base + bounds.lowerBound, count: bounds.upperBound - bounds.lowerBound)
    }

    /// The bytes from `offset` to the end.
    @inlinable
    public func dropFirst(_ offset: Int) -> ByteView { self[offset..<count] }

    /// The first `length` bytes.
    @inlinable
    public func prefix(_ length: Int) -> ByteView { self[0..<length] }

    /// Eight bytes that begin at `index`, in memory order, with `index` + 8 ≤ `count`.
    @inlinable
    public func word(at index: Int) -> UInt64 {
        assert(index >= 0 && index + 8 <= count)
        return unsafe UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self)
    }

    /// Index of the first `byte` at or after `start`, or nil.
    ///
    /// - Complexity: O(n), by the C library's vector search.
    @inlinable
    public func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start < count, let found = unsafe memchr(base + start, Int32(byte), count - start) else { return nil }
        return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
    }

    /// Whether the bytes equal those of `literal`.
    ///
    /// Inlined, so that comparing a short literal becomes one or two comparisons of words.
    @inlinable @inline(__always)
    public func equals(_ literal: StaticString) -> Bool {
        unsafe count == literal.utf8CodeUnitCount && memcmp(base, literal.utf8Start, count) == 0
    }

    /// Whether the bytes equal those of `other`.
    @inlinable
    public func equals(_ other: ByteView) -> Bool {
        unsafe count == other.count && memcmp(base, other.base, count) == 0
    }

    /// Whether the first bytes are those of `literal`.
    @inlinable @inline(__always)
    public func hasPrefix(_ literal: StaticString) -> Bool {
        has(literal, at: 0)
    }

    /// Whether the bytes from `index` on begin with those of `literal`.
    ///
    /// Inlined, so that comparing a short literal becomes one or two comparisons of words.
    ///
    /// - Parameters:
    ///   - literal: The bytes sought.
    ///   - index: Where they are to begin, 0...`count`.
    /// - Returns: Whether they do.
    @inlinable @inline(__always)
    public func has(_ literal: StaticString, at index: Int) -> Bool {
        unsafe count - index >= literal.utf8CodeUnitCount
            && memcmp(base + index, literal.utf8Start, literal.utf8CodeUnitCount) == 0
    }

    /// Whether the bytes from `index` on, 0...`count`, begin with those of `other`.
    @inlinable
    public func has(_ other: ByteView, at index: Int) -> Bool {
        unsafe count - index >= other.count && memcmp(base + index, other.base, other.count) == 0
    }

    /// Where `part`, which is lent from these bytes, stands among them.
    public func range(of part: ByteView) -> Range<Int> {
        let lower = unsafe part.base - base
        precondition(lower >= 0 && lower + part.count <= count, "a part is lent from the whole")
        return lower..<(lower + part.count)
    }

    /// Whether the first bytes are those of `other`.
    public func hasPrefix(_ other: ByteView) -> Bool {
        unsafe count >= other.count && memcmp(base, other.base, other.count) == 0
    }

    /// Whether the bytes of `literal`, at least one, occur in this short text.
    public func contains(_ literal: StaticString) -> Bool {
        let sought = ByteView(literal)
        var start = 0
        while let index = firstIndex(of: sought[0], from: start) {
            if dropFirst(index).hasPrefix(sought) { return true }
            start = index + 1
        }
        return false
    }

    /// Runs `body` with the address of the first byte.
    @unsafe
    @inlinable
    public func withUnsafeBytes<Result>(_ body: (UnsafePointer<UInt8>, Int) throws -> Result) rethrows -> Result {
        try unsafe body(base, count)
    }

    /// A copy that owns its bytes.
    public func copy() -> [UInt8] {
        unsafe [UInt8](UnsafeBufferPointer(start: base, count: count))
    }

    /// The bytes as text for logs and messages, with U+FFFD in place of what is not UTF-8.
    public func text() -> String {
        unsafe String(decoding: UnsafeBufferPointer(start: base, count: count), as: UTF8.self)
    }
}

extension [UInt8] {
    /// Lends the array's bytes to `body`.
    public func withByteView<Result, Failure: Error>(
        _ body: (ByteView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withSpan(self) { view throws(Failure) in try body(view) }
    }
}

extension String {
    /// Lends the string's UTF-8 to `body`; copied first where it is not contiguous.
    public func withByteView<Result, Failure: Error>(
        _ body: (ByteView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withSpan([UInt8](utf8)) { view throws(Failure) in try body(view) }
    }
}

private func withSpan<Result, Failure: Error>(
    _ bytes: [UInt8],
    _ body: (ByteView) throws(Failure) -> Result
) throws(Failure) -> Result {
    var outcome: Swift.Result<Result, Failure>?
    unsafe bytes.withUnsafeBufferPointer { pointer in
        let view =
            if let base = pointer.baseAddress {
                unsafe ByteView(base: base, count: pointer.count)
            } else {
                ByteView.empty
            }
        do throws(Failure) {
            outcome = .success(try body(view))
        } catch {
            outcome = .failure(error)
        }
    }
    guard let outcome else { preconditionFailure("withUnsafeBufferPointer did not run its body") }
    return try outcome.get()
}
