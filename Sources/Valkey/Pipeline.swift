import Bytes
import EventLoop
import Linux
import Resilience

/// A data connection with its queue of commands: sends, hands replies on, watches deadlines and silence.
@EventLoop
@safe
final class Pipeline: ConnectionUser {
    /// Times that a command is sent which the server will not execute now, at most.
    private static let attemptsMax = 4
    /// Delay before the second of them; it doubles from one to the next, with jitter.
    private static let repeatDelay = Duration.milliseconds(25)
    /// Deadlines closer together than this share a look through the queue.
    private static let deadlineGranularityMilliseconds: Int64 = 2

    // The link owns its pipelines and outlives them; counting references to it would cost two atomic operations a use.
    private let owner: Unmanaged<Link>
    private let configuration: LinkConfiguration
    private var queue = CommandQueue()
    private var isDirty = false
    private var earliestDeadline = Instant.distantFuture
    private var deadlineTimer: TimerID?
    private var livenessTimer: TimerID?
    /// When that timer rings.
    private var nextLook = Instant.distantFuture
    private var waitingSince = Instant.now
    private var silence = SilenceWatch()
    /// Lanes whose last command waits to be sent again, with the number of the wait.
    private var deferredLanes: [Int: UInt64] = [:]
    private var deferrals: UInt64 = 0
    private var connectionStorage: Connection?

    init(link: Link, configuration: LinkConfiguration) {
        unsafe owner = .passUnretained(link)
        self.configuration = configuration
        connectionStorage = Connection(user: self, configuration: configuration, credentials: link.credentials)
    }

    private var link: Link { unsafe owner.takeUnretainedValue() }

    /// The connection, which the pipeline makes for itself.
    var connection: Connection {
        guard let connectionStorage else { preconditionFailure("a pipeline has a connection") }
        return connectionStorage
    }

    /// Commands that wait for a reply or to be sent.
    var queuedCommands: Int { queue.count }

    /// Bytes of those commands.
    var queuedBytes: Int { queue.bytes }

    /// Queues a command; its receiver is told of the reply or of a failure, exactly once.
    func send(_ request: CommandRequest, lane: Int, _ encode: (inout ByteBuffer) -> Void) {
        guard queue.count < configuration.commandsMax, queue.bytes < configuration.queuedBytesMax else {
            return link.reject(request, .overloaded, retryAfterMilliseconds: 10)
        }
        if queue.isEmpty { waitingSince = EventLoop.reactor.now }
        // What this command overtakes is not sent behind it.
        if !deferredLanes.isEmpty { deferredLanes[lane] = nil }
        queue.append(request, lane: lane, encode)
        watch(request.deadline)
    }

    /// Has a command just queued sent in time, or given up in time.
    private func watch(_ deadline: Instant) {
        if deadline < earliestDeadline { armDeadline(deadline) }
        let look = EventLoop.reactor.now.advanced(nanoseconds: SilenceWatch.beforePing)
        if nextLook > look { armLiveness(at: look) }
        if connection.isReady {
            markDirty()
        } else if connection.isWaiting {
            connection.hasten(interval: Link.attemptInterval)
        }
    }

    /// Sends what was queued, as far as the kernel takes it.
    func flush() {
        isDirty = false
        guard connection.isReady, !queue.isSent else { return }
        queue.markSent(connection.send(queue.unsent))
        if connection.isBroken { connection.endAfterBrokenSend() }
    }

    /// Ends the pipeline: queued commands fail.
    func close() {
        connection.close()
        if let deadlineTimer { EventLoop.reactor.timers.cancel(deadlineTimer) }
        if let livenessTimer { EventLoop.reactor.timers.cancel(livenessTimer) }
        tell(queue.removeAll(), .closing)
    }

    /// Fails what waits for a connection: the breaker opened.
    func failQueued() {
        guard !connection.isReady else { return }
        tell(queue.removeAll(), .unavailable)
    }

    /// Fails what has not left yet: callers are turned away.
    func failUnsent() {
        tell(queue.removeUnsent(), .unavailable)
    }

    private func markDirty() {
        guard !isDirty else { return }
        isDirty = true
        link.markDirty(self)
    }

    /// Tells receivers that their commands get no reply.
    private func tell(_ failures: [CommandQueue.Failure], _ code: LinkFailure.Code) {
        for failure in failures {
            // What may have been applied is not "unavailable", whatever ended it.
            let isUnknown = failure.outcome == .unknown && code != .deadlineExceeded
            let retryAfter = code == .unavailable && !isUnknown ? link.retryAfterMilliseconds : nil
            let told = LinkFailure(
                isUnknown ? .ambiguous : code,
                failure.outcome,
                retryAfterMilliseconds: retryAfter
            )
            unsafe failure.record.receiver.failed(told, failure.record.completion)
        }
    }
}

// MARK: The connection's news

extension Pipeline {
    var connectionMayConnect: Bool { link.mayConnect(self) }

    var connectionScripts: [String] { link.scriptSources }

    func connectionIsGreeting() { link.isGreeting() }

    func connectionBecameReady(_ server: Greeting.Server) {
        waitingSince = EventLoop.reactor.now
        silence.reset()
        link.becameReady(server)
        if livenessTimer == nil { armLiveness(at: waitingSince.advanced(nanoseconds: SilenceWatch.beforeIdlePing)) }
        if !queue.isEmpty { markDirty() }
    }

    func connectionCanSend() {
        flush()
    }

    func connectionReceived(_ reply: Reply) {
        if reply.kind == .error {
            if reply.isError("NOSCRIPT"), reload() { return }
            if reply.isRefusalBeforeExecution, repeatLater(reply) { return }
        }
        switch queue.receive(reply) {
        case .partial: return
        case .unexpected: connection.end("it sent a reply that nobody asked for")
        case .premature: refusedWhileSending(reply)
        case .result(let record, let refusal):
            unsafe owner._withUnsafeGuaranteedRef { $0.countReply() }
            guard !record.isAbandoned else { return }
            if let refusal {
                // The refusal that ended the transaction says more than that it ended.
                refusal.withByteView { answer(record, .refusal($0)) }
            } else {
                answer(record, reply)
            }
        }
    }

    /// Takes the answer to a command that has not left whole: the server refuses it, and what follows with it.
    private func refusedWhileSending(_ reply: Reply) {
        if reply.kind == .error, let record = queue.abandonFirst() { answer(record, reply) }
        connection.end("it gave the connection up in the middle of a command")
    }

    private func answer(_ record: CommandRecord, _ reply: Reply) {
        if record.effect != .read { unsafe owner._withUnsafeGuaranteedRef { $0.wrote(reply) } }
        if record.wasSent, record.effect != .read, reply.kind == .error {
            // The second copy was refused; what became of the first, nobody knows.
            unsafe record.receiver.failed(LinkFailure(.ambiguous, .unknown), record.completion)
        } else {
            unsafe record.receiver.received(reply, record.completion)
        }
    }

    func connectionEnded(_ ending: Connection.Ending) {
        if ending.isReplyTooLarge, let record = queue.abandonFirst() {
            let failure = LinkFailure(.replyTooLarge, record.outcomeWhenSent)
            unsafe record.receiver.failed(failure, record.completion)
        }
        let failures = ending.wasReady ? queue.interrupt(&link.retryBudget) : []
        link.lost(ending, failedCommands: failures.count(where: \.isTransport))
        tell(failures, .unavailable)
        if !link.isPassable { failUnsent() }
        // Callers wait: the next attempt need not be as late as nobody's would.
        if !queue.isEmpty { connection.hasten(interval: Link.attemptInterval) }
    }

    /// Sends the first command again after a moment: the server would not execute it now, and so did not.
    ///
    /// Only where the order of its lane is kept: a command that another one of the same client follows is not moved
    /// behind it.
    ///
    /// - Parameter refusal: What the command is answered where another one of the same client overtakes it meanwhile.
    /// - Returns: Whether it will be sent again, so that the refusal is not handed on now.
    private func repeatLater(_ refusal: Reply) -> Bool {
        guard let (record, _) = queue.first, record.replies == 1, record.attempts < Pipeline.attemptsMax,
            !record.isAbandoned, !queue.holdsAnother(lane: record.lane)
        else { return false }
        let delay = Pipeline.repeatDelay * Double(1 << record.attempts) * Double.random(in: 0.5...1)
        let instant = Instant.now.advanced(by: delay)
        guard instant < record.deadline, link.retryBudget.spend() else { return false }
        let command = queue.takeFirst()
        link.countReply()
        deferrals += 1
        let (number, lane, text) = (deferrals, command.record.lane, refusal.bytes.copy())
        deferredLanes[lane] = number
        EventLoop.reactor.timers.schedule(at: instant) {
            guard self.deferredLanes[lane] == number else {
                return text.withByteView { self.answer(command.record, .refusal($0)) }
            }
            self.deferredLanes[lane] = nil
            self.link.sendAgain(command, over: self)
        }
        return true
    }

    /// Queues a command anew that was taken off the queue.
    func sendAgain(_ command: CommandQueue.Taken) {
        if queue.isEmpty { waitingSince = EventLoop.reactor.now }
        queue.append(command)
        watch(command.record.deadline)
    }

    /// Sends the first command again behind its script, which the server was told to forget: nothing was executed.
    ///
    /// A command that another one of the same client follows is not moved behind it: the script is loaded for the next.
    private func reload() -> Bool {
        // What was given up is not executed later.
        guard link.isPassable, let (record, command) = queue.first, !record.isReloaded, !record.isAbandoned,
            let script = link.script(calledBy: command)
        else { return false }
        let load = { (log: inout ByteBuffer) in log.append(loadOf: script) }
        if queue.holdsAnother(lane: record.lane) {
            link.send(over: self, deadline: record.deadline, purpose: .script, load)
            return false
        }
        queue.repeatFirst(after: load)
        markDirty()
        return true
    }
}

// MARK: Time

extension Pipeline {
    /// One timer serves all commands: set for the earliest deadline known, it looks through the queue when it rings.
    private func armDeadline(_ deadline: Instant) {
        if let deadlineTimer { EventLoop.reactor.timers.cancel(deadlineTimer) }
        earliestDeadline = deadline
        deadlineTimer = EventLoop.reactor.timers.schedule(at: deadline) { self.expire() }
    }

    private func expire() {
        let now = Instant.now
        let (failures, next) = queue.expire(at: now)
        deadlineTimer = nil
        earliestDeadline = .distantFuture
        if next < .distantFuture {
            armDeadline(max(next, now.advanced(milliseconds: Pipeline.deadlineGranularityMilliseconds)))
        }
        link.commandsFailed(failures.count(where: \.isTransport))
        tell(failures, .deadlineExceeded)
    }

    private func armLiveness(at instant: Instant) {
        if let livenessTimer { EventLoop.reactor.timers.cancel(livenessTimer) }
        nextLook = instant
        livenessTimer = EventLoop.reactor.timers.schedule(at: instant) {
            self.livenessTimer = nil
            self.nextLook = .distantFuture
            self.checkLiveness()
        }
    }

    /// Asks a server that is silent whether it is there, and gives a dead one up.
    private func checkLiveness() {
        guard !queue.isEmpty else { return checkIdleness() }
        let now = EventLoop.reactor.now
        defer { armLiveness(at: now.advanced(nanoseconds: SilenceWatch.beforePing / 4)) }
        guard connection.isReady else { return }
        let since = max(connection.receivedAt, waitingSince)
        // While callers are turned away the probe is the only question, and it has been asked.
        let isOurs = link.isPassable
        switch isOurs ? silence.look(at: now, receivedAt: since) : silence.judge(at: now, receivedAt: since) {
        case .wait: return
        case .ping: link.send(over: self, deadline: .distantFuture, purpose: .liveness) { $0.append(command: "PING") }
        case .dead(let milliseconds): connection.endUnlessHeard(silentFor: milliseconds)
        }
    }

    /// Asks a server to which nobody had to say anything for a while; the answer is watched like any other.
    private func checkIdleness() {
        // Without a connection there is nobody to ask; the next one begins to be watched when it is ready.
        guard connection.isReady else { return }
        let due = connection.receivedAt.advanced(nanoseconds: SilenceWatch.beforeIdlePing)
        let now = EventLoop.reactor.now
        guard now >= due, link.isPassable else {
            return armLiveness(at: max(due, now.advanced(nanoseconds: SilenceWatch.beforePing)))
        }
        link.send(over: self, deadline: .distantFuture, purpose: .liveness) { $0.append(command: "PING") }
    }
}
