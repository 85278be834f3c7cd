import EventLoop
import Glibc
import Linux

/// One run of an embedded server: its process, watched by the loop until it has ended.
///
/// The loop keeps it alive until then.
@EventLoop
final class EmbeddedServerProcess: DescriptorHandler {
    /// Its process id.
    let processID: Int32
    private let started = Instant.now
    private var child: ChildProcess
    private let log: EmbeddedServerLog
    private var registration: Registration?
    private let whenEnded: @EventLoop (_ reason: String) -> Void

    /// Starts `executable` on the data in `directory`, which stays locked until the process has ended.
    ///
    /// The process gets no variable of this process' environment. It is told to end (SIGTERM) when the loop's thread
    /// ends, however that happens, and does not hear a terminal's signals: the agent ends it when it is done.
    ///
    /// - Parameters:
    ///   - executable: Path of the program.
    ///   - configuration: What it is told.
    ///   - directory: Where its configuration and its log are written.
    ///   - whenEnded: Told once of the end, with the reason in words that are the same whenever the cause is.
    /// - Throws: `SystemError` of the step that failed.
    init(
        _ executable: String,
        _ configuration: EmbeddedServer.Configuration,
        in directory: EmbeddedServerDirectory,
        whenEnded: @escaping @EventLoop (_ reason: String) -> Void
    ) throws(SystemError) {
        let log = try directory.openLog()
        var command = ChildProcess.Command(executable: executable, arguments: [try directory.write(configuration)])
        command.environment = []
        command.workingDirectory = configuration.directory
        command.output = log.descriptor.number
        command.error = log.descriptor.number
        command.inheritedDescriptors = [directory.lockNumber]
        command.parentDeathSignal = SIGTERM
        command.ownProcessGroup = true
        child = try ChildProcess.start(command)
        processID = child.processID
        self.log = log
        self.whenEnded = whenEnded
        registration = try EventLoop.reactor.add(child.descriptor, .readable, handler: self)
    }

    /// How long it has run.
    var uptime: Duration { .nanoseconds(Instant.now.nanoseconds(since: started)) }

    /// Asks it to end, which it does when it has saved its data.
    func terminate() {
        try? child.signal(SIGTERM)
    }

    /// Ends it at once.
    func kill() {
        try? child.signal(SIGKILL)
    }

    func descriptorReady(_ readiness: Readiness) {
        var reason: String
        do throws(SystemError) {
            guard let status = try child.reap() else { return }
            reason = status.description
            // Nobody has last words who is ended by force.
            if status != .signalled(SIGKILL), let words = log.lastWords { reason += ": \(words)" }
        } catch {
            // A process that ignores SIGCHLD, which is inherited, does not learn how its children ended (waitid(2)).
            reason = "unknown exit status"
        }
        if let registration { EventLoop.reactor.remove(registration) }
        registration = nil
        whenEnded(reason)
    }
}
