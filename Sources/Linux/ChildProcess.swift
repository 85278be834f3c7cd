import CLinux
import Glibc

/// A child process, killed and reaped when the value ends.
///
/// It starts with every signal at its default and unblocked, and with no descriptor of this process but those that were
/// named. Its ``descriptor`` (a pidfd, Linux 5.3) becomes readable when it has ended, and means this very process even
/// after its number was given to another one.
public struct ChildProcess: ~Copyable {
    /// What to start, and how.
    public struct Command: Sendable {
        /// Path of the program, byte for byte; see ``Executable/find(_:searchPath:)``.
        public var path: [UInt8]
        /// What follows the program's name, which is the first argument by itself.
        public var arguments: [String]
        /// What follows ``arguments``, byte for byte: a user's words need not be UTF-8.
        public var words: [[UInt8]] = []
        /// `NAME=value` each; nil for this process' own environment.
        public var environment: [String]?
        /// What follows ``environment`` where that is not nil, byte for byte.
        public var variables: [[UInt8]] = []
        /// Where it starts; nil for this process' own working directory.
        public var workingDirectory: String?
        /// Number of the descriptor that becomes its standard input; nil for `/dev/null`.
        public var input: Int32?
        /// Number of the descriptor that becomes its standard output; nil for this process' own.
        public var output: Int32?
        /// Number of the descriptor that becomes its standard error; nil for this process' own.
        public var error: Int32?
        /// Numbers, 3 or higher, of the descriptors that stay open in it under the same number.
        public var inheritedDescriptors: [Int32] = []
        /// The signal that the kernel sends it when its parent ends; nil for none.
        ///
        /// To the kernel the parent is the *thread* that started it (prctl(2), PR_SET_PDEATHSIG): start it from a thread
        /// that lasts as long as this process.
        public var parentDeathSignal: Int32?
        /// Whether it leads a process group of its own, so that signals of the terminal do not reach it.
        public var ownProcessGroup = false

        /// A program with its arguments; everything else as in this process.
        public init(executable: String, arguments: [String] = []) {
            path = Array(executable.utf8)
            self.arguments = arguments
        }

        /// A program with its arguments, none of which need be UTF-8; everything else as in this process.
        public init(path: [UInt8], words: [[UInt8]]) {
            self.path = path
            arguments = []
            self.words = words
        }

        /// Path of the program, for messages.
        public var executable: String { String(decoding: path, as: UTF8.self) }
    }

    /// How a process ended.
    public enum ExitStatus: Equatable, Sendable, CustomStringConvertible {
        /// By itself, with this exit status.
        case exited(Int32)
        /// By this signal.
        case signalled(Int32)

        /// For logs, such as "exit status 1".
        public var description: String {
            switch self {
            case .exited(let code): "exit status \(code)"
            case .signalled(let number): "signal \(number)"
            }
        }
    }

    /// Its process id, valid until ``exitStatus`` is known.
    public let processID: Int32
    /// Readable once the process has ended.
    public let descriptor: FileDescriptor
    /// How it ended, once ``reap()`` or ``wait(until:)`` found out.
    public private(set) var exitStatus: ExitStatus?

    /// Starts `command` and returns when the program runs.
    ///
    /// - Parameter command: Texts without a NUL.
    /// - Returns: The running process.
    /// - Throws: ``SystemError`` of the step that failed, also where that was in the child: `ENOENT` of exec for a
    ///   program that is not there, `EINVAL` for a text with a NUL.
    public static func start(_ command: Command) throws(SystemError) -> ChildProcess {
        precondition(command.inheritedDescriptors.allSatisfy { $0 > 2 }, "standard descriptors are given by name")
        let arguments = try CStringArray([command.path] + command.arguments.map { Array($0.utf8) } + command.words)
        let environment = try CStringArray((command.environment ?? []).map { Array($0.utf8) } + command.variables)
        let directory = try CStringArray(command.workingDirectory.map { [Array($0.utf8)] } ?? [])

        var failure = squire_child_failure()
        var number: Int32 = -1
        let kept = command.inheritedDescriptors
        let processID = unsafe kept.withUnsafeBufferPointer { kept in
            var child = unsafe squire_child()
            unsafe child.executable = UnsafePointer(arguments.base[0])
            unsafe child.arguments = UnsafePointer(arguments.base)
            unsafe child.environment = command.environment == nil ? nil : UnsafePointer(environment.base)
            unsafe child.directory = UnsafePointer(directory.base[0])
            unsafe child.kept = kept.baseAddress
            unsafe child.kept_count = Int32(kept.count)
            unsafe child.input = command.input ?? -1
            unsafe child.output = command.output ?? -1
            unsafe child.error = command.error ?? -1
            unsafe child.death_signal = command.parentDeathSignal ?? 0
            unsafe child.own_group = command.ownProcessGroup ? 1 : 0
            return unsafe squire_child_start(&child, &number, &failure)
        }
        guard processID > 0 else { throw error(of: failure, command) }
        return ChildProcess(processID: processID, descriptor: FileDescriptor(owning: number))
    }

    private init(processID: Int32, descriptor: consuming FileDescriptor) {
        self.processID = processID
        self.descriptor = descriptor
    }

    deinit {
        guard exitStatus == nil else { return }
        var status: Int32 = 0
        var signalled: Int32 = 0
        _ = squire_child_signal(descriptor.number, SIGKILL)
        _ = unsafe squire_child_reap(descriptor.number, 1, &status, &signalled)
    }

    /// Sends it a signal; does nothing where it has ended.
    ///
    /// - Throws: ``SystemError``: `EPERM` where it runs as another user by now.
    public borrowing func signal(_ number: Int32) throws(SystemError) {
        guard exitStatus == nil, squire_child_signal(descriptor.number, number) != 0, errno != ESRCH else { return }
        throw .current("signal \(number)")
    }

    /// Collects the exit status if it has ended, without waiting.
    ///
    /// - Returns: ``exitStatus``, nil while it runs.
    /// - Throws: ``SystemError``: `ECHILD` where somebody else has collected it.
    @discardableResult
    public mutating func reap() throws(SystemError) -> ExitStatus? {
        if let exitStatus { return exitStatus }
        let number = descriptor.number
        var status: Int32 = 0
        var signalled: Int32 = 0
        let ended = retryingInterrupts { unsafe squire_child_reap(number, 0, &status, &signalled) }
        guard ended >= 0 else { throw .current("waitid") }
        if ended == 1 { exitStatus = signalled == 0 ? .exited(status) : .signalled(status) }
        return exitStatus
    }

    /// Whether it was stopped since this was asked last; ``reap()`` says nothing of that.
    public borrowing func takeStop() -> Bool {
        guard exitStatus == nil else { return false }
        let number = descriptor.number
        return retryingInterrupts { squire_child_stopped(number) } == 1
    }

    /// Waits for its end, blocking the thread: never call it on the event loop.
    ///
    /// - Parameter deadline: When to stop waiting.
    /// - Returns: ``exitStatus``, nil where it still runs at the deadline.
    /// - Throws: As ``reap()``.
    public mutating func wait(until deadline: Instant) throws(SystemError) -> ExitStatus? {
        while try reap() == nil {
            let rest = deadline.nanoseconds(since: .now)
            guard rest > 0 else { return nil }
            let milliseconds = Int32(clamping: (rest + 999_999) / 1_000_000)
            var entry = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&entry, 1, milliseconds)
        }
        return exitStatus
    }

    private static func error(of failure: squire_child_failure, _ command: Command) -> SystemError {
        let operation =
            switch Int(failure.step) {
            case SQUIRE_CHILD_PIPE: "pipe"
            case SQUIRE_CHILD_FORK: "fork"
            case SQUIRE_CHILD_DIRECTORY: "chdir \(command.workingDirectory ?? "")"
            case SQUIRE_CHILD_EXEC: "exec \(command.executable)"
            case SQUIRE_CHILD_PIDFD: "pidfd_open"
            default: "prepare \(command.executable)"
            }
        return SystemError(code: failure.code, operation: operation)
    }
}

/// Texts as C programs receive them: an array of pointers that ends with NULL.
@safe
struct CStringArray: ~Copyable {
    let base: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    private let count: Int

    init(_ texts: [[UInt8]]) throws(SystemError) {
        guard texts.allSatisfy({ !$0.contains(0) }) else {
            throw SystemError(code: EINVAL, operation: "start a program whose arguments hold a NUL")
        }
        count = texts.count
        unsafe base = .allocate(capacity: count + 1)
        for (index, text) in texts.enumerated() {
            unsafe (base + index).initialize(to: text.withUnsafeBytes { unsafe Self.copy($0) })
        }
        unsafe (base + count).initialize(to: nil)
    }

    private static func copy(_ text: UnsafeRawBufferPointer) -> UnsafeMutablePointer<CChar>? {
        guard let memory = unsafe malloc(text.count + 1) else { return nil }
        if let start = text.baseAddress { unsafe memcpy(memory, start, text.count) }
        unsafe memory.storeBytes(of: 0, toByteOffset: text.count, as: CChar.self)
        return unsafe memory.assumingMemoryBound(to: CChar.self)
    }

    deinit {
        for index in 0..<count { unsafe free(base[index]) }
        unsafe base.deallocate()
    }
}
