import Glibc
import Linux

/// Runs `body` with an empty directory of its own, and removes it with all that is in it.
///
/// - Parameter body: Receives the directory's path, short enough that a Unix socket can lie in it.
/// - Returns: What `body` returned.
/// - Throws: What `body` throws, or `SystemError` of mkdtemp(3).
public func withTemporaryDirectory<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let path = try makeTemporaryDirectory()
    defer { removeTree(path) }
    return try await body(path)
}

private func makeTemporaryDirectory() throws(SystemError) -> String {
    var template = Array("/tmp/squire-test-XXXXXX".utf8CString)
    let made = unsafe template.withUnsafeMutableBufferPointer { memory in
        guard let base = memory.baseAddress else { return false }
        return unsafe mkdtemp(base) != nil
    }
    guard made else { throw .current("mkdtemp") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Removes `path` and what is below it, as far as that is possible; symbolic links are not followed.
private func removeTree(_ path: String) {
    for name in File.names(in: path) { removeTree("\(path)/\(name)") }
    if unsafe unlink(path) != 0 { unsafe rmdir(path) }
}
