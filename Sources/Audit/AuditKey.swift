import Bytes
public import Crypto
import Glibc
import Linux

/// The key that an audit chain begins with, in a file: 64 hexadecimal digits, or 32 bytes as they are.
public enum AuditKey {
    /// Length of a key in bytes.
    public static let byteCount = 32

    /// Why there is no key.
    public struct Fault: Error, Equatable, Sendable, CustomStringConvertible {
        /// One line that names the file and never what is in it.
        public let description: String
    }

    /// Reads a key that nobody but its owner can read.
    public static func read(_ path: String) throws(Fault) -> SecretBytes {
        var bytes: [UInt8]
        do throws(SecretFile.Fault) {
            bytes = try SecretFile.read(path, limit: 256)
        } catch {
            throw Fault(description: "\(path) \(error.description)")
        }
        defer { bytes.wipe() }
        if bytes.count != byteCount, let last = bytes.last, last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.count == 2 * byteCount, var key = bytes.withByteView({ Hexadecimal.bytes(of: $0) }) {
            defer { key.wipe() }
            return key.withByteView { SecretBytes(copying: $0) }
        }
        guard bytes.count == byteCount else {
            throw Fault(description: "\(path) must hold a key: 64 hexadecimal digits, or 32 bytes as they are")
        }
        return bytes.withByteView { SecretBytes(copying: $0) }
    }

    /// Reads the key at `path`, which is made where there is none.
    ///
    /// - Returns: The key, and whether it was made.
    public static func readOrMake(_ path: String) throws(Fault) -> (key: SecretBytes, isNew: Bool) {
        if FileSystem.exists(path) { return (try read(path), false) }
        var text = ByteBuffer()
        text.reserve(2 * byteCount + 1)
        defer { text.wipe() }
        RandomBytes.secret(byteCount).withByteView { text.append(hexadecimal: $0) }
        text.append(UInt8(ascii: "\n"))
        do throws(SystemError) {
            try Directory.make(Directory.parent(of: path), mode: 0o700)
            try FileSystem.replace(path, with: text.view, isDurable: true)
        } catch {
            throw Fault(description: "\(path) cannot be made: \(error)")
        }
        return (try read(path), true)
    }
}
