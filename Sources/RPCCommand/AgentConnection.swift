import Linux
import RPCClient
import RPCUsage

/// The way to the agent: which sockets are tried, how long, and what to say when nobody answers.
struct AgentConnection {
    /// Where an agent may listen.
    private let places: DefaultPaths
    private let named: String?
    private let wait: Duration?

    /// Takes the socket from the command line, else from the environment, else the default places.
    init(_ invocation: Invocation, _ environment: ProcessEnvironment) {
        places = DefaultPaths(environment: environment)
        named = invocation.socket
        wait = invocation.wait
    }

    private var paths: [String] { named.map { [$0] } ?? places.clientSockets }

    /// Connects.
    ///
    /// - Parameter deadline: When to give up, unless the user chose how long to wait.
    /// - Returns: An open connection.
    /// - Throws: ``CommandError`` `.unreachable` with the paths tried.
    func open(until deadline: Instant) throws(CommandError) -> RPCClient {
        let limit = wait.map { Instant.now.advanced(by: $0) } ?? deadline
        do throws(RPCClientError) {
            let client = try RPCClient.connect(toFirstOf: paths, until: limit, isAwaited: wait != nil)
            guard named != nil || !places.isForeign(client.path) else {
                throw RPCClientError(.unreachable, "the directory of \(client.path) belongs to another user")
            }
            return client
        } catch {
            throw unreachable(error)
        }
    }

    private func unreachable(_ error: RPCClientError) -> CommandError {
        var advice: [String] = []
        if paths.count > 1 {
            advice.append("Tried \(paths.joined(separator: " and ")).")
        }
        switch error.code {
        case .pathTooLong:
            advice.append("Choose a shorter path with --socket PATH or SQUIRE_SOCKET.")
        case .unreachable where error.isPermissionDenied:
            advice.append("Its owner decides who may connect: ask for membership of the socket's group.")
        default:
            advice.append("Start one with 'squired', or with 'systemctl start squired' where it is a service.")
            advice.append("--socket PATH or SQUIRE_SOCKET names another socket; --wait 10s waits for it.")
        }
        return CommandError(.unreachable, "no agent can be reached: \(error.message)", advice: advice)
    }
}

extension CommandError {
    /// What went wrong with a connection that was open.
    ///
    /// - Parameters:
    ///   - error: What the client met.
    ///   - method: The method that was called, for the message.
    init(_ error: RPCClientError, calling method: String) {
        let doubt = "Whether it was carried out is not known."
        switch error.code {
        case .timedOut:
            self.init(.deadlineExceeded, "\(method): \(error.message)", advice: [doubt, "--timeout allows more time."])
        case .closed:
            self.init(.unreachable, "\(method): \(error.message) before it answered", advice: [doubt])
        case .malformed, .tooLarge, .unreachable, .unread, .pathTooLong:
            self.init(.unreachable, "\(method): \(error.message)", advice: ["Is it an agent that listens there?"])
        }
    }
}
