public import Bytes
import COpenSSL
import Glibc

/// Bytes that nobody else is to see: kept out of swap and core dumps as far as the kernel allows, wiped at the end.
///
/// They lie in pages of their own: locked (`mlock`), left out of core dumps and of forked children, and overwritten
/// before they are given back. A process that may not lock more memory goes on without the lock: see ``isLocked``.
@safe
public final class SecretBytes {
    /// Number of bytes.
    public let count: Int
    /// Whether the kernel keeps the pages in memory.
    public let isLocked: Bool
    private let base: UnsafeMutablePointer<UInt8>
    private let mapped: Int

    /// Makes `count` zero bytes, at least 1.
    public init(count: Int) {
        precondition(count > 0, "secret bytes are some bytes")
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let mapped = (count + page - 1) / page * page
        let memory = unsafe mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            fatalError("out of memory: \(mapped) bytes for secrets")
        }
        isLocked = unsafe mlock(memory, mapped) == 0
        unsafe madvise(memory, mapped, Int32(MADV_DONTDUMP))
        unsafe madvise(memory, mapped, Int32(MADV_DONTFORK))
        self.count = count
        self.mapped = mapped
        unsafe base = memory.assumingMemoryBound(to: UInt8.self)
    }

    /// Takes a copy of `view`, which has at least one byte; wiping the original is up to its owner.
    public convenience init(copying view: ByteView) {
        self.init(count: view.count)
        unsafe view.withUnsafeBytes { source, count in unsafe base.update(from: source, count: count) }
    }

    deinit {
        unsafe OPENSSL_cleanse(base, mapped)
        unsafe munmap(base, mapped)
    }

    /// Lends the bytes to `body`; they stay where they are at least until it returns.
    public func withByteView<Result, Failure: Error>(
        _ body: (ByteView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(unsafe ByteView(base: base, count: count))
    }

    /// Runs `body` with the address of the first byte, to fill the bytes in.
    @unsafe
    public func withUnsafeMutableBytes<Result>(_ body: (UnsafeMutablePointer<UInt8>, Int) -> Result) -> Result {
        unsafe body(base, count)
    }
}

extension [UInt8] {
    /// Overwrites all bytes with zeros, in a way that the compiler does not leave out.
    public mutating func wipe() {
        unsafe withUnsafeMutableBytes { memory in
            if let base = memory.baseAddress { unsafe OPENSSL_cleanse(base, memory.count) }
        }
    }
}

extension ByteBuffer {
    /// Overwrites all bytes that are held with zeros, in a way that the compiler does not leave out, and holds none.
    ///
    /// What the buffer held before it grew lies in memory that was given back: room for a secret is to be reserved first.
    public mutating func wipe() {
        unsafe view.withUnsafeBytes { bytes, count in
            if count > 0 { unsafe OPENSSL_cleanse(UnsafeMutablePointer(mutating: bytes), count) }
        }
        removeAll()
    }
}
