import Bytes
public import Crypto
import Glibc
import Linux

/// Why keys cannot be used.
public struct KeyFault: Error, Equatable, Sendable, CustomStringConvertible {
    /// One line that names the file and never what is in it.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Master keys in files: one each, as 32 raw bytes, 64 hexadecimal digits, or Base64.
public enum KeyFiles {
    /// Name of the key that an agent without another one makes for itself in its state directory.
    public static let developmentName = "session-key"
    /// What the names of systemd credentials begin with that are keys.
    public static let credentialPrefix = "session-key"

    /// Reads keys.
    ///
    /// - Parameters:
    ///   - paths: Files, the primary key's first; nobody but their owner may read them.
    ///   - credentials: systemd's directory of credentials (`$CREDENTIALS_DIRECTORY`); keys in it follow by name.
    /// - Returns: The keys, at least one unless nothing names any.
    /// - Throws: ``KeyFault`` for the first file that is no key.
    public static func read(_ paths: [String], credentials: String?) throws(KeyFault) -> [SecretBytes] {
        var keys: [SecretBytes] = []
        for path in paths { keys.append(try read(path, isPrivate: true)) }
        guard let credentials else { return keys }
        for name in Directory.names(in: credentials).sorted() where name.hasPrefix(credentialPrefix) {
            // systemd guards the directory; with an access list the files' own permissions seem to be wider.
            keys.append(try read("\(credentials)/\(name)", isPrivate: false))
        }
        return keys
    }

    /// Reads the key that the agent made for itself, or makes it.
    ///
    /// - Parameter directory: The state directory; made where it is not there.
    /// - Returns: The key.
    /// - Throws: ``KeyFault`` where it can be neither read nor written.
    public static func development(in directory: String) throws(KeyFault) -> SecretBytes {
        let path = "\(directory)/\(developmentName)"
        do throws(SystemError) {
            try Directory.make(directory, mode: 0o700)
            if !FileSystem.exists(path) {
                let secret = RandomBytes.secret(MasterKey.byteCount)
                try secret.withByteView { (key) throws(SystemError) in
                    try FileSystem.replace(path, with: key, isDurable: true)
                }
            }
        } catch {
            throw KeyFault("\(path) cannot be made: \(error)")
        }
        return try read(path, isPrivate: true)
    }

    private static func read(_ path: String, isPrivate: Bool) throws(KeyFault) -> SecretBytes {
        let file: FileDescriptor
        do throws(SystemError) {
            file = try FileDescriptor.open(path, flags: O_RDONLY | O_NONBLOCK)
        } catch {
            throw KeyFault("\(path) cannot be read: \(error.reason)")
        }
        if isPrivate {
            guard let status = file.ownership else { throw KeyFault("\(path) is no file") }
            guard status.mode & 0o177 == 0 else {
                throw KeyFault("\(path) must have mode 0600 or stricter: others could read the key")
            }
            guard status.owner == 0 || status.owner == ProcessIdentity.userID else {
                throw KeyFault("\(path) must belong to the agent's user or to root")
            }
        }
        var bytes = file.bytes(from: 0, limit: 256)
        defer { bytes.wipe() }
        guard let secret = secret(bytes) else {
            throw KeyFault("\(path) must hold a key: 32 bytes, as they are, as 64 hexadecimal digits or as Base64")
        }
        return secret
    }

    /// The key that a file's bytes are, or nil.
    static func secret(_ bytes: [UInt8]) -> SecretBytes? {
        guard bytes.count != MasterKey.byteCount else { return proven(bytes) }
        var text = bytes
        defer { text.wipe() }
        while let last = text.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { text.removeLast() }
        var decoded = ByteBuffer()
        decoded.reserve(bytes.count)
        defer { decoded.wipe() }
        if text.count == 2 * MasterKey.byteCount {
            for index in stride(from: 0, to: text.count, by: 2) {
                guard let high = Hexadecimal.value(inEitherCase: text[index]),
                    let low = Hexadecimal.value(inEitherCase: text[index + 1])
                else { return nil }
                decoded.append(high << 4 | low)
            }
        } else {
            guard text.withByteView({ Base64.decode($0, to: &decoded) }) else { return nil }
        }
        var key = decoded.view.copy()
        defer { key.wipe() }
        return proven(key)
    }

    /// The key, unless it is what a file is filled with that nobody put a key into.
    private static func proven(_ key: [UInt8]) -> SecretBytes? {
        guard key.count == MasterKey.byteCount, Set(key).count > 4 else { return nil }
        return key.withByteView { SecretBytes(copying: $0) }
    }
}
