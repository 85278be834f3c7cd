public import EventLoop
import Glibc
import Linux
public import Observability

/// A Valkey or Redis server of the agent's own: a child process with one Unix socket, on one directory.
///
/// It ends with the agent, even with one that is killed, and its data lies in a directory that no two servers ever use
/// at once. Whenever it ends by itself it is started again, with growing delays. Whether it answers, shows in the
/// ``Link`` that is connected to it.
///
/// An instance lives from ``start()`` to ``stop(grace:)`` and is not started again afterwards.
@EventLoop
public final class EmbeddedServer {
    /// The state of an embedded server, for health and statistics.
    public struct Status: Sendable {
        /// Whether its process runs.
        public var isRunning: Bool
        /// Id of that process; nil while none runs.
        public var processID: Int32?
        /// How often it was started again, since the start.
        public var restarts: UInt64
        /// Path of the program; nil before it was found.
        public var executable: String?
        /// Why it ended or could not be started the last time; nil while it runs, and before it first ended.
        public var fault: String?
    }

    private enum Phase {
        case idle
        case starting
        case running
        case stopping
        case stopped
    }

    /// What the server is.
    public let configuration: Configuration

    private let log: Log
    private var phase = Phase.idle
    private var executable: String?
    private var directory: EmbeddedServerDirectory?
    private var process: EmbeddedServerProcess?
    private var fault: String?
    private var restarts: UInt64 = 0
    private var schedule = EmbeddedServerRestarts()
    private var restartTimer: TimerID?
    private var endWaiters: [CheckedContinuation<Void, Never>] = []

    /// How long ``start()`` waits for a server that runs to listen.
    private static let listenTimeout = Duration.seconds(2)
    /// What Valkey and Redis say last when they cannot read their snapshot.
    private static let snapshotFaults = [
        "Fatal error loading the DB", "error in RDB reading", "rdb file reading failure",
    ]
    /// Time between two looks whether it does.
    private static let listenInterval = Duration.milliseconds(1)

    /// Makes a server that rests until ``start()``.
    public init(_ configuration: Configuration, log: Log) {
        self.configuration = configuration
        self.log = log
    }

    /// Where the server listens, for a ``Link``.
    public var endpoint: Endpoint { Endpoint(address: .unix(path: configuration.socketPath)) }

    /// The server's present state.
    public var status: Status {
        Status(
            isRunning: process != nil,
            processID: process?.processID,
            restarts: restarts,
            executable: executable,
            fault: process == nil ? fault : nil
        )
    }

    /// Finds the program, locks the directory and starts the server.
    ///
    /// Returns when the server listens. One that ends before, or takes longer than 2 s, is no error of this call: it is
    /// started again like one that ends later, and ``status`` and the log say why.
    ///
    /// - Throws: ``EmbeddedServerError`` where nothing was started. The call may then be repeated.
    public func start() async throws(EmbeddedServerError) {
        guard phase != .stopping, phase != .stopped else {
            throw EmbeddedServerError(.stopped, "the \(configuration.storeName) store's server was stopped")
        }
        precondition(phase == .idle, "an embedded server is started once")
        phase = .starting
        do throws(EmbeddedServerError) {
            try configuration.validate()
            let executable = try findExecutable()
            self.executable = executable
            directory = try await EmbeddedServerDirectory.open(configuration, log: log) { self.phase == .starting }
            try launch()
        } catch {
            directory = nil
            if phase == .starting { phase = .idle }
            throw error
        }
        phase = .running
        log.notice(
            "embedded server started",
            [
                "store": configuration.storeName, "executable": executable ?? "",
                "process_id": String(process?.processID ?? 0), "directory": configuration.directory,
            ]
        )
        await becomeListening()
    }

    /// Ends the server for good, and waits until it has ended.
    ///
    /// It is asked to (SIGTERM), whereupon a cache store saves its snapshot and a state store its log. When it has ended
    /// its socket is removed and the directory free. A call during another waits for the same end.
    ///
    /// - Parameter grace: How long it may take; it is then ended by force (SIGKILL), and a snapshot is lost.
    public func stop(grace: Duration = .seconds(10)) async {
        let isFirst = phase != .stopping && phase != .stopped
        if phase != .stopped { phase = .stopping }
        if let restartTimer { EventLoop.reactor.timers.cancel(restartTimer) }
        restartTimer = nil
        if let process {
            if isFirst { process.terminate() }
            let timer = EventLoop.reactor.timers.schedule(after: grace) {
                self.log.warning(
                    "embedded server does not end in time; killing it",
                    ["store": self.configuration.storeName]
                )
                process.kill()
            }
            await withCheckedContinuation { endWaiters.append($0) }
            EventLoop.reactor.timers.cancel(timer)
        }
        guard phase != .stopped else { return }
        phase = .stopped
        // Without the directory nothing was started, and what lies at the path is not this server's.
        if directory != nil { try? clearSocket() }
        directory = nil
    }
}

// MARK: The process

extension EmbeddedServer {
    /// Starts the program once.
    private func launch() throws(EmbeddedServerError) {
        guard let executable, let directory else { preconditionFailure("an embedded server was not prepared") }
        try clearSocket()
        do throws(SystemError) {
            process = try EmbeddedServerProcess(executable, configuration, in: directory) { reason in
                self.ended(reason)
            }
        } catch {
            throw EmbeddedServerError(
                .startFailed,
                "the \(configuration.storeName) store's server cannot be started: \(error)"
            )
        }
    }

    private func ended(_ reason: String) {
        let uptime = process?.uptime ?? .zero
        process = nil
        fault = reason
        let waiters = endWaiters
        endWaiters = []
        for waiter in waiters { waiter.resume() }
        if phase == .running {
            giveUpSnapshot(reason)
            scheduleRestart(reason, uptime: uptime)
        } else {
            log.info("embedded server ended", ["store": configuration.storeName, "reason": reason])
        }
    }

    /// Sets a cache store's snapshot aside where it kept the server from starting: one of a newer version, say.
    ///
    /// A cache that is empty is better than none. A state store's data is never touched.
    private func giveUpSnapshot(_ reason: String) {
        guard case .cache = configuration.role, Self.snapshotFaults.contains(where: reason.contains) else { return }
        guard directory?.setSnapshotAside() == true else { return }
        log.warning(
            "the snapshot of the cache store cannot be read; set aside, and beginning with an empty store",
            ["directory": configuration.directory, "reason": reason]
        )
    }

    private func scheduleRestart(_ reason: String, uptime: Duration) {
        let random = UInt32.random(in: 0 ... .max)
        let decision = schedule.ended(reason, uptime: uptime, now: .now, random: random)
        if decision.isReported {
            log.warning(
                "embedded server ended by itself; starting it again",
                ["store": configuration.storeName, "reason": reason, "restarts": String(restarts)]
            )
        }
        restartTimer = EventLoop.reactor.timers.schedule(after: decision.delay) { self.restart() }
    }

    private func restart() {
        restartTimer = nil
        restarts += 1
        do throws(EmbeddedServerError) {
            try launch()
        } catch {
            fault = error.message
            scheduleRestart(error.message, uptime: .zero)
        }
    }

    private func becomeListening() async {
        let deadline = Instant.now.advanced(by: Self.listenTimeout)
        let first = process
        while let first, process === first, !isListening, Instant.now < deadline {
            await EventLoop.reactor.timers.sleep(for: Self.listenInterval)
        }
    }
}

// MARK: What it needs

extension EmbeddedServer {
    /// Programs that are looked for, best first.
    private static let programs = ["valkey-server", "redis-server"]
    /// Where they are looked for beside `PATH`, which services often have shorter than people.
    private static let directories = "/usr/bin:/usr/local/bin:/usr/sbin"

    private func findExecutable() throws(EmbeddedServerError) -> String {
        let searchPath = configuration.searchPath ?? "\(Environment["PATH"] ?? ""):\(Self.directories)"
        if let name = configuration.executable {
            guard let path = Executable.find(name, searchPath: searchPath) else {
                throw EmbeddedServerError(.notInstalled, "the configured server \(name) is no program that can be run")
            }
            return path
        }
        for program in Self.programs {
            if let path = Executable.find(program, searchPath: searchPath) { return path }
        }
        throw EmbeddedServerError(
            .notInstalled,
            "no Valkey server is installed: apt-get install valkey-server (or redis-server), or name a running one"
        )
    }

    /// Removes what an earlier server left at the socket's path, and nothing else.
    private func clearSocket() throws(EmbeddedServerError) {
        let path = configuration.socketPath
        let (exists, isSocket) = FileSystem.holdsSocket(path)
        guard exists else { return }
        do throws(SystemError) {
            if isSocket, !isListening { return try FileSystem.remove(path) }
        } catch {
            throw EmbeddedServerError(
                .socketUnusable,
                "the \(configuration.storeName) store's socket cannot be used: \(error)"
            )
        }
        throw EmbeddedServerError(
            .socketUnusable,
            "the \(configuration.storeName) store's socket cannot be used: \(path) is taken by "
                + (isSocket ? "another server" : "something that is no socket")
        )
    }

    /// Whether a server listens at the socket's path.
    private var isListening: Bool { Socket.isListening(unixPath: configuration.socketPath) }
}
