import Bytes
import Glibc
import Linux

/// Writes the file at `path` anew.
///
/// - Throws: `SystemError` of open(2) or write(2).
public func write(_ bytes: [UInt8], to path: String) throws {
    let descriptor = try FileDescriptor.open(path, flags: O_WRONLY | O_CREAT | O_TRUNC)
    guard case .bytes(bytes.count) = bytes.withByteView({ descriptor.write($0) }) else {
        throw SystemError(code: EIO, operation: "write \(path)")
    }
}
