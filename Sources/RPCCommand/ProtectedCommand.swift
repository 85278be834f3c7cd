import Bytes
import Glibc
import Linux
import RPCClient

/// A command that runs in a process group of its own while something is held.
final class ProtectedCommand {
    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGCHLD]

    private var process: ChildProcess
    private let received: SignalDescriptor
    private let waiting: Epoll
    private let terminal: Terminal?
    /// How it ended; nil while it runs.
    private(set) var status: ChildProcess.ExitStatus?
    /// When the group was ended by force first.
    private var killed: Instant?
    /// Whether it was stopped, and may go on by now: see ``goOn()``.
    private(set) var isStopped = false

    private init(
        _ process: consuming ChildProcess,
        _ received: consuming SignalDescriptor,
        _ waiting: consuming Epoll
    ) {
        terminal = Terminal()
        terminal?.give(to: process.processID)
        self.process = process
        self.received = received
        self.waiting = waiting
    }

    /// Starts a command.
    ///
    /// It leads a process group of its own, and has the terminal where there is one. The signals by which users and
    /// service managers end and stop programs are handed on to the group.
    ///
    /// - Parameters:
    ///   - words: The program and its arguments, at least one; byte for byte.
    ///   - variables: Added to this process' environment: `NAME=value` each.
    /// - Returns: The running command.
    /// - Throws: ``CommandError`` `.usage` where there is no such program, or it cannot be started.
    static func start(_ words: [[UInt8]], variables: [String]) throws(CommandError) -> ProtectedCommand {
        let program = String(decoding: words[0], as: UTF8.self)
        guard let path = Executable.find(words[0]) else {
            throw .usage("there is no program \(program) that can be run")
        }
        var command = ChildProcess.Command(path: path, words: Array(words.dropFirst()))
        let names = variables.compactMap { $0.split(separator: "=").first.map { Array("\($0)=".utf8) } }
        command.environment = variables
        command.variables = ProcessWords.environment.filter { entry in !names.contains { entry.starts(with: $0) } }
        command.input = StandardStream.input.rawValue
        command.ownProcessGroup = true
        // Where this program is ended by force the command does not go on without the lease.
        command.parentDeathSignal = SIGKILL
        do throws(SystemError) {
            let received = try SignalDescriptor(signals)
            let process = try ChildProcess.start(command)
            let waiting = try Epoll()
            try waiting.add(process.descriptor.number, token: 0, .readable)
            try waiting.add(received.descriptor.number, token: 1, .readable)
            return ProtectedCommand(process, received, waiting)
        } catch {
            throw .usage("\(program) cannot be started: \(error.reason)")
        }
    }

    /// Readable when there is something to look at: ``look()``.
    var descriptorNumber: Int32 { waiting.descriptorNumber }

    /// Takes note of the command's end, and hands signals on.
    ///
    /// Where the command was stopped, and there is a terminal, this program stops too, so that whoever started it has the
    /// terminal again. It returns when this program goes on; the command does not yet.
    func look() {
        while let signal = received.next() {
            switch signal {
            case SIGCHLD: continue
            case SIGCONT: isStopped = true
            default: ProcessGroup.signal(process.processID, signal)
            }
        }
        guard status == nil else { return }
        status = try? process.reap()
        // The terminal is this program's again.
        if status != nil { terminal?.takeBack(from: process.processID) }
        guard process.takeStop(), let terminal else { return }
        isStopped = true
        // One that only lacked the terminal, which this program has got meanwhile, is given it.
        if terminal.isOwn { return }
        terminal.takeBack(from: process.processID)
        terminal.stopOwnGroup()
    }

    /// Has a command that was stopped go on, with the terminal where this program has it.
    func goOn() {
        isStopped = false
        terminal?.give(to: process.processID)
        ProcessGroup.signal(process.processID, SIGCONT)
    }

    /// Sends a signal to the whole group.
    func signal(_ number: Int32) {
        ProcessGroup.signal(process.processID, number)
        if number == SIGKILL, killed == nil { killed = .now }
        // A command that was stopped ends only when it goes on.
        if number == SIGTERM { ProcessGroup.signal(process.processID, SIGCONT) }
    }

    /// Whether the command runs; or, once it was asked to end, anybody of its group does.
    ///
    /// - Parameter isAsked: Whether the group was asked to end.
    /// - Returns: False also where somebody is there a moment after the group was ended by force: who is dead, and only
    ///   waits for its parent to take note.
    func mustBeWaitedFor(isAsked: Bool) -> Bool {
        guard status != nil else { return true }
        guard isAsked, ProcessGroup.exists(process.processID) else { return false }
        return killed.map { Instant.now < $0.advanced(by: .milliseconds(20)) } ?? true
    }

    /// The status for this program to end with: the command's, or 128 and the signal's number.
    var exitStatus: Int32 {
        switch status {
        case .exited(let code): code
        case .signalled(let number): 128 + number
        case nil: 128 + SIGKILL
        }
    }
}
