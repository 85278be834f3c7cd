public import Bytes
public import EventLoop
public import Linux
public import Observability
import Resilience

/// The agent's connection to one store: all callers' commands, pipelined over few connections.
///
/// A link is always there; whether Valkey is, shows in each command's outcome. It connects by itself, keeps trying with
/// growing delays, and says what became of every command exactly once.
@EventLoop
public final class Link: TurnHandler {
    /// The state of a link, for health and statistics.
    public struct Status: Sendable {
        /// Whether commands flow.
        public var isConnected: Bool
        /// What the server calls itself, such as `valkey`; empty before the first connection.
        public var server: String
        /// The server's version; empty before the first connection.
        public var version: String
        /// `standalone`, `sentinel` or `cluster`; empty before the first connection.
        public var mode: String
        /// Why the last connection failed, nil while commands flow.
        public var fault: String?
        /// Connections that were ready, since the start.
        public var connections: UInt64
        /// Commands answered, since the start.
        public var replies: UInt64
        /// Commands that wait for a reply or to be sent.
        public var queuedCommands: Int
        /// Bytes of those commands.
        public var queuedBytes: Int
    }

    /// The store's name in logs: `cache` or `state`.
    public let name: String
    /// Where the server is, without credentials.
    public var endpointDescription: String { configuration.endpoint.description }

    private let configuration: LinkConfiguration
    private let log: Log
    private var pipelines: [Pipeline] = []
    private var dirty: [Pipeline] = []
    private var scripts: [Script] = []
    private var server = Greeting.Server()
    private var connections: UInt64 = 0
    private var replies: UInt64 = 0
    private var lastFault: String?
    private(set) var isDown = false
    private var buffer = ByteBuffer()

    /// Bytes taken from a socket at once.
    private static let receiveBytes = 128 << 10

    /// Makes a link that rests until ``start()``.
    public init(name: String, configuration: LinkConfiguration, log: Log) {
        self.name = name
        self.configuration = configuration
        self.log = log
    }

    /// Begins to connect, and keeps at it until ``close()``.
    public func start() {
        EventLoop.reactor.addTurnHandler(self)
        for _ in 0..<max(configuration.connections, 1) {
            let pipeline = Pipeline(link: self, configuration: configuration, backoff: Backoff())
            pipelines.append(pipeline)
            pipeline.connect()
        }
    }

    /// Ends the link: what is queued fails, and nothing is accepted any more.
    public func close() {
        for pipeline in pipelines { pipeline.close() }
    }

    /// Makes a script known, so that it can be loaded where a server lacks it.
    public func register(_ script: Script) {
        scripts.append(script)
    }

    /// Sends a command.
    ///
    /// - Parameters:
    ///   - request: Who waits, until when, and what sending twice would do.
    ///   - lane: Commands of one lane are executed in the order of these calls; a client connection keeps to one.
    ///   - encode: Appends the command, complete; called before this method returns.
    public func send(_ request: CommandRequest, lane: Int, _ encode: (inout ByteBuffer) -> Void) {
        pipelines[lane % pipelines.count].send(request, encode)
    }

    /// Sends a command and waits for its reply: for work of several steps.
    ///
    /// - Parameters:
    ///   - effect: What sending the command twice would do.
    ///   - deadline: When to stop waiting.
    ///   - lane: As of ``send(_:lane:_:)``.
    ///   - encode: Appends the command, complete.
    /// - Returns: The reply, which may be an error of Valkey.
    /// - Throws: ``LinkFailure``.
    public func call(
        _ effect: CommandEffect,
        deadline: Instant,
        lane: Int = 0,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(LinkFailure) -> ReplyValue {
        let result = await withCheckedContinuation { continuation in
            let receiver = SuspendedCall(continuation)
            send(receiver.request(effect, deadline), lane: lane, encode)
        }
        return try result.get()
    }

    /// The link's present state.
    public var status: Status {
        Status(
            isConnected: pipelines.contains { $0.isReady },
            server: server.name,
            version: server.version,
            mode: server.mode,
            fault: lastFault,
            connections: connections,
            replies: replies,
            queuedCommands: pipelines.reduce(0) { $0 + $1.queuedCommands },
            queuedBytes: pipelines.reduce(0) { $0 + $1.queuedBytes }
        )
    }

    /// Sends the commands that the turn gathered.
    public func turnEnded() {
        while !dirty.isEmpty {
            let pipelines = dirty
            dirty.removeAll(keepingCapacity: true)
            for pipeline in pipelines { pipeline.flush() }
        }
    }
}

// MARK: For pipelines

extension Link {
    /// What the last ``receive(from:)`` brought.
    var received: ByteView { buffer.view }

    /// Reads once from `connection` into the buffer that all pipelines of the link share.
    func receive(from connection: Connection) -> Transfer {
        buffer.removeAll()
        var transfer = Transfer.wouldBlock
        _ = unsafe buffer.withSpareCapacity(Link.receiveBytes) { memory, capacity in
            transfer = unsafe connection.descriptor.read(into: memory, count: min(capacity, Link.receiveBytes))
            if case .bytes(let count) = transfer { return count }
            return 0
        }
        return transfer
    }

    func markDirty(_ pipeline: Pipeline) {
        dirty.append(pipeline)
    }

    func countReply() {
        replies += 1
    }

    /// The script that an encoded `EVALSHA` command calls, or nil where it is not registered.
    func script(calledBy command: ByteView) -> Script? {
        scripts.first { script in
            script.digest.withByteView { digest in
                guard let dollar = command.firstIndex(of: UInt8(ascii: "$"), from: 10) else { return false }
                let start = dollar + 5
                return start + 40 <= command.count && command[start..<(start + 40)].equals(digest)
            }
        }
    }

    /// How long until the next connection attempt, in milliseconds.
    var retryAfterMilliseconds: Int64 {
        let now = Instant.now
        let next = pipelines.compactMap(\.nextAttemptInstant).min() ?? now
        return max(next.milliseconds(since: now), 0) + 1
    }

    func becameReady(_ server: Greeting.Server) {
        connections += 1
        self.server = server
        let wasDown = isDown || connections == 1
        isDown = false
        lastFault = nil
        guard wasDown else { return }
        log.notice(
            "connected to Valkey",
            ["store": name, "endpoint": endpointDescription, "server": server.name, "version": server.version]
        )
    }

    func lost(_ reason: String, wasReady: Bool) {
        guard !pipelines.contains(where: { $0.isReady }) else { return }
        let isNews = lastFault != reason
        lastFault = reason
        if !wasReady { isDown = true }
        guard isNews else { return }
        log.warning(
            "Valkey cannot be used; trying again",
            ["store": name, "endpoint": endpointDescription, "reason": reason]
        )
    }
}
