import Bytes
import EventLoop
import Linux
import Resilience

/// Whoever uses a connection.
@EventLoop
protocol ConnectionUser: AnyObject {
    /// Whether a new attempt may begin; one that may not begins with ``Connection/connect()``.
    var connectionMayConnect: Bool { get }
    /// The server was greeted: bytes may be sent.
    func connectionBecameReady(_ server: Greeting.Server)
    /// A reply came.
    func connectionReceived(_ reply: Reply)
    /// The kernel takes bytes again.
    func connectionCanSend()
    /// The connection, or the attempt to make one, ended; another attempt follows by itself.
    func connectionEnded(_ ending: Connection.Ending)
}

/// A connection to Valkey that makes itself anew whenever it ends.
///
/// Each attempt looks up the name, connects, and greets the server: who we are, which database, whether it is ready.
/// Between attempts lies a growing delay, which begins again after ten seconds of health.
@EventLoop
final class Connection: DescriptorHandler {
    /// How a connection or an attempt ended.
    struct Ending {
        /// Why, in words for the operator.
        var reason: String
        /// Whether the server had been greeted.
        var wasReady: Bool
        /// Whether a reply was too large to be taken in; it belongs to the command whose turn it was.
        var isReplyTooLarge = false
    }

    private enum State {
        /// No attempt runs; the timer begins the next.
        case waiting
        /// The host's name is being looked up.
        case resolving
        /// The kernel is connecting.
        case connecting
        /// The server is being greeted.
        case greeting
        /// Bytes may be sent.
        case ready
        /// Ended for good.
        case closed
    }

    /// Health after which the delay before an attempt begins again with the shortest.
    private static let healthyNanoseconds: Int64 = 10_000_000_000

    // The user owns its connection and outlives it.
    private unowned(unsafe) let user: any ConnectionUser
    private let configuration: LinkConfiguration
    private var state = State.waiting
    private var socket: ConnectedSocket?
    private var greeting: Greeting?
    private var greetingOutput = ByteBuffer()
    private var addresses: [SocketAddress] = []
    /// Tells the present attempt's late results from those of earlier ones.
    private var attempt = 0
    private var timer: TimerID?
    private var backoff = Backoff()
    private var attemptedAt = Instant(nanoseconds: 0)
    private var readySince = Instant.distantFuture
    /// When the next attempt is due; in the past while one runs.
    private(set) var nextAttempt = Instant.now
    /// When bytes came last.
    private(set) var receivedAt = Instant.now

    init(user: any ConnectionUser, configuration: LinkConfiguration) {
        unsafe self.user = user
        self.configuration = configuration
    }

    /// Whether bytes may be sent.
    var isReady: Bool { state == .ready }

    /// Whether no attempt runs.
    var isWaiting: Bool { state == .waiting }

    /// Begins an attempt now, unless one runs.
    func connect() {
        guard state == .waiting else { return }
        attempt += 1
        attemptedAt = .now
        setTimer(at: attemptedAt.advanced(by: configuration.connectTimeout)) {
            let limit = self.configuration.connectTimeout.wholeMilliseconds
            self.end("it did not answer within \(limit) ms")
        }
        switch configuration.endpoint.address {
        case .unix(let path):
            addresses = []
            begin { () throws(SystemError) in try Socket.connect(unixPath: path) }
        case .tcp(let host, let port):
            state = .resolving
            resolve(host, port, attempt)
        }
    }

    private func connectIfAllowed() {
        if unsafe user.connectionMayConnect { connect() }
    }

    /// Moves the next attempt forward where somebody waits for it.
    ///
    /// - Parameter interval: Shortest time between the last attempt and the next.
    func hasten(interval: Duration) {
        guard state == .waiting else { return }
        let earliest = attemptedAt.advanced(by: interval)
        guard earliest < nextAttempt else { return }
        nextAttempt = earliest
        setTimer(at: earliest) { self.connectIfAllowed() }
    }

    /// Sends as much of `view` as the kernel takes, and has the user told when it takes more.
    ///
    /// - Returns: How many bytes; 0 where the connection ended.
    func send(_ view: ByteView) -> Int {
        guard state == .ready, let socket else { return 0 }
        var sent = 0
        while sent < view.count {
            switch socket.descriptor.write(view.dropFirst(sent)) {
            case .bytes(let count):
                sent += count
            case .wouldBlock:
                socket.wantWritable(true)
                return sent
            case .end, .failed:
                // What the kernel has taken may have been received: the reading side will tell of the end.
                socket.wantWritable(false)
                isBroken = true
                return sent
            }
        }
        socket.wantWritable(false)
        return sent
    }

    /// Whether a write failed: the connection ends as soon as its user has taken note of what was sent.
    private(set) var isBroken = false

    /// Ends the connection, or the attempt; the next attempt follows by itself.
    func end(_ reason: String, isReplyTooLarge: Bool = false) {
        guard state != .closed, state != .waiting else { return }
        let wasReady = state == .ready
        closeSocket()
        state = .waiting
        let now = Instant.now
        if wasReady, now.nanoseconds(since: readySince) >= Connection.healthyNanoseconds { backoff.reset() }
        nextAttempt = now.advanced(by: backoff.next(random: .random(in: 0 ... .max)))
        setTimer(at: nextAttempt) { self.connectIfAllowed() }
        unsafe user.connectionEnded(Ending(reason: reason, wasReady: wasReady, isReplyTooLarge: isReplyTooLarge))
    }

    /// Ends the connection for good.
    func close() {
        closeSocket()
        clearTimer()
        state = .closed
    }

    private func closeSocket() {
        attempt += 1
        socket?.remove()
        socket = nil
        greeting = nil
        greetingOutput.removeAll()
        addresses = []
        isBroken = false
    }

    private func setTimer(at instant: Instant, _ action: @escaping @EventLoop () -> Void) {
        clearTimer()
        timer = EventLoop.reactor.timers.schedule(at: instant) {
            self.timer = nil
            action()
        }
    }

    private func clearTimer() {
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = nil
    }
}

// MARK: Attempts

extension Connection {
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
                self.end("its name cannot be resolved: \(error.reason)")
            }
        }
    }

    private func tryNextAddress() {
        let address = addresses.removeFirst()
        begin { () throws(SystemError) in try Socket.connect(to: address) }
    }

    private func begin(_ make: () throws(SystemError) -> FileDescriptor) {
        state = .connecting
        do throws(SystemError) {
            socket = try ConnectedSocket(make(), configuration, handler: self)
        } catch {
            return failedAddress(error)
        }
        if case .unix = configuration.endpoint.address { finishConnecting() }
    }

    private func failedAddress(_ error: SystemError) {
        guard !addresses.isEmpty else { return end(error.reason) }
        socket?.remove()
        socket = nil
        tryNextAddress()
    }

    private func finishConnecting() {
        guard let socket else { return }
        if let error = Socket.pendingError(socket.descriptor) { return failedAddress(error) }
        if case .tcp = configuration.endpoint.address { Socket.enableKeepalive(socket.descriptor) }
        state = .greeting
        let greeting = Greeting(endpoint: configuration.endpoint, clientName: configuration.clientName)
        greeting.append(to: &greetingOutput)
        self.greeting = greeting
        sendGreeting()
    }

    private func sendGreeting() {
        guard let socket else { return }
        while !greetingOutput.isEmpty {
            switch socket.descriptor.write(greetingOutput.view) {
            case .bytes(let count): greetingOutput.consume(count)
            case .wouldBlock: return socket.wantWritable(true)
            case .end, .failed: return end("the connection broke while greeting")
            }
        }
        socket.wantWritable(false)
    }

    private func receivedGreeting(_ reply: Reply) {
        guard let step = greeting?.received(reply) else { return }
        switch step {
        case .more: return
        case .refused(let reason): end(reason)
        case .ready(let server):
            greeting = nil
            clearTimer()
            state = .ready
            readySince = .now
            unsafe user.connectionBecameReady(server)
        }
    }
}

// MARK: Readiness

extension Connection {
    /// Goes on with connecting, sending or reading.
    func descriptorReady(_ readiness: Readiness) {
        if state == .connecting { return finishConnecting() }
        if readiness.contains(.writable) {
            if state == .greeting { sendGreeting() } else { unsafe user.connectionCanSend() }
        }
        guard !readiness.isDisjoint(with: [.readable, .hungUp, .failed]) else { return }
        read()
    }

    private func read() {
        guard let socket else { return }
        switch socket.receive() {
        case .bytes: feed(socket)
        case .wouldBlock: return
        case .end: end("it closed the connection")
        case .failed(let error): end(error.reason)
        }
    }

    private func feed(_ socket: ConnectedSocket) {
        receivedAt = EventLoop.reactor.now
        do throws(ProtocolFault) {
            try socket.reader.feed(socket.received) { reply in
                // The reader is fed here, on the loop, and hands on replies before it returns.
                EventLoop.assumeIsolatedUnchecked { self.received(reply, from: socket) }
            }
        } catch {
            guard socket === self.socket else { return }
            switch error {
            case .notRESP: end("what it sent is no Valkey protocol")
            case .replyTooLarge:
                end("it sent a value of more than \(configuration.valueBytesMax) bytes", isReplyTooLarge: true)
            }
        }
    }

    private func received(_ reply: Reply, from socket: ConnectedSocket) {
        // A connection that was given up while its bytes were being read has nothing more to say.
        guard socket === self.socket else { return }
        if greeting != nil { return receivedGreeting(reply) }
        unsafe user.connectionReceived(reply)
    }
}
