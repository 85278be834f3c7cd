import CLinux
import Glibc

/// What the kernel says of this process's memory.
public enum ProcessMemory {
    /// Bytes of memory that are present (`/proc/self/statm`), or 0 where the kernel does not tell.
    public static var residentBytes: UInt64 {
        guard let file = try? FileDescriptor.open("/proc/self/statm", flags: O_RDONLY) else { return 0 }
        var text = [UInt8](repeating: 0, count: 128)
        let count = unsafe text.withUnsafeMutableBufferPointer { buffer -> Int in
            guard let base = buffer.baseAddress else { return 0 }
            guard case .bytes(let count) = unsafe file.read(into: base, count: buffer.count) else { return 0 }
            return count
        }
        let fields = text.prefix(count).split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = UInt64(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * UInt64(max(sysconf(Int32(_SC_PAGESIZE)), 1))
    }
}
