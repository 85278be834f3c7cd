import Bytes
import EventLoop
import JSONRPC
import Linux
import Observability

/// Accepts clients and serves their connections.
@EventLoop
final class Server: DescriptorHandler, TurnHandler {
    /// Counts since the start.
    struct Counts {
        var accepted: UInt64 = 0
        var refused: UInt64 = 0
    }

    let calls: CallTable
    let dispatcher: Dispatcher
    private(set) var counts = Counts()
    private let listener: FileDescriptor
    private let connectionsMax: Int
    private let log: Log
    private var registration: Registration?
    private var connections: [ClientConnection?] = []
    private var freeIndices: [Int] = []
    private(set) var openConnections = 0
    private var resumable: [ClientConnection] = []

    /// Serves `listener` from ``start()`` on.
    init(
        listener: consuming FileDescriptor,
        connectionsMax: Int,
        calls: CallTable,
        dispatcher: Dispatcher,
        log: Log
    ) {
        self.listener = listener
        self.connectionsMax = connectionsMax
        self.calls = calls
        self.dispatcher = dispatcher
        self.log = log
    }

    /// Begins to accept, after the links have started, so that a turn's commands leave before its replies.
    func start() throws(SystemError) {
        calls.flusher = self
        calls.processWatcher = self
        registration = try EventLoop.reactor.add(listener, .readable, handler: self)
        EventLoop.reactor.addTurnHandler(self)
    }

    /// Accepts nobody any more; the connections that are open go on.
    func stopAccepting() {
        guard let registration else { return }
        EventLoop.reactor.remove(registration)
        self.registration = nil
    }

    /// Closes every connection.
    func closeAll() {
        for connection in connections { connection?.close() }
    }

    /// Whether output is left that no client has taken yet.
    var hasOutput: Bool { connections.contains { $0?.hasOutput == true } }

    func descriptorReady(_ readiness: Readiness) {
        // A bounded number in one turn, so that a storm of connections does not hold up those that are there.
        for _ in 0..<64 {
            let number = Socket.accept(listener)
            guard number >= 0 else { return acceptFailed(-number) }
            accept(FileDescriptor(owning: number))
        }
    }

    private func accept(_ descriptor: consuming FileDescriptor) {
        guard openConnections < connectionsMax else {
            counts.refused += 1
            Refusal.tooManyConnections.bytes.withByteView { _ = descriptor.write($0) }
            return
        }
        let index = freeIndices.popLast() ?? connections.count
        if index == connections.count { connections.append(nil) }
        do throws(SystemError) {
            connections[index] = try ClientConnection(descriptor, server: self, index: index)
            counts.accepted += 1
            openConnections += 1
        } catch {
            freeIndices.append(index)
            counts.refused += 1
            log.error("a connection could not be watched", ["reason": error.reason])
        }
    }

    private func acceptFailed(_ code: Int32) {
        let error = SystemError(code: code, operation: "accept")
        if error.isTransientForAccept { return }
        log.error("connections cannot be accepted for a moment", ["reason": error.reason])
        // Without a free descriptor the listener would be ready again at once, and the loop would spin.
        guard let registration else { return }
        EventLoop.reactor.modify(registration, [])
        EventLoop.reactor.timers.schedule(after: .milliseconds(100)) {
            if let registration = self.registration { EventLoop.reactor.modify(registration, .readable) }
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
        for peer in calls.takeDirtyPeers() { flush(peer) }
    }
}

extension Server: PeerFlusher {
    func flush(_ peer: Peer) {
        connections[peer.index]?.flush(peer)
    }
}

extension Server: PeerProcessWatcher {
    func watchProcess(of peer: Peer) -> Bool {
        connections[peer.index]?.watchProcess() ?? false
    }
}
