import Bytes
import CLinux
import Glibc

/// A file that has no name and lies in memory, such as the standard input of a child process.
public enum MemoryFile {
    /// Makes a file that holds `content` and is read from its beginning (memfd_create(2)).
    ///
    /// - Throws: ``SystemError``.
    public static func make(holding content: [UInt8]) throws(SystemError) -> FileDescriptor {
        let number = squire_memory_file()
        guard number >= 0 else { throw .current("memfd_create") }
        let file = FileDescriptor(owning: number)
        guard content.withByteView({ Descriptors.write($0, to: number) }), lseek(number, 0, SEEK_SET) == 0 else {
            throw .current("write to memory")
        }
        return file
    }
}
