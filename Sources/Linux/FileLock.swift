import Bytes
import CLinux
import Glibc

/// The exclusive use of whatever a lock file stands for, given up when the value ends.
///
/// The lock (flock(2)) belongs to the open file and not to the process: a child that inherits ``descriptor`` keeps it
/// until it has ended too, even when this process was killed before it. So does every child for the moment between its
/// fork and its exec: a lock just given up may be free only some milliseconds later.
public struct FileLock: ~Copyable {
    /// The open file that holds the lock.
    public let descriptor: FileDescriptor

    /// Takes the lock of the file at `path`, which is made where it does not exist, without waiting.
    ///
    /// - Returns: The lock, nil where another holds it; ``holder(of:)`` may know who.
    /// - Throws: ``SystemError`` of open(2) or flock(2).
    public static func acquire(_ path: String) throws(SystemError) -> FileLock? {
        let descriptor = try FileDescriptor.open(path, flags: O_RDWR | O_CREAT | O_NOFOLLOW)
        let number = descriptor.number
        guard retryingInterrupts({ squire_try_lock(number) }) == 0 else {
            guard errno == EWOULDBLOCK else { throw .current("flock \(path)") }
            return nil
        }
        // The number only informs people: a full disk must not keep the holder from working.
        if ftruncate(number, 0) == 0 { _ = "\(getpid())\n".withByteView { descriptor.write($0) } }
        return FileLock(descriptor: descriptor)
    }

    /// The process that took the lock of the file at `path` last; nil where that is unknown.
    ///
    /// It may have ended since, and left the lock to a child.
    public static func holder(of path: String) -> Int32? {
        guard let descriptor = try? FileDescriptor.open(path, flags: O_RDONLY) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        let number = descriptor.number
        let count = unsafe bytes.withUnsafeMutableBytes { memory in
            retryingInterrupts { unsafe read(number, memory.baseAddress, memory.count) }
        }
        guard count > 0 else { return nil }
        return Int32(String(decoding: bytes.prefix(count).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    /// Whether `path` is still the file that is locked; whoever locks another one there knows nothing of this lock.
    public func isOf(_ path: String) -> Bool {
        FileSystem.identity(of: path) == descriptor.identity
    }

    private init(descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
    }
}
