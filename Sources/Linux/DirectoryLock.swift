/// The exclusive use of a directory, by a file named `lock` in it; given up when the value ends.
public struct DirectoryLock: ~Copyable {
    private let lock: FileLock

    /// The open file that holds the lock, as of ``FileLock/descriptor``.
    public var descriptorNumber: Int32 { lock.descriptor.number }

    /// Takes the lock of `directory`, which exists, without waiting.
    ///
    /// - Returns: The lock, nil where another holds it; ``holder(of:)`` may know who.
    /// - Throws: ``SystemError`` of open(2) or flock(2).
    public static func acquire(_ directory: String) throws(SystemError) -> DirectoryLock? {
        guard let lock = try FileLock.acquire("\(directory)/lock") else { return nil }
        return DirectoryLock(lock: lock)
    }

    /// The process that took the lock of `directory` last; nil where that is unknown.
    public static func holder(of directory: String) -> Int32? {
        FileLock.holder(of: "\(directory)/lock")
    }

    private init(lock: consuming FileLock) {
        self.lock = lock
    }
}
