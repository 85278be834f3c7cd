import Bytes
import EventLoop
import JSONRPC
import Linux
import Observability

/// Accepts clients and serves their connections.
@EventLoop
final class Server: TurnHandler {
    /// Counts since the start.
    struct Counts {
        var accepted: UInt64 = 0
        var refused: UInt64 = 0
    }

    let calls: CallTable
    let dispatcher: Dispatcher
    let gatekeeper: Gatekeeper
    private(set) var counts = Counts()
    private var listeners: [Listener] = []
    private let connectionsMax: Int
    private let log: Log
    private var connections: [ClientConnection?] = []
    private var freeIndices: [Int] = []
    private(set) var openConnections = 0
    private var resumable: [ClientConnection] = []
    /// Connections whose output is being sent; kept for its memory.
    private var flushed: [Peer] = []

    /// Serves `sockets` from ``start()`` on.
    init(
        _ sockets: [ListeningSocket],
        connectionsMax: Int,
        calls: CallTable,
        dispatcher: Dispatcher,
        gatekeeper: Gatekeeper,
        log: Log
    ) {
        self.connectionsMax = connectionsMax
        self.calls = calls
        self.dispatcher = dispatcher
        self.gatekeeper = gatekeeper
        self.log = log
        listeners = sockets.map { Listener($0, server: self, log: log) }
    }

    /// Begins to accept, after the links have started, so that a turn's commands leave before its replies.
    func start() throws(SystemError) {
        calls.flusher = self
        calls.processWatcher = self
        for listener in listeners { try listener.start() }
        EventLoop.reactor.addTurnHandler(self)
        lookAtFilesLater()
    }

    /// How often it is looked whether clients find the sockets.
    private static let lookPeriod = Duration.seconds(2)

    private func lookAtFilesLater() {
        EventLoop.reactor.timers.schedule(after: Server.lookPeriod) {
            for listener in self.listeners { listener.lookAtFile() }
            self.lookAtFilesLater()
        }
    }

    /// Accepts nobody any more; the connections that are open go on.
    func stopAccepting() {
        for listener in listeners { listener.stop() }
    }

    /// Takes no more from any client: what has come already is served, and what a client sends from now on fails.
    ///
    /// So a client knows of each of its calls that it was answered, or that it was never sent.
    func finishReceiving() {
        for connection in connections { connection?.finishReceiving() }
    }

    /// Who made a connection that is open; nil where the kernel does not tell.
    func identity(of peer: Peer) -> PeerIdentity? { connections[peer.index]?.identity }

    /// The peers of the connections that are open.
    var peers: [Peer] { connections.compactMap { $0?.peer } }

    /// Closes every connection.
    func closeAll() {
        for connection in connections { connection?.close() }
    }

    /// Closes the connections of some peers.
    func close(_ peers: [Peer]) {
        for peer in peers where connections[peer.index]?.peer === peer { connections[peer.index]?.close() }
    }

    /// Bytes of output that no client has taken yet.
    var outputBytes: Int { connections.reduce(0) { $0 + ($1?.outputBytes ?? 0) } }

    /// Whether output is left that no client has taken yet.
    var hasOutput: Bool { connections.contains { $0?.hasOutput == true } }

    /// Begins to serve a connection that came to `listener`.
    func accept(_ descriptor: consuming FileDescriptor, from listener: Listener) {
        guard openConnections < connectionsMax else {
            counts.refused += 1
            Refusal.tooManyConnections.bytes.withByteView { _ = descriptor.write($0) }
            return
        }
        let index = freeIndices.popLast() ?? connections.count
        if index == connections.count { connections.append(nil) }
        do throws(SystemError) {
            connections[index] = try ClientConnection(
                descriptor,
                server: self,
                index: index,
                listener: listener
            )
            counts.accepted += 1
            openConnections += 1
        } catch {
            freeIndices.append(index)
            counts.refused += 1
            log.error("a connection could not be watched", ["reason": error.reason])
        }
    }

    /// Forgets a connection that closed.
    func forget(_ index: Int) {
        guard connections[index] != nil else { return }
        connections[index] = nil
        freeIndices.append(index)
        openConnections -= 1
    }

    /// Has a stalled connection go on in the next turn, before the links send what that turn gathers.
    func resumeLater(_ connection: ClientConnection) {
        resumable.append(connection)
        guard resumable.count == 1 else { return }
        EventLoop.reactor.timers.schedule(at: EventLoop.reactor.now) {
            let connections = self.resumable
            self.resumable.removeAll(keepingCapacity: true)
            for connection in connections { connection.resume() }
        }
    }

    func turnEnded() {
        flushAll()
        calls.turnEnded()
    }

    /// Connections with output after which a turn does not wait for its end: so clients read while others are served.
    ///
    /// Fewer make more wakeups and smaller batches. Of 1, 4, 8, 12, 16, 25 and the whole turn, this one had the lowest
    /// latency at 50 connections with calls on schedule (0.6 of the whole turn's) and lost none of the calls a second.
    private static let connectionsFlushedEarly = 16

    /// Sends what clients are owed, where many are.
    func flushIfMany() {
        if calls.dirtyCount >= Server.connectionsFlushedEarly { flushAll() }
    }

    private func flushAll() {
        calls.takeDirtyPeers(into: &flushed)
        for peer in flushed { flush(peer) }
        flushed.removeAll(keepingCapacity: true)
    }
}

extension Server: PeerFlusher {
    func flush(_ peer: Peer) {
        connections[peer.index]?.flush(peer)
    }

    func expectOutput(of peer: Peer) {
        connections[peer.index]?.lendOutputMemory(to: peer)
    }
}

extension Server: PeerProcessWatcher {
    func watchProcess(of peer: Peer) -> Bool {
        connections[peer.index]?.watchProcess() ?? false
    }
}
