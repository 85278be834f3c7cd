import Bytes
import Crypto
import EventLoop
import Linux
import Resilience

/// Whoever uses a connection.
@EventLoop
protocol ConnectionUser: AnyObject {
    /// Whether a new attempt may begin; one that may not begins with ``Connection/connect()``.
    var connectionMayConnect: Bool { get }
    /// Sources of the scripts that are called over the connection.
    var connectionScripts: [String] { get }
    /// The server is about to be greeted.
    func connectionIsGreeting()
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
/// Each attempt looks up the name, connects, has the server prove by TLS who it is where that is asked for, and greets
/// it: who we are, which database, whether it is ready.
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

    enum State {
        /// No attempt runs; the timer begins the next.
        case waiting
        /// The host's name is being looked up, and files of certificates are read.
        case resolving
        /// The kernel is connecting.
        case connecting
        /// The server proves by TLS who it is.
        case securing
        /// The server is being greeted.
        case greeting
        /// Bytes may be sent.
        case ready
        /// Ended for good.
        case closed
    }

    /// Most readings at once.
    private static let readsPerTurn = 8
    /// Health after which the delay before an attempt begins again with the shortest.
    private static let healthyNanoseconds: Int64 = 10_000_000_000

    // The user owns its connection and outlives it.
    unowned(unsafe) let user: any ConnectionUser
    let configuration: LinkConfiguration
    let credentials: Credentials
    var state = State.waiting
    var socket: ConnectedSocket?
    var greeting: Greeting?
    var greetingOutput = ByteBuffer()
    var addresses: [SocketAddress] = []
    /// What the present attempt's TLS session is made under.
    var context: TLSContext?
    /// Tells the present attempt's late results from those of earlier ones.
    private(set) var attempt = 0
    var readySince = Instant.distantFuture
    private var timer: TimerID?
    private var backoff = Backoff()
    private var attemptedAt = Instant(nanoseconds: 0)
    /// When the next attempt is due; in the past while one runs.
    private(set) var nextAttempt = Instant.now
    /// When bytes came last.
    var receivedAt = Instant.now

    init(user: any ConnectionUser, configuration: LinkConfiguration, credentials: Credentials) {
        unsafe self.user = user
        self.configuration = configuration
        self.credentials = credentials
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
        limitAttempt()
        switch configuration.endpoint.address {
        case .unix(let path):
            addresses = []
            begin { () throws(SystemError) in try Socket.connect(unixPath: path) }
        case .tcp(let host, let port):
            state = .resolving
            resolve(host, port, attempt)
        }
    }

    /// Gives the attempt up where the server does not go on with it in time, counted from now.
    func limitAttempt() {
        setTimer(at: Instant.now.advanced(by: configuration.connectTimeout)) { self.end(self.timeoutReason) }
    }

    private var timeoutReason: String {
        let limit = "within \(configuration.connectTimeout.wholeMilliseconds) ms"
        guard state == .securing, let socket else { return "it did not answer \(limit)" }
        // A server without TLS may wait for the end of what it takes for a command.
        return socket.isSilent
            ? "it answered nothing to the TLS handshake \(limit): check that it speaks TLS there, or use valkey://"
            : "it did not end the TLS handshake \(limit)"
    }

    private func connectIfAllowed() {
        if unsafe user.connectionMayConnect { return connect() }
        nextAttempt = Instant.now.advanced(by: Link.attemptInterval)
        setTimer(at: nextAttempt) { self.connectIfAllowed() }
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
            switch socket.write(view.dropFirst(sent)) {
            case .taken(let count):
                sent += count
            case .wouldBlock:
                socket.wantWritable(true)
                return sent
            case .broken:
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

    /// Ends a connection that takes no more, after its server's last words, which may lie in the socket.
    func endAfterBrokenSend() {
        let socket = socket
        read()
        if socket === self.socket { end("the connection broke while sending") }
    }

    /// Ends the connection for good.
    func close() {
        closeSocket()
        clearTimer()
        state = .closed
    }

    private func closeSocket() {
        attempt += 1
        if let socket {
            if let context { credentials.keep(socket.ticket, of: context) }
            socket.remove()
        }
        socket = nil
        context = nil
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

    func clearTimer() {
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = nil
    }
}

// MARK: Readiness

extension Connection {
    /// Goes on with connecting, sending or reading.
    func descriptorReady(_ readiness: Readiness) {
        if state == .connecting { return finishConnecting() }
        if state == .securing { return shakeHands() }
        if readiness.contains(.writable) { sendMore() }
        guard !readiness.isDisjoint(with: [.readable, .hungUp, .failed]) || socket?.readsWhenWritable == true else {
            return
        }
        read()
    }

    private func sendMore() {
        guard let socket else { return }
        switch socket.flush() {
        case .wouldBlock: return
        case .broken: return end("the connection broke while sending")
        case .taken: break
        }
        if state == .greeting { return sendGreeting() }
        // Whoever has more to send says so again; what waited may have been given up.
        socket.wantWritable(false)
        unsafe user.connectionCanSend()
    }

    /// Ends a connection over which nothing has come for so long, unless something has and was not yet looked at: the
    /// loop itself may have been held up.
    func endUnlessHeard(silentFor milliseconds: Int64) {
        let before = receivedAt
        read()
        if isReady, receivedAt == before { end("it has been silent for \(milliseconds) ms") }
    }

    /// Reads what is there, and goes on in another turn where there is much.
    func read() {
        guard let socket else { return }
        for _ in 0..<Connection.readsPerTurn {
            switch socket.receive() {
            case .bytes: feed(socket)
            case .wouldBlock: break
            case .end: end(wantsTLSPerhaps ? Connection.unsecuredReason : "it closed the connection")
            case .failed(let reason): end(wantsTLSPerhaps ? Connection.unsecuredReason : reason)
            }
            guard socket.hasMore, socket === self.socket else { return }
        }
        // The kernel will not tell of what a TLS session holds, but others have their turn first.
        EventLoop.reactor.timers.schedule(at: .now) {
            if socket === self.socket { self.read() }
        }
    }

    /// Whether a server that ends the connection now may have been waiting for TLS.
    private var wantsTLSPerhaps: Bool {
        if case .unix = configuration.endpoint.address { return false }
        return greeting != nil && !isSecure
    }

    /// Why such a server ended it.
    private static let unsecuredReason =
        "it closed the connection instead of answering: if it wants TLS, the URL is valkeys://"

    private func feed(_ socket: ConnectedSocket) {
        receivedAt = EventLoop.reactor.now
        let fed = attempt
        let result = EventLoop.lend({ self.received($0, by: fed) }, to: { socket.reader.feed(socket.received, $0) })
        if case .failure(let fault) = result {
            guard fed == attempt else { return }
            switch fault {
            case .notRESP: end("what it sent is no Valkey protocol")
            case .replyTooLarge:
                end("it sent a value of more than \(configuration.valueBytesMax) bytes", isReplyTooLarge: true)
            }
        }
    }

    private func received(_ reply: Reply, by attempt: Int) {
        // A connection that was given up while its bytes were being read has nothing more to say.
        guard attempt == self.attempt else { return }
        if greeting != nil { return receivedGreeting(reply) }
        unsafe user.connectionReceived(reply)
    }
}
