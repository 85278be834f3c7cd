import Configuration
import Glibc
import Linux

/// A socket on which clients are served: one of the agent's own making, with the lock that keeps a second agent from
/// taking it over, or one that a service manager opened and keeps.
final class ListeningSocket {
    /// The name by which rules speak of it, such as `main`.
    let name: String
    /// Where clients find it; nil where only the service manager knows.
    let path: String?
    /// Listens; owned by the server once it was taken.
    private var descriptor: FileDescriptor?
    /// How the socket was made; nil for one that was handed over, as are the next two.
    private let own: Configuration.TenantSocket?
    /// Held while the agent's own socket file is there.
    private var lock: FileLock?
    /// The agent's own file.
    private var file: FileIdentity?

    /// Why the socket cannot be served.
    enum Fault: Error {
        /// Another agent serves it; its process, where that is known.
        case taken(path: String, holder: Int32?)
        /// Others may write to the directory: they could put a socket of their own in the agent's place.
        case unsafeDirectory(String)
        /// The file at the path is something else than a socket, and is left alone.
        case notASocket(String)
        /// What the service manager handed over is of no use.
        case inherited(InheritedSocket.Fault)
        /// There is no group of this name.
        case unknownGroup(String)
        /// A system call failed.
        case system(SystemError)

        /// The fault in words, with what to do.
        var description: String {
            switch self {
            case .taken(let path, let holder):
                "another squired\(holder.map { " (process \($0))" } ?? "") serves \(path): stop it or choose another"
                    + " path with --socket"
            case .unsafeDirectory(let path):
                "the directory \(path) may be changed by other users: give it to this user alone, or choose another"
                    + " path with --socket"
            case .notASocket(let path):
                "\(path) exists and is no socket: remove it or choose another path with --socket"
            case .inherited(let fault):
                "descriptor \(fault.number), which the service manager handed over, \(fault.description)"
            case .unknownGroup(let name): "there is no group \(name): make it, or choose another for the socket"
            case .system(let error): "\(error)"
            }
        }
    }

    /// Makes the directory where it is missing, removes a socket that a dead agent left, and listens.
    ///
    /// The lock is taken first, so that only the holder ever removes a socket, and never that of a living agent.
    ///
    /// - Parameter socket: Its name, where it is, and who may connect.
    /// - Throws: ``Fault``.
    init(_ socket: Configuration.TenantSocket) throws(Fault) {
        let path = socket.path
        try ListeningSocket.prepareDirectory(Directory.parent(of: path), isSystem: path.hasPrefix("/run/"))
        let lock = try ListeningSocket.takeLock(of: path)
        try ListeningSocket.removeStale(path)
        let descriptor = try ListeningSocket.listen(path, socket.mode, group: socket.group)
        name = socket.name
        self.path = path
        own = socket
        file = FileSystem.identity(of: path)
        self.lock = consume lock
        self.descriptor = consume descriptor
    }

    /// Takes over a socket that the service manager handed over; its file is the manager's.
    init(name: String, _ inherited: InheritedSocket) {
        self.name = name
        path = inherited.path
        descriptor = FileDescriptor(owning: inherited.number)
        own = nil
        lock = nil
    }

    private static func prepareDirectory(_ path: String, isSystem: Bool) throws(Fault) {
        do throws(SystemError) {
            try Directory.make(path, mode: isSystem ? 0o755 : 0o700)
            let (owner, permissions) = try Directory.status(path)
            let isSafe = permissions & 0o002 == 0 || permissions & UInt32(S_ISVTX) != 0
            if isSafe, owner == geteuid() || owner == 0 { return }
        } catch {
            throw .system(error)
        }
        throw .unsafeDirectory(path)
    }

    private static func lockFile(of path: String) -> String { "\(path).lock" }

    private static func takeLock(of path: String) throws(Fault) -> FileLock {
        let file = lockFile(of: path)
        do throws(SystemError) {
            if let lock = try FileLock.acquire(file) { return lock }
        } catch {
            throw .system(error)
        }
        throw .taken(path: path, holder: FileLock.holder(of: file))
    }

    private static func removeStale(_ path: String) throws(Fault) {
        let (exists, isSocket) = FileSystem.holdsSocket(path)
        guard exists else { return }
        guard isSocket else { throw .notASocket(path) }
        // One that the service manager listens at, or another program, has no lock of ours.
        guard !Socket.isListening(unixPath: path) else { throw .taken(path: path, holder: nil) }
        guard unsafe unlink(path) == 0 else { throw .system(.current("unlink \(path)")) }
    }

    private static func listen(
        _ path: String,
        _ mode: UInt32,
        group: String?
    ) throws(Fault) -> FileDescriptor {
        let groupID = try group.map { (name) throws(Fault) in
            guard let id = UInt32(name) ?? Accounts.groupID(name) else { throw .unknownGroup(name) }
            return id
        }
        // Nobody may connect before the permissions are as they should be.
        let mask = umask(0o777)
        defer { umask(mask) }
        do throws(SystemError) {
            let descriptor = try Socket.listen(unixPath: path, backlog: 4096)
            if let groupID, unsafe chown(path, .max, groupID) != 0 { throw .current("chown \(path)") }
            guard unsafe chmod(path, mode) == 0 else { throw .current("chmod \(path)") }
            return descriptor
        } catch {
            throw .system(error)
        }
    }

    /// The group of the socket's file, whose members may connect where the file's mode lets them; nil without a file.
    var group: UInt32? {
        path.flatMap { FileSystem.group(of: $0) }
    }

    /// Hands the listening descriptor over, once.
    func takeDescriptor() -> FileDescriptor {
        guard let taken = descriptor.take() else { preconditionFailure("the descriptor was taken already") }
        return taken
    }

    /// What became of the socket's file.
    enum FileState {
        /// It is there, or none of the agent's business.
        case present
        /// Somebody removed it: nobody can connect.
        case removed
        /// Something else is in its place.
        case replaced
    }

    /// What became of the socket's file: a look at the directory, which lies in memory where it is below `/run`.
    var fileState: FileState {
        guard let own, let file else { return .present }
        guard let present = FileSystem.identity(of: own.path) else { return .removed }
        return present == file ? .present : .replaced
    }

    /// Makes the file anew that somebody removed, and listens there.
    ///
    /// The lock's file may have gone with it. Then another agent may have taken its place, and keeps it.
    ///
    /// - Returns: What listens, in place of the descriptor that was taken before.
    /// - Throws: ``Fault``.
    func remake() throws(Fault) -> FileDescriptor {
        guard let own else { preconditionFailure("a socket that was handed over is made by who did that") }
        try ListeningSocket.prepareDirectory(Directory.parent(of: own.path), isSystem: own.path.hasPrefix("/run/"))
        if lock?.isOf(ListeningSocket.lockFile(of: own.path)) != true {
            lock = try ListeningSocket.takeLock(of: own.path)
        }
        let descriptor = try ListeningSocket.listen(own.path, own.mode, group: own.group)
        file = FileSystem.identity(of: own.path)
        return descriptor
    }

    /// Removes the socket's file, at the end, unless it is the service manager's: that one keeps listening, and whoever
    /// connects meanwhile waits for the next agent.
    func removeFile() {
        guard let own, fileState == .present else { return }
        _ = unsafe unlink(own.path)
    }
}
