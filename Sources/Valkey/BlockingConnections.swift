public import Bytes
public import EventLoop
public import Linux

/// A link's connections for commands that hold up what follows them, such as `WAIT`: each is one caller's at a time.
///
/// They are made when they are needed and closed when they rest.
@EventLoop
public final class BlockingConnections {
    /// Most connections at once; whoever asks for one more is told that there is too much to do.
    static let countMax = 64
    /// How long a connection rests before it is closed.
    static let restMax = Duration.seconds(10)

    // The link owns them and outlives them.
    private unowned(unsafe) let owner: Link
    private let configuration: LinkConfiguration
    private var all: [BlockingConnection] = []

    init(link: Link, configuration: LinkConfiguration) {
        unsafe owner = link
        var configuration = configuration
        configuration.clientName += "-blocking"
        self.configuration = configuration
    }

    var link: Link { unsafe owner }

    /// Takes a connection, which is the caller's until ``BlockingConnection/giveBack()``.
    ///
    /// - Throws: ``LinkFailure`` `overloaded` where too many are taken, `unavailable` while callers are turned away.
    public func take() throws(LinkFailure) -> BlockingConnection {
        if let failure = link.subscriptionFailure { throw failure }
        if let idle = all.first(where: { $0.isIdle }) {
            idle.wasTaken()
            return idle
        }
        guard all.count < BlockingConnections.countMax else {
            throw LinkFailure(.overloaded, .notApplied, retryAfterMilliseconds: 100)
        }
        let connection = BlockingConnection(of: self, configuration, link.credentials)
        all.append(connection)
        return connection
    }

    func forget(_ connection: BlockingConnection) {
        all.removeAll { $0 === connection }
        // It may be telling of its end just now.
        EventLoop.reactor.timers.schedule(at: .now) { withExtendedLifetime(connection) {} }
    }

    /// Closes all of them; whoever waits is told.
    func close() {
        for connection in all { connection.end(LinkFailure(.closing, .unknown)) }
    }
}

/// A connection of one caller, who sends a command after the other and waits for each.
@EventLoop
public final class BlockingConnection: ConnectionUser {
    private unowned(unsafe) let owner: BlockingConnections
    private var connectionStorage: Connection?
    private var continuation: CheckedContinuation<Result<ReplyValue, LinkFailure>, Never>?
    private var output = ByteBuffer()
    private var isSent = false
    private var isTaken = true
    private var isOver = false
    private var timer: TimerID?

    init(of owner: BlockingConnections, _ configuration: LinkConfiguration, _ credentials: Credentials) {
        unsafe self.owner = owner
        connectionStorage = Connection(user: self, configuration: configuration, credentials: credentials)
    }

    private var connection: Connection {
        guard let connectionStorage else { preconditionFailure("a blocking connection has a connection") }
        return connectionStorage
    }

    var isIdle: Bool { !isTaken && !isOver }

    func wasTaken() {
        isTaken = true
        cancelTimer()
    }

    /// Sends a command and waits for its reply.
    ///
    /// - Parameters:
    ///   - deadline: When to stop waiting; the connection ends then, for the reply may come later.
    ///   - encode: Appends the command, complete.
    /// - Returns: The reply, which may be an error of Valkey.
    /// - Throws: ``LinkFailure``; after one the connection is of no more use.
    public func call(
        until deadline: Instant,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(LinkFailure) -> ReplyValue {
        precondition(continuation == nil && isTaken, "a blocking connection is one caller's")
        guard !isOver else { throw LinkFailure(.unavailable, .notApplied) }
        let result = await withCheckedContinuation { continuation in
            self.continuation = continuation
            isSent = false
            encode(&output)
            timer = EventLoop.reactor.timers.schedule(at: deadline) {
                self.timer = nil
                self.end(LinkFailure(.deadlineExceeded, self.isSent ? .unknown : .notApplied))
            }
            if connection.isReady { flush() } else { connection.connect() }
        }
        return try result.get()
    }

    /// Gives the connection back for others to use.
    public func giveBack() {
        isTaken = false
        guard !isOver else { return }
        timer = EventLoop.reactor.timers.schedule(after: BlockingConnections.restMax) {
            self.timer = nil
            self.end(LinkFailure(.closing, .none))
        }
    }

    /// Closes the connection; whoever waits is told.
    func end(_ failure: LinkFailure) {
        guard !isOver else { return }
        isOver = true
        cancelTimer()
        connection.close()
        resume(.failure(failure))
        unsafe owner.forget(self)
    }

    private func resume(_ result: Result<ReplyValue, LinkFailure>) {
        cancelTimer()
        let waiting = continuation
        continuation = nil
        waiting?.resume(returning: result)
    }

    private func cancelTimer() {
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = nil
    }

    private func flush() {
        guard !output.isEmpty else { return }
        isSent = true
        output.consume(connection.send(output.view))
        if connection.isBroken { connection.end("the connection broke while sending") }
    }
}

extension BlockingConnection {
    var connectionMayConnect: Bool { !isOver }

    var connectionScripts: [String] { unsafe owner.link.scriptSources }

    func connectionIsGreeting() {}

    func connectionBecameReady(_ server: Greeting.Server) {
        flush()
    }

    func connectionCanSend() {
        flush()
    }

    func connectionReceived(_ reply: Reply) {
        guard continuation != nil else { return end(LinkFailure(.unavailable, .none)) }
        resume(.success(reply.copy()))
    }

    func connectionEnded(_ ending: Connection.Ending) {
        end(isSent ? LinkFailure(.ambiguous, .unknown) : LinkFailure(.unavailable, .notApplied))
    }
}
