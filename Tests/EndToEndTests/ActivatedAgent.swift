import Glibc
import Linux
import TestSupport
import Testing

/// An agent whose listening sockets a service manager holds, which starts and stops it as often as it likes.
final class ActivatedAgent {
    /// Where it listens, also while no agent runs.
    let socketPath: String
    private let directory: String
    private let listener: FileDescriptor
    private let names: String
    private let arguments: [String]
    private let environment: [String: String]
    /// The user that agents run as; nil for the test's own.
    private let user: UInt32?
    private(set) var process: LaunchedProcess?

    /// Listens in `directory` for agents that are started with `arguments`.
    init(
        _ directory: String,
        names: String = "main",
        arguments: [String],
        environment: [String: String] = [:],
        user: UInt32? = nil
    ) throws {
        self.directory = directory
        socketPath = "\(directory)/inherited.sock"
        listener = try Socket.listen(unixPath: socketPath, backlog: 1024)
        self.names = names
        self.arguments = arguments
        self.environment = environment
        self.user = user
    }

    /// What the agents wrote so far.
    var log: String { (try? File.text("\(directory)/log")) ?? "" }

    /// Starts an agent.
    func start() async throws {
        var command = ChildProcess.Command(executable: try Product.path("LinuxTestProgram"))
        let become = try user.map { [try Product.path("LinuxTestProgram"), "become", "\($0)"] } ?? []
        let program = ["activate", "\(listener.number)", names] + become + [try Product.path("squired")]
        let paths = ["--socket", "\(directory)/own.sock", "--state-dir", "\(directory)/state"]
        command.arguments = program + paths + arguments
        command.environment = variables(environment)
        command.inheritedDescriptors = [listener.number]
        process = try await LaunchedProcess.start(command, log: "\(directory)/log")
    }

    /// Ends the agent as a service manager does.
    func stop() async throws {
        let running = try #require(process)
        try running.signal(SIGTERM)
        #expect(try await running.end() == .exited(0), "\(log)")
        process = nil
    }

    /// Ends the agent by force.
    func kill() {
        process?.kill()
    }
}
