import Bytes
public import EventLoop
import Linux
import Observability

/// Has Valkey tell of every change to keys that begin with certain prefixes, over a connection of its own.
///
/// Client-side caching in broadcasting mode over RESP2 (Valkey documentation, "Client-side caching"): the connection
/// redirects invalidations to itself and subscribes to the channel that they come over. So there is one connection whose
/// loss means that changes go untold, and it is the one that is watched: a server that says nothing for a second is
/// asked, and taken for dead after another.
///
/// A message of the server has an array of names, or nothing at all where everything changed. What any client publishes
/// to a channel of that name has a string in that place and changes nothing.
@EventLoop
public final class Tracker: ConnectionUser {
    private enum State {
        /// There is no connection, or it is new.
        case down
        /// The connection's number was asked for.
        case naming
        /// Tracking and the subscription were asked for.
        case arming
        /// Every change is told.
        case armed
    }

    private static let channel: StaticString = "__redis__:invalidate"
    /// Silence in nanoseconds after which the connection is given up: copies may be as old as that.
    private static let silenceMax: Int64 = 2_000_000_000

    // Both live as long as the agent.
    private unowned(unsafe) let observer: any TrackingObserver
    private let link: Link
    private var prefixes: [[UInt8]]
    private var connectionStorage: Connection?
    private var state = State.down
    private var output = ByteBuffer()
    private var timer: TimerID?
    private var silence = SilenceWatch(max: Tracker.silenceMax)
    private var isClosed = false
    private var lastFault: String?
    /// Times that tracking ended, since the start.
    public private(set) var losses: UInt64 = 0

    /// Makes a tracker that follows `link`: it connects where the link does, and ends with it.
    ///
    /// - Parameters:
    ///   - link: The link to the store.
    ///   - prefixes: What the names of tracked keys begin with, none of them the beginning of another; empty for a
    ///     tracker that rests.
    ///   - observer: Told of changes; it must live as long as the tracker.
    public init(link: Link, prefixes: [[UInt8]], observer: any TrackingObserver) {
        self.link = link
        self.prefixes = prefixes
        unsafe self.observer = observer
        connectionStorage = Connection(user: self, configuration: link.configuration, credentials: link.credentials)
        link.tracker = self
    }

    /// Whether every change is told now.
    public var isArmed: Bool { state == .armed }

    /// Tracks other prefixes from now on; what was kept until now is lost.
    public func setPrefixes(_ next: [[UInt8]]) {
        guard next != prefixes else { return }
        prefixes = next
        connection.end("other namespaces are tracked")
        connectIfWanted()
    }

    private var connection: Connection {
        guard let connectionStorage else { preconditionFailure("a tracker has a connection") }
        return connectionStorage
    }

    /// Begins to connect, where there is something to track.
    func connectIfWanted() {
        if connectionMayConnect { connection.connect() }
    }

    /// Ends for good.
    func close() {
        isClosed = true
        stopTimer()
        connection.close()
        disarm()
    }

    private func disarm() {
        let wasArmed = state == .armed
        state = .down
        silence.reset()
        output.removeAll()
        stopTimer()
        guard wasArmed else { return }
        losses += 1
        unsafe observer.trackingEnded()
    }

    private func flush() {
        output.consume(connection.send(output.view))
        if connection.isBroken { connection.end("the connection broke while sending") }
    }
}

// MARK: The connection's news

extension Tracker {
    var connectionMayConnect: Bool { !isClosed && !prefixes.isEmpty && link.isConnected && link.isPassable }

    var connectionScripts: [String] { [] }

    func connectionIsGreeting() {}

    func connectionBecameReady(_ server: Greeting.Server) {
        state = .naming
        startTimer(at: EventLoop.reactor.now.advanced(nanoseconds: SilenceWatch.beforePing))
        output.append(command: "CLIENT", "ID")
        flush()
    }

    func connectionCanSend() {
        flush()
    }

    func connectionReceived(_ reply: Reply) {
        if reply.kind == .error { return connection.end("it refuses to tell of changes: \(reply.bytes.text())") }
        switch state {
        case .down: return
        case .naming: arm(reply.integer)
        case .arming: confirm(reply)
        case .armed: take(reply)
        }
    }

    func connectionEnded(_ ending: Connection.Ending) {
        disarm()
        guard lastFault != ending.reason, link.isConnected else { return }
        lastFault = ending.reason
        link.log.warning(
            "changes in Valkey are not told; nothing is kept in memory until they are",
            ["store": link.name, "reason": ending.reason]
        )
    }

    private func arm(_ number: Int64) {
        state = .arming
        output.append(commandOf: 6 + 2 * prefixes.count)
        output.append(word: "CLIENT")
        output.append(word: "TRACKING")
        output.append(word: "ON")
        output.append(word: "REDIRECT")
        output.append(word: number)
        output.append(word: "BCAST")
        for prefix in prefixes {
            output.append(word: "PREFIX")
            prefix.withByteView { output.append(word: $0) }
        }
        output.append(commandOf: 2)
        output.append(word: "SUBSCRIBE")
        output.append(word: Tracker.channel)
        flush()
    }

    /// Takes the replies to what ``arm(_:)`` sent: a status, then the subscription's confirmation.
    private func confirm(_ reply: Reply) {
        guard reply.kind == .array else { return }
        state = .armed
        if lastFault != nil { link.log.notice("changes in Valkey are told again", ["store": link.name]) }
        lastFault = nil
        unsafe observer.trackingBegan()
    }

    private func take(_ reply: Reply) {
        // More keys than a reply may hold.
        if reply.kind == .tooLarge { return unsafe observer.everythingChanged() }
        var elements = reply.elements()
        guard let kind = elements.next(), kind.bytes.equals("message"), let channel = elements.next(),
            channel.bytes.equals(Tracker.channel), let payload = elements.next()
        else { return }
        switch payload.kind {
        case .array:
            var keys = payload.elements()
            while let key = keys.next() { unsafe observer.keyChanged(key.bytes) }
        case .null: unsafe observer.everythingChanged()
        default: return
        }
    }
}

// MARK: Time

extension Tracker {
    private func startTimer(at instant: Instant) {
        stopTimer()
        timer = EventLoop.reactor.timers.schedule(at: instant) { self.checkLiveness() }
    }

    private func stopTimer() {
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        timer = nil
    }

    /// Asks a server that is silent whether it is there, and gives one up that does not say so, each when it is time to.
    private func checkLiveness() {
        timer = nil
        let (now, receivedAt) = (EventLoop.reactor.now, connection.receivedAt)
        // While the breaker is open one probe is on the wire, the link's.
        let isOurs = link.isPassable
        switch isOurs ? silence.look(at: now, receivedAt: receivedAt) : silence.judge(at: now, receivedAt: receivedAt) {
        case .wait(let instant):
            // The breaker may open or close meanwhile.
            startTimer(at: min(instant, now.advanced(nanoseconds: SilenceWatch.beforePing)))
        case .ping(let instant):
            startTimer(at: instant)
            output.append(command: "PING")
            flush()
        case .dead(let milliseconds):
            startTimer(at: now.advanced(nanoseconds: SilenceWatch.beforePing / 4))
            connection.endUnlessHeard(silentFor: milliseconds)
        }
    }
}
