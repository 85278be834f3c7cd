import Bytes
import EventLoop
import Linux
import Observability

/// The data directory of an embedded server, which no other server may use as long as this value lives.
@EventLoop
final class EmbeddedServerDirectory {
    private let path: String
    private let lock: DirectoryLock

    /// Time between two looks at a lock that another holds.
    private static let lockInterval = Duration.milliseconds(50)

    /// Makes the directory of `configuration` where there is none, and takes its lock.
    ///
    /// The lock may still be held by a server whose agent was killed and which saves its data before it ends: that one
    /// is waited for.
    ///
    /// - Parameters:
    ///   - configuration: Says which directory, and how long to wait.
    ///   - log: Is told of the wait.
    ///   - isWanted: Asked between the looks; the wait ends when it says no.
    /// - Returns: The directory.
    /// - Throws: ``EmbeddedServerError``: `directoryUnusable`, `locked`, or `stopped` where it is not wanted any more.
    static func open(
        _ configuration: EmbeddedServer.Configuration,
        log: Log,
        while isWanted: () -> Bool
    ) async throws(EmbeddedServerError) -> EmbeddedServerDirectory {
        let path = configuration.directory
        let deadline = Instant.now.advanced(by: configuration.lockTimeout)
        var isWaiting = false
        do throws(SystemError) {
            try Directory.make(path, mode: 0o700)
        } catch {
            throw unusable(configuration, error)
        }
        while true {
            if let directory = try acquire(configuration) { return directory }
            guard Instant.now < deadline else {
                throw EmbeddedServerError(.locked, "the data directory \(path) is in use: \(holder(of: path))")
            }
            if !isWaiting {
                isWaiting = true
                log.notice(
                    "waiting for the server that uses the data directory",
                    ["store": configuration.storeName, "directory": path, "holder": holder(of: path)]
                )
            }
            await EventLoop.reactor.timers.sleep(for: lockInterval)
            guard isWanted() else {
                throw EmbeddedServerError(.stopped, "the \(configuration.storeName) store's server was stopped")
            }
        }
    }

    private init(path: String, lock: consuming DirectoryLock) {
        self.path = path
        self.lock = lock
    }

    /// Number of the descriptor that holds the lock: who inherits it, holds the lock too.
    var lockNumber: Int32 { lock.descriptorNumber }

    /// Writes the server's configuration.
    ///
    /// - Returns: The file's path.
    /// - Throws: `SystemError` of the step that failed.
    func write(_ configuration: EmbeddedServer.Configuration) throws(SystemError) -> String {
        var file = ByteBuffer()
        configuration.appendFile(to: &file)
        try FileSystem.replace("\(path)/server.conf", with: file.view)
        return "\(path)/server.conf"
    }

    /// Begins a run's part of the server's log.
    ///
    /// - Throws: `SystemError` of open(2).
    func openLog() throws(SystemError) -> EmbeddedServerLog {
        try EmbeddedServerLog(directory: path)
    }

    /// Sets a cache store's snapshot aside, as `cache.rdb.unreadable`, so that the next start begins with nothing.
    ///
    /// - Returns: Whether there was one.
    func setSnapshotAside() -> Bool {
        let snapshot = "\(path)/\(EmbeddedServer.Configuration.snapshotName)"
        return (try? FileSystem.rename(snapshot, to: "\(snapshot).unreadable")) != nil
    }

    private static func acquire(
        _ configuration: EmbeddedServer.Configuration
    ) throws(EmbeddedServerError) -> EmbeddedServerDirectory? {
        do throws(SystemError) {
            guard let lock = try DirectoryLock.acquire(configuration.directory) else { return nil }
            return EmbeddedServerDirectory(path: configuration.directory, lock: lock)
        } catch {
            throw unusable(configuration, error)
        }
    }

    private static func unusable(
        _ configuration: EmbeddedServer.Configuration,
        _ error: SystemError
    ) -> EmbeddedServerError {
        EmbeddedServerError(
            .directoryUnusable,
            "the data directory of the \(configuration.storeName) store cannot be used: \(error)"
        )
    }

    /// Who holds the lock, in words.
    private static func holder(of path: String) -> String {
        guard let processID = DirectoryLock.holder(of: path) else { return "another process holds it" }
        let isAlive = FileSystem.exists("/proc/\(processID)")
        return isAlive
            ? "process \(processID) holds it"
            : "a server that process \(processID) started, which has ended, still holds it"
    }
}
