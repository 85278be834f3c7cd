import CLinux
import Glibc

/// Directories in the file system.
public enum Directory {
    /// Makes the directory at `path`, and those above it, where they do not exist.
    ///
    /// - Parameters:
    ///   - path: An absolute path.
    ///   - mode: Permissions of what is made.
    /// - Throws: ``SystemError`` of mkdir(2).
    public static func make(_ path: String, mode: UInt32) throws(SystemError) {
        var made = ""
        for name in path.split(separator: "/") {
            made += "/\(name)"
            guard unsafe mkdir(made, mode) != 0, errno != EEXIST else { continue }
            let error = SystemError.current("mkdir \(made)")
            // A directory above may be there and still answer EACCES or EROFS to the attempt.
            var status = stat()
            guard unsafe stat(made, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { throw error }
        }
    }

    /// Names of what is in the directory at `path`, in no order; none where it cannot be read.
    public static func names(in path: String) -> [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
                unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// The path of the directory that holds `path`.
    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Who owns the directory at `path`, and what others may do in it.
    ///
    /// - Returns: The owner's id and the permission bits.
    /// - Throws: ``SystemError`` of lstat(2), `ENOTDIR` where it is something else.
    public static func status(_ path: String) throws(SystemError) -> (owner: UInt32, mode: UInt32) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { throw .current("lstat \(path)") }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw SystemError(code: ENOTDIR, operation: "lstat \(path)") }
        return (status.st_uid, status.st_mode & 0o7777)
    }
}
