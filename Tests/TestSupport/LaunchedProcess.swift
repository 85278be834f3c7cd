import Glibc
public import Linux

/// A program started by a test; it ends at the latest with the test's process.
public final class LaunchedProcess: Sendable {
    /// Its process id.
    public let processID: Int32
    private let name: String
    private let log: String
    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var process: ChildProcess

    private init(_ process: consuming ChildProcess, name: String, log: String) {
        processID = process.processID
        unsafe self.process = process
        self.name = name
        self.log = log
    }

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - command: What to start. Its death signal is set here, its standard error becomes `log` where it has none.
    ///   - log: Path of a file that is appended to, and whose end is part of every failure's message.
    ///   - output: Path of the file that gets its standard output; nil: as standard error.
    ///   - input: Path of the file that is its standard input; nil for none.
    /// - Returns: The running program.
    /// - Throws: `SystemError` of the step that failed.
    public static func start(
        _ command: ChildProcess.Command,
        log: String,
        output: String? = nil,
        input: String? = nil
    ) async throws -> LaunchedProcess {
        try await LaunchThread.run {
            let flags = O_WRONLY | O_CREAT | O_APPEND
            let errorFile = try FileDescriptor.open(log, flags: flags)
            let outputFile = try FileDescriptor.open(output ?? log, flags: flags)
            let inputFile = try FileDescriptor.open(input ?? "/dev/null", flags: O_RDONLY)
            var command = command
            command.parentDeathSignal = SIGKILL
            command.input = inputFile.number
            command.output = outputFile.number
            command.error = errorFile.number
            let name = command.executable.split(separator: "/").last.map(String.init) ?? command.executable
            return LaunchedProcess(try ChildProcess.start(command), name: name, log: log)
        }
    }

    /// How it ended, nil while it runs.
    public var exitStatus: ChildProcess.ExitStatus? {
        get throws {
            try lock.withLock { try unsafe process.reap() }
        }
    }

    /// Sends it a signal; does nothing where it has ended.
    public func signal(_ number: Int32) throws {
        try lock.withLock { try unsafe process.signal(number) }
    }

    /// Waits for its end.
    ///
    /// - Returns: How it ended.
    /// - Throws: ``FixtureError`` with the end of its log where it still runs after `limit`.
    @discardableResult
    public func end(within limit: Duration = .seconds(10)) async throws -> ChildProcess.ExitStatus {
        let deadline = Instant.now.advanced(by: limit)
        while true {
            if let status = try exitStatus { return status }
            guard Instant.now < deadline else {
                throw FixtureError("\(name) still runs after \(limit)", log: log)
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Ends it by force and waits until it is gone, also when the task is cancelled.
    public func kill() {
        lock.withLock {
            try? unsafe process.signal(SIGKILL)
            _ = try? unsafe process.wait(until: Instant.now.advanced(by: .seconds(10)))
        }
    }
}
