import Bytes
import EventLoop
import Linux
import Resilience

/// One data connection to Valkey: all callers' commands in one order, all replies in the same.
///
/// Commands are encoded into a log and stay there until their replies have come, so that what a broken connection left
/// unanswered can be told apart, and sent again where that is harmless, without a copy of each command. A record for
/// each stands in a queue; the replies take them off its front. A caller that gives up leaves its record in place, so a
/// reply can never reach another caller.
@EventLoop
final class Pipeline: DescriptorHandler {
    private enum State {
        /// Waiting for the moment of the next attempt.
        case waiting
        /// Looking up the host's name.
        case resolving
        /// The kernel is connecting.
        case connecting
        /// Connected; the server is being greeted.
        case greeting
        /// Commands flow.
        case ready
        /// Ended for good.
        case closed
    }

    // The link owns its pipelines and outlives them; counting references to it would cost two atomic operations a use.
    private unowned(unsafe) let owner: Link
    private let configuration: LinkConfiguration
    private var state = State.waiting
    private var socket: Connection?
    private var addresses: [SocketAddress] = []
    private var attempt = 0
    private var backoff: Backoff
    private var attemptTimer: TimerID?
    private var nextAttempt = Instant.now
    private var lastAttempt = Instant(nanoseconds: 0)
    private var readySince = Instant.now

    private var log = ByteBuffer()
    private var sent = 0
    private var records = RecordQueue()
    private var greeting: Greeting?
    private var transactionError: [UInt8]?
    private var earliestDeadline = Instant.distantFuture
    private var deadlineTimer: TimerID?
    private var isDirty = false

    init(link: Link, configuration: LinkConfiguration, backoff: Backoff) {
        unsafe owner = link
        self.configuration = configuration
        self.backoff = backoff
    }

    private var link: Link { unsafe owner }

    /// Whether commands flow.
    var isReady: Bool { state == .ready }

    /// When the next connection attempt is due, while none runs.
    var nextAttemptInstant: Instant? { state == .waiting ? nextAttempt : nil }

    /// Commands that wait for a reply or to be sent.
    var queuedCommands: Int { records.count }

    /// Bytes of those commands.
    var queuedBytes: Int { log.count }
}

// MARK: Commands

extension Pipeline {
    /// Queues a command; its receiver is told of the reply or of a failure, exactly once.
    func send(_ request: CommandRequest, _ encode: (inout ByteBuffer) -> Void) {
        if let failure = admissionFailure(request) {
            return unsafe request.receiver.failed(failure, request.completion)
        }
        let start = log.count
        encode(&log)
        records.append(
            unsafe CommandRecord(
                receiver: request.receiver,
                completion: request.completion,
                deadline: request.deadline,
                length: log.count - start,
                replies: request.replies,
                repliesLeft: request.replies,
                effect: request.effect
            )
        )
        if request.deadline < earliestDeadline { armDeadline(request.deadline) }
        if state == .ready { markDirty() }
    }

    /// Sends what was queued, as far as the kernel takes it.
    func flush() {
        isDirty = false
        guard state == .ready else { return }
        write()
    }

    private func admissionFailure(_ request: CommandRequest) -> LinkFailure? {
        let unsent: LinkFailure.Outcome = request.effect == .read ? .none : .notApplied
        if state == .closed { return LinkFailure(.closing, unsent) }
        if state != .ready, link.isDown {
            connectOnDemand()
            return LinkFailure(.unavailable, unsent, retryAfterMilliseconds: link.retryAfterMilliseconds)
        }
        guard records.count < configuration.commandsMax, log.count < configuration.queuedBytesMax else {
            return LinkFailure(.overloaded, unsent, retryAfterMilliseconds: 10)
        }
        return nil
    }

    /// Tries again before the backoff ends where somebody asks: one attempt in 200 ms at most, by this pipeline alone.
    private func connectOnDemand() {
        guard state == .waiting, EventLoop.reactor.now.milliseconds(since: lastAttempt) >= 200 else { return }
        connect()
    }

    private func markDirty() {
        guard !isDirty else { return }
        isDirty = true
        link.markDirty(self)
    }

    private func write() {
        guard let socket else { return }
        while sent < log.count {
            switch socket.descriptor.write(log.view.dropFirst(sent)) {
            case .bytes(let count): sent += count
            case .wouldBlock: return socket.wantWritable(true)
            case .end, .failed: return disconnected("the connection broke while sending")
            }
        }
        socket.wantWritable(false)
    }
}

// MARK: Replies

extension Pipeline {
    func descriptorReady(_ readiness: Readiness) {
        if state == .connecting { return finishConnecting() }
        if readiness.contains(.writable) { state == .greeting ? continueGreeting() : write() }
        guard !readiness.isDisjoint(with: [.readable, .hungUp, .failed]) else { return }
        read()
    }

    private func read() {
        guard let socket else { return }
        switch link.receive(from: socket) {
        case .bytes:
            do throws(ProtocolFault) {
                try socket.reader.feed(link.received) { reply in
                    // The reader is fed here, on the loop, and hands on replies before it returns.
                    EventLoop.assumeIsolatedUnchecked { self.received(reply, from: socket) }
                }
            } catch {
                // A reply too large belongs to the command whose turn it is.
                if error == .replyTooLarge { failFirst(.replyTooLarge) }
                if socket === self.socket { disconnected("what it sent is no Valkey protocol") }
            }
        case .wouldBlock: return
        case .end: disconnected("it closed the connection")
        case .failed(let error): disconnected(error.reason)
        }
    }

    private func received(_ reply: Reply, from socket: Connection) {
        // A connection that was given up while its bytes were being read has nothing more to say.
        guard socket === self.socket else { return }
        if greeting != nil { return receivedGreeting(reply) }
        guard !records.isEmpty else { return disconnected("it sent a reply that nobody asked for") }
        if records[0].repliesLeft > 1 {
            records[0].repliesLeft -= 1
            if reply.kind == .error, records[0].replies > 1 { transactionError = reply.bytes.copy() }
            return
        }
        if reply.isError("NOSCRIPT"), !records[0].isReloaded, reload() { return }
        let record = records.removeFirst()
        log.consume(record.length)
        sent -= record.length
        let queued = transactionError
        transactionError = nil
        link.countReply()
        guard !record.isAbandoned else { return }
        if let queued, reply.isError("EXECABORT") {
            // The refusal that ended the transaction says more than that it ended.
            queued.withByteView { reason in
                let refusal = Reply(kind: .error, bytes: reason, integer: 0, tree: nil, index: 0)
                unsafe record.receiver.received(refusal, record.completion)
            }
        } else {
            unsafe record.receiver.received(reply, record.completion)
        }
    }

    /// Sends the first command again, its script loaded before it; nothing of it was executed.
    private func reload() -> Bool {
        guard let script = link.script(calledBy: log.view.prefix(records[0].length)) else { return false }
        let record = records.removeFirst()
        let command = log.view.prefix(record.length).copy()
        log.consume(record.length)
        sent -= record.length
        let start = log.count
        log.append(command: "SCRIPT", "LOAD", script.source)
        log.append(command)
        records.append(record.again(length: log.count - start, replies: 2))
        markDirty()
        return true
    }

    private func failFirst(_ code: LinkFailure.Code) {
        guard greeting == nil, !records.isEmpty else { return }
        let record = records[0]
        guard !record.isAbandoned else { return }
        records[0].isAbandoned = true
        unsafe record.receiver.failed(LinkFailure(code, record.outcomeWhenSent), record.completion)
    }
}

// MARK: Deadlines

extension Pipeline {
    /// One timer serves all commands: set for the earliest deadline known, it looks through the queue when it rings.
    private func armDeadline(_ deadline: Instant) {
        if let deadlineTimer { EventLoop.reactor.timers.cancel(deadlineTimer) }
        earliestDeadline = deadline
        deadlineTimer = EventLoop.reactor.timers.schedule(at: deadline) { self.expire() }
    }

    private func expire() {
        let now = Instant.now
        var expired: [(record: CommandRecord, isUnsent: Bool)] = []
        var earliest = Instant.distantFuture
        var offset = 0
        for position in 0..<records.count {
            let record = records[position]
            if !record.isAbandoned {
                if record.deadline <= now {
                    records[position].isAbandoned = true
                    expired.append((record, offset >= sent))
                } else {
                    earliest = min(earliest, record.deadline)
                }
            }
            offset += record.length
        }
        earliestDeadline = .distantFuture
        deadlineTimer = nil
        if earliest < .distantFuture {
            // Deadlines that lie close together share a ring, so that many of them do not cost a search each.
            armDeadline(max(earliest, now.advanced(milliseconds: 2)))
        }
        if expired.contains(where: { $0.isUnsent }) { dropUnsentAbandoned() }
        for (record, isUnsent) in expired {
            let outcome = isUnsent ? record.outcomeWhenUnsent : record.outcomeWhenSent
            unsafe record.receiver.failed(LinkFailure(.deadlineExceeded, outcome), record.completion)
        }
    }

    /// Takes commands out of the log that were given up before any of their bytes left: they must not run later.
    private func dropUnsentAbandoned() {
        keepRecords { record, start in !(record.isAbandoned && start >= sent) }
    }

    /// Keeps the records that `isKept` accepts, with their bytes.
    private func keepRecords(_ isKept: (CommandRecord, Int) -> Bool) {
        var kept = RecordQueue()
        var keptLog = ByteBuffer()
        var offset = 0
        for position in 0..<records.count {
            let record = records[position]
            if isKept(record, offset) {
                kept.append(record)
                keptLog.append(log.view[offset..<(offset + record.length)])
            }
            offset += record.length
        }
        records = kept
        swap(&log, &keptLog)
    }
}

// MARK: Connecting

extension Pipeline {
    /// Begins to connect now.
    func connect() {
        guard state == .waiting else { return }
        if let attemptTimer { EventLoop.reactor.timers.cancel(attemptTimer) }
        attempt += 1
        lastAttempt = .now
        attemptTimer = EventLoop.reactor.timers.schedule(after: configuration.connectTimeout) { [attempt] in
            guard attempt == self.attempt, self.state != .ready else { return }
            self.disconnected("it did not answer within \(self.configuration.connectTimeout.wholeMilliseconds) ms")
        }
        switch configuration.endpoint.address {
        case .unix(let path):
            open { () throws(SystemError) in try Socket.connect(unixPath: path) }
        case .tcp(let host, let port):
            state = .resolving
            resolve(host, port, attempt)
        }
    }

    private func resolve(_ host: String, _ port: UInt16, _ attempt: Int) {
        Task { @EventLoop in
            let result = await BlockingWork.run { () -> Result<[SocketAddress], ResolutionError> in
                do throws(ResolutionError) {
                    return .success(try SocketAddress.resolve(host: host, port: port))
                } catch {
                    return .failure(error)
                }
            }
            guard attempt == self.attempt, self.state == .resolving else { return }
            switch result {
            case .success(let addresses):
                self.addresses = addresses
                self.tryNextAddress()
            case .failure(let error):
                self.disconnected("its name cannot be resolved: \(error.reason)")
            }
        }
    }

    private func tryNextAddress() {
        let address = addresses.removeFirst()
        open { () throws(SystemError) in try Socket.connect(to: address) }
    }

    private func open(_ make: () throws(SystemError) -> FileDescriptor) {
        do throws(SystemError) {
            state = .connecting
            socket = try Connection(make(), configuration, handler: self)
            if case .unix = configuration.endpoint.address { finishConnecting() }
        } catch {
            failedAddress(error)
        }
    }

    private func failedAddress(_ error: SystemError) {
        closeSocket()
        if addresses.isEmpty { return disconnected(error.reason) }
        tryNextAddress()
    }

    private func finishConnecting() {
        guard let socket else { return }
        if let error = Socket.pendingError(socket.descriptor) { return failedAddress(error) }
        if case .tcp = configuration.endpoint.address { Socket.enableKeepalive(socket.descriptor) }
        state = .greeting
        let greeting = Greeting(endpoint: configuration.endpoint, clientName: configuration.clientName)
        greeting.append(to: &socket.greetingOutput)
        self.greeting = greeting
        continueGreeting()
    }

    private func continueGreeting() {
        guard let socket else { return }
        while !socket.greetingOutput.isEmpty {
            switch socket.descriptor.write(socket.greetingOutput.view) {
            case .bytes(let count): socket.greetingOutput.consume(count)
            case .wouldBlock: return socket.wantWritable(true)
            case .end, .failed: return disconnected("the connection broke while greeting")
            }
        }
        socket.wantWritable(false)
    }

    private func receivedGreeting(_ reply: Reply) {
        guard let step = greeting?.received(reply) else { return }
        switch step {
        case .more: return
        case .refused(let reason): disconnected(reason)
        case .ready(let server):
            greeting = nil
            state = .ready
            readySince = .now
            if let attemptTimer { EventLoop.reactor.timers.cancel(attemptTimer) }
            attemptTimer = nil
            link.becameReady(server)
            if !log.isEmpty { markDirty() }
        }
    }

    /// Gives the connection up: tells the callers whose commands cannot be sent again, keeps the others.
    private func disconnected(_ reason: String) {
        let wasReady = state == .ready
        closeSocket()
        addresses = []
        attempt += 1
        if let attemptTimer { EventLoop.reactor.timers.cancel(attemptTimer) }
        state = .waiting
        if wasReady, Instant.now.milliseconds(since: readySince) > 10_000 { backoff.reset() }
        nextAttempt = Instant.now.advanced(by: backoff.next(random: .random(in: 0 ... .max)))
        attemptTimer = EventLoop.reactor.timers.schedule(at: nextAttempt) { self.connect() }
        link.lost(reason, wasReady: wasReady)
        settle(wasReady: wasReady)
    }

    /// Ends the pipeline: queued commands fail, and none is accepted any more.
    func close() {
        closeSocket()
        attempt += 1
        if let attemptTimer { EventLoop.reactor.timers.cancel(attemptTimer) }
        if let deadlineTimer { EventLoop.reactor.timers.cancel(deadlineTimer) }
        state = .closed
        settle(wasReady: true)
        failAll(.closing)
    }

    private func closeSocket() {
        socket?.remove()
        socket = nil
        greeting = nil
        transactionError = nil
    }

    /// Decides the fate of each queued command after the connection broke.
    private func settle(wasReady: Bool) {
        guard wasReady else { return failAll(.unavailable) }
        var failed: [CommandRecord] = []
        var offset = 0
        for position in 0..<records.count {
            let record = records[position]
            let isComplete = offset + record.length <= sent
            offset += record.length
            guard isComplete else { continue }
            records[position].wasSent = true
            records[position].repliesLeft = record.replies
            guard record.effect == .write || record.isAbandoned else { continue }
            if !record.isAbandoned { failed.append(record) }
            records[position].isAbandoned = true
        }
        sent = 0
        keepRecords { record, _ in !record.isAbandoned }
        for record in failed {
            unsafe record.receiver.failed(LinkFailure(.ambiguous, .unknown), record.completion)
        }
    }

    private func failAll(_ code: LinkFailure.Code) {
        var failed: [CommandRecord] = []
        for position in 0..<records.count where !records[position].isAbandoned { failed.append(records[position]) }
        records.removeAll()
        log.removeAll(keepingCapacityUpTo: 0)
        sent = 0
        for record in failed {
            let outcome = record.outcomeWhenUnsent
            let failure = LinkFailure(
                outcome == .unknown ? .ambiguous : code,
                outcome,
                retryAfterMilliseconds: link.retryAfterMilliseconds
            )
            unsafe record.receiver.failed(failure, record.completion)
        }
    }
}
