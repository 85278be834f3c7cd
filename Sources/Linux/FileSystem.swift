public import Bytes
import CLinux
import Glibc

/// Small things done with files by their path.
///
/// Each call blocks for as long as the disk takes: they belong to the start of something, never to a request.
public enum FileSystem {
    /// Whether something is at `path`, and may be looked at.
    public static func exists(_ path: String) -> Bool {
        unsafe access(path, F_OK) == 0
    }

    /// Whether something is at `path`, and whether that is a socket; a symbolic link is itself, not what it points to.
    public static func holdsSocket(_ path: String) -> (exists: Bool, isSocket: Bool) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return (false, false) }
        return (true, status.st_mode & S_IFMT == S_IFSOCK)
    }

    /// The group of what is at `path`; nil where that cannot be told.
    public static func group(of path: String) -> UInt32? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status.st_gid : nil
    }

    /// Which file is at `path`; nil where none is.
    ///
    /// A symbolic link is itself, not what it points to.
    public static func identity(of path: String) -> FileIdentity? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? FileIdentity(status) : nil
    }

    /// Removes the file at `path`; that there is none is no failure.
    ///
    /// - Throws: ``SystemError`` of unlink(2).
    public static func remove(_ path: String) throws(SystemError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .current("unlink \(path)") }
    }

    /// Gives the file at `path` the name `target`, in place of what had it.
    ///
    /// - Throws: ``SystemError`` of rename(2).
    public static func rename(_ path: String, to target: String) throws(SystemError) {
        guard unsafe Glibc.rename(path, target) == 0 else { throw .current("rename \(path)") }
    }

    /// Writes the file at `path` anew, readable by its owner alone: readers see the old content or the new.
    ///
    /// Writers of one path take turns: the content is gathered in `<path>.new`.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - content: What it is to hold.
    ///   - isDurable: Whether the content is on the disk when the call returns.
    /// - Throws: ``SystemError`` of the step that failed; the old file is then left.
    public static func replace(
        _ path: String,
        with content: ByteView,
        isDurable: Bool = false
    ) throws(SystemError) {
        let draft = "\(path).new"
        try remove(draft)
        let file = try FileDescriptor.open(draft, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        var rest = content
        while !rest.isEmpty {
            switch file.write(rest) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .failed(let error): throw error
            case .wouldBlock, .end: throw SystemError(code: EIO, operation: "write \(draft)")
            }
        }
        guard isDurable else { return try rename(draft, to: path) }
        guard fsync(file.number) == 0 else { throw .current("fsync \(draft)") }
        try rename(draft, to: path)
        let directory = try FileDescriptor.open(Directory.parent(of: path), flags: O_RDONLY | O_DIRECTORY)
        guard fsync(directory.number) == 0 else { throw .current("fsync \(Directory.parent(of: path))") }
    }
}

/// Which file something is, whatever its name: where it is removed and made anew, that is another one.
public struct FileIdentity: Equatable, Sendable {
    private let device: UInt64
    private let number: UInt64

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        number = UInt64(status.st_ino)
    }
}

extension FileDescriptor {
    /// Which file is open; nil where that cannot be told.
    public var identity: FileIdentity? {
        borrowing get {
            var status = stat()
            return unsafe fstat(number, &status) == 0 ? FileIdentity(status) : nil
        }
    }

    /// Size of the open file in bytes; 0 where that cannot be told.
    public var fileBytes: Int {
        borrowing get {
            var status = stat()
            return unsafe fstat(number, &status) == 0 ? Int(status.st_size) : 0
        }
    }

    /// Owner and permission bits of an open regular file; nil for anything else.
    public var ownership: (owner: UInt32, mode: UInt32)? {
        borrowing get {
            var status = stat()
            guard unsafe fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            return (status.st_uid, status.st_mode & 0o7777)
        }
    }

    /// Cuts the open file to nothing.
    ///
    /// - Throws: ``SystemError`` of ftruncate(2).
    public borrowing func empty() throws(SystemError) {
        guard ftruncate(number, 0) == 0 else { throw .current("ftruncate") }
    }

    /// Reads the open file from `offset`, which must be opened for reading; its own position stays.
    ///
    /// - Parameters:
    ///   - offset: Bytes from the file's beginning.
    ///   - limit: Most bytes to read.
    /// - Returns: The bytes; fewer than `limit` at the file's end, none where it cannot be read.
    public borrowing func bytes(from offset: Int, limit: Int) -> [UInt8] {
        let number = number
        return unsafe [UInt8](unsafeUninitializedCapacity: limit) { memory, count in
            let base = memory.baseAddress
            count = max(retryingInterrupts { unsafe pread(number, base, limit, off_t(offset)) }, 0)
        }
    }
}
