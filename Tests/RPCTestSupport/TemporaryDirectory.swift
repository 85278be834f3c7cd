import Glibc
import Linux

/// Runs `body` with an empty directory of its own, and removes it with the files in it.
///
/// - Parameter body: Receives the directory's path, short enough that a Unix socket can lie in it.
/// - Returns: What `body` returned.
/// - Throws: What `body` throws, or `SystemError` of mkdtemp(3).
public func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    var template = Array("/tmp/squire-rpc-XXXXXX".utf8CString)
    let isMade = unsafe template.withUnsafeMutableBufferPointer { memory in
        guard let base = memory.baseAddress else { return false }
        return unsafe mkdtemp(base) != nil
    }
    guard isMade else { throw SystemError.current("mkdtemp") }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { remove(path) }
    return try body(path)
}

private func remove(_ path: String) {
    if let directory = unsafe opendir(path) {
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
                unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { unsafe unlink("\(path)/\(name)") }
        }
        unsafe closedir(directory)
    }
    unsafe rmdir(path)
}
