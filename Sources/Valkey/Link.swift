public import Bytes
public import EventLoop
public import Linux
public import Observability
public import Resilience

/// The agent's connection to one store: all callers' commands, pipelined over few connections.
///
/// A link is always there; whether Valkey is, shows in each command's outcome. It connects by itself, keeps trying with
/// growing delays, turns callers away while its circuit breaker is open, and says what became of every command exactly
/// once.
@EventLoop
public final class Link: TurnHandler {
    /// Why the link itself sends a command.
    enum Purpose: UInt32 {
        /// To keep silence and death apart.
        case liveness
        /// To decide on the breaker.
        case probe
        /// To load a script.
        case script
        /// To learn the server's time.
        case time
    }

    /// Shortest time between two connection attempts that callers' demand brings forward.
    static let attemptInterval = Duration.milliseconds(250)
    /// How long a probe may take.
    private static let probeTimeout = Duration.seconds(1)

    /// The store's name in logs: `cache` or `state`.
    public let name: String
    /// What is told of changes of the breaker's state, and why they happened.
    public var breakerChanged: (@EventLoop (CircuitBreaker.State, String) -> Void)?
    var retryBudget = RetryBudget()
    var clock = ServerClock()
    var isTimeAsked = false
    private(set) var breaker = CircuitBreaker()
    let credentials: Credentials
    let log: Log
    let configuration: LinkConfiguration
    /// Tells of changes in the store, where somebody wants to know; it connects and ends with the link.
    var tracker: Tracker?
    private var pipelines: [Pipeline] = []
    private var subscriberStorage: Subscriber?
    private var blockingStorage: BlockingConnections?
    private var dirty: [Pipeline] = []
    private var scripts: [Script] = []
    private var server = Greeting.Server()
    private var connections: UInt64 = 0
    private var replies: UInt64 = 0
    private var repliesCounted: UInt64 = 0
    private var rejections: UInt64 = 0
    private var lastFault: String?
    /// First word of the error by which the server refuses every write now.
    var writeRefusal: String?
    private var probeTimer: TimerID?
    /// The breaker's generation under which a greeting is the probe, nil while none is.
    private var greetingGeneration: UInt32?
    private var isClosed = false

    /// Makes a link that rests until ``start()``.
    public init(name: String, configuration: LinkConfiguration, log: Log) {
        self.name = name
        self.configuration = configuration
        credentials = Credentials(configuration)
        self.log = log
    }

    /// Where the server is, without credentials.
    public var endpointDescription: String { configuration.endpoint.description }

    /// Begins to connect, and keeps at it until ``close()``.
    public func start() {
        EventLoop.reactor.addTurnHandler(self)
        for _ in 0..<max(configuration.connections, 1) {
            pipelines.append(Pipeline(link: self, configuration: configuration))
        }
        // The first connection finds out whether the server is there; the others follow it.
        pipelines.first?.connection.connect()
    }

    /// Ends the link: what is queued fails, and nothing is accepted any more.
    public func close() {
        isClosed = true
        if let probeTimer { EventLoop.reactor.timers.cancel(probeTimer) }
        for pipeline in pipelines { pipeline.close() }
        tracker?.close()
        subscriberStorage?.close()
        blockingStorage?.close()
    }

    /// The link's connections for commands that hold up what follows them.
    public var blocking: BlockingConnections {
        if let blockingStorage { return blockingStorage }
        let blocking = BlockingConnections(link: self, configuration: configuration)
        blockingStorage = blocking
        return blocking
    }

    /// The link's subscriptions, over a connection of their own.
    public var subscriber: Subscriber {
        if let subscriberStorage { return subscriberStorage }
        let subscriber = Subscriber(link: self, configuration: configuration)
        subscriberStorage = subscriber
        return subscriber
    }

    /// Makes a script known, so that it can be loaded where a server lacks it.
    public func register(_ script: Script) {
        scripts.append(script)
    }

    /// Sends a command.
    ///
    /// - Parameters:
    ///   - request: Who waits, until when, and what sending twice would do.
    ///   - lane: Commands of one lane are executed in the order of these calls; a client connection keeps to one. A
    ///     negative one is of no connection.
    ///   - encode: Appends the command, complete; called before this method returns, or never.
    public func send(_ request: CommandRequest, lane: Int, _ encode: (inout ByteBuffer) -> Void) {
        guard breaker.isPassable, !isClosed else { return turnAway(request) }
        pipelines[max(lane, 0) % pipelines.count].send(request, lane: lane, encode)
    }

    /// Sends a command and waits for its reply: for work of several steps.
    ///
    /// - Parameters:
    ///   - effect: What sending the command twice would do.
    ///   - deadline: When to stop waiting.
    ///   - lane: As of ``send(_:lane:_:)``.
    ///   - replies: Replies that the encoded command brings; the last one is returned.
    ///   - encode: Appends the command, complete.
    /// - Returns: The reply, which may be an error of Valkey.
    /// - Throws: ``LinkFailure``.
    public func call(
        _ effect: CommandEffect,
        deadline: Instant,
        lane: Int = 0,
        replies: Int = 1,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(LinkFailure) -> ReplyValue {
        let result = await withCheckedContinuation { continuation in
            let receiver = SuspendedCall(continuation)
            send(receiver.request(effect, deadline, replies: replies), lane: lane, encode)
        }
        return try result.get()
    }

    /// Sends the commands that the turn gathered.
    public func turnEnded() {
        while !dirty.isEmpty {
            let pipelines = dirty
            dirty.removeAll(keepingCapacity: true)
            for pipeline in pipelines { pipeline.flush() }
        }
        subscriberStorage?.flush()
        if replies != repliesCounted {
            let count = Int(replies - repliesCounted)
            repliesCounted = replies
            breaker.succeeded(count, at: EventLoop.reactor.now)
            retryBudget.earn(count)
        }
    }

    private func turnAway(_ request: CommandRequest) {
        rejections += 1
        if isClosed { return reject(request, .closing, retryAfterMilliseconds: nil) }
        // Somebody waits: the next attempt need not be as late as nobody's would.
        if breaker.mode == .automatic, let first = pipelines.first, mayConnect(first) {
            first.connection.hasten(interval: Link.attemptInterval)
        }
        reject(request, .unavailable, retryAfterMilliseconds: retryAfterMilliseconds)
    }

    /// Tells a caller that its command was not taken.
    func reject(_ request: CommandRequest, _ code: LinkFailure.Code, retryAfterMilliseconds: Int64?) {
        let outcome: LinkFailure.Outcome = request.effect == .read ? .none : .notApplied
        let failure = LinkFailure(code, outcome, retryAfterMilliseconds: retryAfterMilliseconds)
        unsafe request.receiver.failed(failure, request.completion)
    }
}

// MARK: State

extension Link {
    /// The state of a link, for health and statistics.
    public struct Status: Sendable {
        /// Whether commands flow.
        public var isConnected: Bool
        /// The circuit breaker.
        public var breaker: CircuitBreaker
        /// What the server calls itself, such as `valkey`; empty before the first connection.
        public var server: String
        /// The server's version; empty before the first connection.
        public var version: String
        /// `standalone`, `sentinel` or `cluster`; empty before the first connection.
        public var mode: String
        /// Why the last connection failed, nil while commands flow.
        public var fault: String?
        /// First word of the error by which the server refuses every write, such as `MISCONF`; nil while it takes them.
        public var writeRefusal: String?
        /// How long until callers may pass again, in milliseconds, while the breaker is open.
        public var retryAfterMilliseconds: Int64?
        /// Connections that were ready, since the start.
        public var connections: UInt64
        /// Commands answered, since the start.
        public var replies: UInt64
        /// Commands turned away by the breaker, since the start.
        public var rejections: UInt64
        /// Commands that wait for a reply or to be sent.
        public var queuedCommands: Int
        /// Bytes of those commands.
        public var queuedBytes: Int
    }

    /// Whether commands flow.
    public var isConnected: Bool { pipelines.contains { $0.connection.isReady } }

    /// Connections that were ready since the start: another number means that the server may be another.
    public var generation: UInt64 { connections }

    /// Whether the link was closed for good.
    public var isEnded: Bool { isClosed }

    /// The link's present state.
    public var status: Status {
        Status(
            isConnected: isConnected,
            breaker: breaker,
            server: server.name,
            version: server.version,
            mode: server.mode,
            fault: lastFault,
            writeRefusal: writeRefusal,
            retryAfterMilliseconds: breaker.isPassable ? nil : retryAfterMilliseconds,
            connections: connections,
            replies: replies,
            rejections: rejections,
            queuedCommands: pipelines.reduce(0) { $0 + $1.queuedCommands },
            queuedBytes: pipelines.reduce(0) { $0 + $1.queuedBytes }
        )
    }

    /// How long until the next attempt or probe may have shown that the server is there, in milliseconds.
    ///
    /// Not less than lies between two attempts: whoever came back sooner would find the same.
    var retryAfterMilliseconds: Int64 {
        guard breaker.mode == .automatic else { return 1000 }
        let now = EventLoop.reactor.now
        var next = breaker.probeInstant
        if let connection = pipelines.first?.connection, !connection.isReady {
            // The probe is the next connection's greeting; one that is being made may be greeted at any moment.
            next = connection.isWaiting ? connection.nextAttempt : now
        }
        return min(max(next.milliseconds(since: now), Link.attemptInterval.wholeMilliseconds), 30_000)
    }

    /// Hands the breaker to an operator, or back to what happens.
    public func setBreaker(_ mode: CircuitBreaker.Mode) {
        let before = breaker.state
        breaker.set(mode, at: .now)
        if breaker.state != before { breakerDidChange("set by an operator") }
        if breaker.state == .open { scheduleProbe() }
    }
}

// MARK: For pipelines

extension Link {
    /// Queues a command anew, unless callers are turned away by now.
    func sendAgain(_ command: CommandQueue.Taken, over pipeline: Pipeline) {
        guard breaker.isPassable, !isClosed else {
            let code: LinkFailure.Code = isClosed ? .closing : .unavailable
            let failure = LinkFailure(
                code,
                command.record.outcomeWhenUnsent,
                retryAfterMilliseconds: retryAfterMilliseconds
            )
            return unsafe command.record.receiver.failed(failure, command.record.completion)
        }
        pipeline.sendAgain(command)
    }

    func markDirty(_ pipeline: Pipeline) {
        dirty.append(pipeline)
    }

    /// Whether callers pass.
    var isPassable: Bool { breaker.isPassable }

    /// Whether `pipeline` may try to connect: while the server is away only the first one does, as the only probe, and
    /// none does while a connection is there that can be probed.
    func mayConnect(_ pipeline: Pipeline) -> Bool {
        let isAnyReady = pipelines.contains { $0.connection.isReady }
        return breaker.isPassable && isAnyReady || pipeline === pipelines.first && !isAnyReady
    }

    /// Takes note that a connection is about to be greeted.
    func isGreeting() {
        guard breaker.beginGreeting() else { return }
        greetingGeneration = breaker.generation
        breakerChanged?(breaker.state, "a connection is made")
    }

    /// Whether the subscriber may try to connect: while the server is away the data connections find out.
    var mayConnectSubscriber: Bool {
        !isClosed && breaker.isPassable && pipelines.contains { $0.connection.isReady }
    }

    /// Why nothing can be subscribed now, or nil.
    var subscriptionFailure: LinkFailure? {
        if isClosed { return LinkFailure(.closing, .none) }
        guard !breaker.isPassable else { return nil }
        return LinkFailure(.unavailable, .none, retryAfterMilliseconds: retryAfterMilliseconds)
    }

    func countReply() {
        replies += 1
    }

    /// Sources of the scripts that are called over this link.
    var scriptSources: [String] { scripts.map(\.source) }

    /// The script that an encoded `EVALSHA` command calls, or nil where it is not registered.
    func script(calledBy command: ByteView) -> Script? {
        // *5\r\n$7\r\nEVALSHA\r\n$40\r\n and the digest: the head's length varies with the number of words.
        guard let dollar = command.firstIndex(of: UInt8(ascii: "$"), from: 10), dollar + 45 <= command.count else {
            return nil
        }
        let called = command[(dollar + 5)..<(dollar + 45)]
        return scripts.first { script in script.digest.withByteView { $0.equals(called) } }
    }

    func becameReady(_ server: Greeting.Server) {
        connections += 1
        let isNews = lastFault != nil || connections == 1
        self.server = server
        if let microseconds = server.microseconds {
            clock.sample(microseconds, sent: server.greeted, received: .now)
        }
        lastFault = nil
        greetingGeneration = nil
        // The greeting's PING is the probe: exactly one connection at a time tries while the breaker is open.
        if breaker.answered() { breakerDidChange("the server answers") }
        if breaker.isPassable { connectOthers() }
        guard isNews else { return }
        log.notice(
            "connected to Valkey",
            [
                "store": name, "endpoint": endpointDescription, "server": server.name, "version": server.version,
                "transport": server.transport,
            ]
        )
    }

    /// Takes note that a connection or an attempt ended.
    func lost(_ ending: Connection.Ending, failedCommands: Int) {
        commandsFailed(failedCommands)
        guard !pipelines.contains(where: { $0.connection.isReady }) else { return }
        let isNews = lastFault != ending.reason
        lastFault = ending.reason
        if isNews {
            log.warning(
                "Valkey cannot be used; trying again",
                ["store": name, "endpoint": endpointDescription, "reason": ending.reason]
            )
        }
        guard !ending.wasReady else { return }
        if let generation = greetingGeneration { probeFailed(generation: generation, ending.reason) }
        greetingGeneration = nil
        if breaker.refused(at: .now, random: .random(in: 0 ... .max)) { breakerDidChange(ending.reason) }
        for pipeline in pipelines { pipeline.failQueued() }
        subscriberStorage?.failWaiting()
    }

    private func probeFailed(generation: UInt32, _ reason: String) {
        guard breaker.probeFailed(generation: generation, at: .now, random: .random(in: 0 ... .max)) else { return }
        scheduleProbe()
        breakerChanged?(breaker.state, reason)
    }

    /// Takes note that commands got no answer.
    func commandsFailed(_ count: Int) {
        guard count > 0 else { return }
        let isOpened = breaker.failed(
            count,
            generation: breaker.generation,
            at: .now,
            random: .random(in: 0 ... .max)
        )
        if isOpened { breakerDidChange("too many commands got no answer") }
    }

    /// Has those connect that wait until the server is there and callers pass.
    private func connectOthers() {
        guard pipelines.contains(where: { $0.connection.isReady }) else { return }
        for pipeline in pipelines { pipeline.connection.connect() }
        tracker?.connectIfWanted()
        subscriberStorage?.linkBecameReady()
    }

    private func breakerDidChange(_ reason: String) {
        let state = breaker.state
        log.notice("circuit breaker changed", ["store": name, "state": state.name, "reason": reason])
        switch state {
        case .open:
            scheduleProbe()
            // What has not left is not to leave while callers are turned away.
            for pipeline in pipelines { pipeline.failUnsent() }
        case .closed: connectOthers()
        case .halfOpen: break
        }
        breakerChanged?(state, reason)
    }
}

// MARK: Probes

extension Link: ReplyReceiver {
    private func scheduleProbe() {
        if let probeTimer { EventLoop.reactor.timers.cancel(probeTimer) }
        probeTimer = nil
        guard breaker.probeInstant < .distantFuture else { return }
        probeTimer = EventLoop.reactor.timers.schedule(at: breaker.probeInstant) { self.probe() }
    }

    /// Sends one PING over a connection that is there; where there is none, the next connection's greeting is the probe.
    private func probe() {
        probeTimer = nil
        guard let pipeline = pipelines.first(where: { $0.connection.isReady }) else {
            pipelines.first?.connection.hasten(interval: Link.attemptInterval)
            return
        }
        guard breaker.beginProbe(at: .now) else { return }
        breakerChanged?(breaker.state, "a probe is sent")
        let deadline = Instant.now.advanced(by: Link.probeTimeout)
        send(over: pipeline, deadline: deadline, purpose: .probe) { $0.append(command: "PING") }
    }

    /// Sends a command of the link's own, callers turned away or not.
    func send(
        over pipeline: Pipeline,
        deadline: Instant,
        purpose: Purpose,
        _ encode: (inout ByteBuffer) -> Void
    ) {
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: purpose.rawValue, detail: breaker.generation),
            effect: .write,
            deadline: deadline
        )
        pipeline.send(request, lane: -1, encode)
    }

    /// Takes the answer to a command of the link's own.
    public func received(_ reply: Reply, _ completion: Completion) {
        if completion.operation == Purpose.time.rawValue { return receivedTime(reply, completion) }
        // A late answer to an earlier probe says as well as a timely one that the server is there.
        if reply.kind != .error, breaker.answered() { breakerDidChange("the server answers") }
    }

    /// Takes note that a command of the link's own was not answered.
    public func failed(_ failure: LinkFailure, _ completion: Completion) {
        if completion.operation == Purpose.time.rawValue { isTimeAsked = false }
        guard completion.operation == Purpose.probe.rawValue else { return }
        probeFailed(generation: completion.detail, "the probe was not answered")
    }
}
