import Bytes
import Glibc
import Linux

/// Whole files, read and written at once.
public enum File {
    /// The bytes of the file at `path`.
    ///
    /// - Throws: `SystemError` of open(2) or read(2).
    public static func bytes(_ path: String) throws -> [UInt8] {
        let descriptor = try FileDescriptor.open(path, flags: O_RDONLY)
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
                guard let base = memory.baseAddress else { return Transfer.end }
                return unsafe descriptor.read(into: base, count: memory.count)
            }
            switch transfer {
            case .bytes(let count): content += chunk.prefix(count)
            case .end: return content
            case .wouldBlock: throw SystemError(code: EAGAIN, operation: "read \(path)")
            case .failed(let error): throw error
            }
        }
    }

    /// The text of the file at `path`; bytes that are not UTF-8 become U+FFFD.
    ///
    /// - Throws: As ``bytes(_:)``.
    public static func text(_ path: String) throws -> String {
        String(decoding: try bytes(path), as: UTF8.self)
    }

    /// Writes the file at `path` anew.
    ///
    /// - Throws: `SystemError` of open(2) or write(2).
    public static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600) throws {
        let descriptor = try FileDescriptor.open(path, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: mode)
        var rest = bytes[...]
        while !rest.isEmpty {
            switch Array(rest).withByteView({ descriptor.write($0) }) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .failed(let error): throw error
            case .wouldBlock, .end: throw SystemError(code: EIO, operation: "write \(path)")
            }
        }
    }

    /// Writes `text` as the file at `path`.
    ///
    /// - Throws: As ``write(_:to:mode:)-([UInt8],_,_)``.
    public static func write(_ text: String, to path: String, mode: UInt32 = 0o600) throws {
        try write(Array(text.utf8), to: path, mode: mode)
    }

    /// Where the symbolic link at `path` leads.
    ///
    /// - Throws: `SystemError` of readlink(2).
    public static func destination(ofLink path: String) throws -> String {
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = unsafe target.withUnsafeMutableBytes { memory in
            guard let base = memory.baseAddress else { return -1 }
            return unsafe readlink(path, base, memory.count)
        }
        guard length >= 0 else { throw SystemError.current("readlink \(path)") }
        return String(decoding: target.prefix(length), as: UTF8.self)
    }

    /// Whether something is at `path`.
    public static func exists(_ path: String) -> Bool {
        unsafe access(path, F_OK) == 0
    }

    /// The names in the directory at `path`, none where it is something else; a link to a directory is something else.
    public static func names(in path: String) -> [String] {
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return [] }
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

    /// Shows `text` to whoever runs the tests.
    public static func writeToStandardError(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    /// The last lines of a log, empty where it cannot be read.
    static func tail(of path: String, lines: Int = 20) -> String {
        guard let text = try? text(path) else { return "" }
        return text.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }
}
