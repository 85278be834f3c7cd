import CLinux
import Glibc

/// A file that holds a password or a private key.
public enum SecretFile {
    /// Why a secret is not taken from a file.
    public enum Fault: Error, Equatable, Sendable, CustomStringConvertible {
        /// The file cannot be read.
        case unreadable(SystemError)
        /// Others can read it; the value is its permissions.
        case exposed(UInt32)

        /// The fault in words that go behind the file's path.
        public var description: String {
            switch self {
            case .unreadable(let error): "cannot be read: \(error.reason)"
            case .exposed(let mode):
                "can be read by others (its mode is 0\(String(mode, radix: 8))): chmod 600, or 640 where root owns it"
            }
        }
    }

    /// Whether permissions keep a secret from others.
    ///
    /// Its owner may read it, and its group where the owner is root: `/etc/ssl/private` has keys for the group
    /// `ssl-cert`, and systemd gives a service its credentials by an access list, which shows as the group's permission.
    ///
    /// - Parameters:
    ///   - mode: Permissions, as of stat(2).
    ///   - owner: The owner's user id; 0 is root.
    /// - Returns: Whether nobody else may read, write or run the file.
    public static func isPrivate(mode: UInt32, owner: UInt32) -> Bool {
        mode & (owner == 0 ? 0o037 : 0o077) == 0
    }

    /// Reads a secret.
    ///
    /// - Parameters:
    ///   - path: Where it is.
    ///   - limit: Longest file that is read, in bytes.
    /// - Returns: All of it.
    /// - Throws: ``Fault``.
    public static func read(_ path: String, limit: Int) throws(Fault) -> [UInt8] {
        let content: [UInt8]?
        var mode: UInt32 = 0
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, flags: O_RDONLY)
            var status = stat()
            // The open file is looked at, so that nobody can put another in its place in between.
            guard unsafe fstat(file.number, &status) == 0 else { throw .current("fstat \(path)") }
            mode = status.st_mode & 0o777
            content = isPrivate(mode: mode, owner: status.st_uid) ? try file.readAll(limit: limit) : nil
        } catch {
            throw .unreadable(error)
        }
        guard let content else { throw .exposed(mode) }
        return content
    }
}
