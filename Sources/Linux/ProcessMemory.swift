import CLinux
import Glibc

/// This process's memory, as the kernel sees it.
public enum ProcessMemory {
    /// Bytes of memory that are present (`/proc/self/statm`), or 0 where the kernel does not tell.
    public static var residentBytes: UInt64 {
        let fields = file("/proc/self/statm").split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = UInt64(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1))
    }

    /// Gives back the pages of programs and libraries that the start needed and the work does not.
    ///
    /// Only code is given back: it is never written, so the kernel reads a page again from its file, or finds it in its
    /// cache, when it is next executed. What is used comes back at once; the rest stays away.
    public static func releaseStartupCode() {
        for line in file("/proc/self/maps").split(separator: UInt8(ascii: "\n")) {
            let fields = String(decoding: line, as: UTF8.self).split(separator: " ")
            guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { continue }
            let bounds = fields[0].split(separator: "-").compactMap { UInt(String($0), radix: 16) }
            guard bounds.count == 2, let start = unsafe UnsafeMutableRawPointer(bitPattern: bounds[0]) else { continue }
            _ = unsafe madvise(start, Int(bounds[1] - bounds[0]), MADV_DONTNEED)
        }
    }

    /// Keeps this process's memory to itself: it is not written to a core file, and no process of the same user may read
    /// it (`PR_SET_DUMPABLE`).
    public static func makePrivate() {
        _ = squire_make_private()
    }

    /// Has the allocator keep what it will soon hand out again.
    ///
    /// Buffers of large values come and go with each call. As the C library has it, each would be mapped and unmapped,
    /// and its pages filled with zeros, every time; ``releaseSpare()`` gives back what nobody wanted again.
    public static func keepSpare() {
        squire_keep_memory(1 << 20, 16 << 20)
    }

    /// Gives the kernel back what the allocator keeps, where that is much.
    public static func releaseSpare() {
        // Only what lies at the end of the heap is looked at, which costs nothing.
        squire_release_memory(256 << 10)
    }

    private static func file(_ path: String) -> [UInt8] {
        guard let file = try? FileDescriptor.open(path, flags: O_RDONLY) else { return [] }
        return (try? file.readAll(limit: 1 << 20)) ?? []
    }
}
