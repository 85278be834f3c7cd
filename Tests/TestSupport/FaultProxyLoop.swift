import Glibc
import Linux

/// The thread of a proxy: owns its sockets, and does as the proxy's control says.
final class FaultProxyLoop {
    private let control: FaultProxyControl
    private let front: StreamAddress
    private let back: StreamAddress
    private let isTapped: Bool
    private var random: SeededGenerator
    private var listener: Listener?
    private var isListening = true
    private var connections: [FaultProxyConnection] = []
    private var faults = FaultProxy.Faults.none
    private var armed: FaultProxyControl.ArmedReset?
    private var counters = FaultProxy.Counters()

    init(
        control: FaultProxyControl,
        listener: consuming FileDescriptor,
        front: StreamAddress,
        back: StreamAddress,
        seed: UInt64,
        isTapped: Bool
    ) {
        self.control = control
        self.listener = Listener(listener)
        self.front = front
        self.back = back
        self.isTapped = isTapped
        random = SeededGenerator(seed: seed)
    }

    /// A listening socket, held where a value that cannot be copied could not be looked at.
    private final class Listener {
        let socket: FileDescriptor

        init(_ socket: consuming FileDescriptor) {
            self.socket = socket
        }
    }

    /// Serves until the control says that it is over.
    func run() {
        while true {
            control.wake.reset()
            let orders = control.takeOrders()
            guard !orders.isOver else { return }
            obey(orders)
            control.publish(counters, upTo: orders.number)
            wait()
            guard !faults.isStalled else { continue }
            accept()
            transfer()
            counters.open = connections.count
        }
    }

    private func obey(_ orders: FaultProxyControl.Orders) {
        if faults.isBlackHole, !orders.faults.isBlackHole { resetAll { $0.hasLostBytes } }
        faults = orders.faults
        if let reset = orders.armedReset { armed = reset }
        if orders.resetsAll { resetAll { _ in true } }
        for direction in orders.finishedDirections {
            for connection in connections { finishSending(connection, direction) }
        }
        if faults.refusesConnections { refuse() } else if !isListening { listen() }
        counters.open = connections.count
    }

    /// Takes no connections any more.
    private func refuse() {
        guard isListening else { return }
        isListening = false
        // Closing alone would not do: a process that is just being started has the socket too until it runs its program.
        // One of TCP keeps its port, which nobody else is to take meanwhile.
        shutdown(listener?.socket.number ?? -1, Int32(SHUT_RDWR))
        if case .unix = front { listener = nil }
    }

    /// Takes connections again.
    private func listen() {
        switch front {
        case .unix:
            guard let (number, _) = try? front.listen() else { return }
            listener = Listener(FileDescriptor(owning: number))
            isListening = true
        case .loopback:
            isListening = Glibc.listen(listener?.socket.number ?? -1, 4096) == 0
        }
    }

    private func finishSending(_ connection: FaultProxyConnection, _ direction: FaultProxy.Direction) {
        switch direction {
        case .requests:
            connection.requests.isEnded = true
        case .replies:
            connection.replies.isEnded = true
        }
        // The end is told with the last bytes, or now where there are none.
        write(connection, direction)
    }

    private func resetAll(_ isMeant: (FaultProxyConnection) -> Bool) {
        for connection in connections where isMeant(connection) {
            connection.reset()
            counters.resets += 1
        }
        connections.removeAll(where: isMeant)
    }

    private func wait() {
        let now = Instant.now
        var waiting = [Polling(control.wake.descriptor.number, .readable)]
        waiting.append(Polling(isListening && !faults.isStalled ? listener?.socket.number ?? -1 : -1, .readable))
        for connection in connections { waiting += connection.wanted(at: now, faults) }
        var deadline = Instant.distantFuture
        if !faults.isStalled {
            deadline = connections.compactMap(\.nextInstant).filter { $0 > now }.min() ?? .distantFuture
        }
        _ = Polling.wait(&waiting, until: deadline)
        for (index, connection) in connections.enumerated() {
            connection.client.ready = waiting[2 + 2 * index].ready
            connection.server.ready = waiting[3 + 2 * index].ready
        }
    }

    private func accept() {
        while let accepted = nextClient() {
            counters.accepted += 1
            let client = FileDescriptor(owning: accepted)
            var enabled: Int32 = 1
            let size = socklen_t(MemoryLayout<Int32>.size)
            unsafe setsockopt(client.number, Int32(IPPROTO_TCP), TCP_NODELAY, &enabled, size)
            // Where the server cannot be reached, the client's connection closes at once.
            guard let server = try? back.connect() else { continue }
            let connection = FaultProxyConnection(
                number: counters.accepted,
                client: client,
                server: server,
                isTapped: isTapped
            )
            connections.append(connection)
        }
    }

    private func nextClient() -> Int32? {
        guard isListening, let listener else { return nil }
        let accepted = Socket.accept(listener.socket)
        return accepted >= 0 ? accepted : nil
    }

    private func transfer() {
        for connection in connections {
            receive(connection, .requests)
            receive(connection, .replies)
            write(connection, .requests)
            write(connection, .replies)
        }
        resetAll { $0.requests.isResetDue || $0.replies.isResetDue }
        connections.removeAll { $0.isDone }
        // The reader is to see the slices one by one, as far as that can be had.
        if faults.sliceBytes != nil { usleep(20) }
    }

    private func write(_ connection: FaultProxyConnection, _ direction: FaultProxy.Direction) {
        let count = connection.write(direction, at: .now, faults)
        guard count > 0 else { return }
        switch direction {
        case .requests:
            counters.requestBytes += count
            counters.requestPieces += 1
        case .replies:
            counters.replyBytes += count
            counters.replyPieces += 1
        }
    }

    private func receive(_ connection: FaultProxyConnection, _ direction: FaultProxy.Direction) {
        let bytes = connection.read(direction)
        guard !bytes.isEmpty else { return }
        if direction == .requests { record(bytes, of: connection) }
        if faults.isBlackHole {
            connection.hasLostBytes = true
            counters.swallowedBytes += bytes.count + connection.requests.drop() + connection.replies.drop()
            return
        }
        if direction == .requests, let armed {
            self.armed = nil
            switch armed.direction {
            case .requests: connection.requests.bytesUntilReset = armed.offset
            case .replies: connection.replies.bytesUntilReset = armed.offset
            }
        }
        if direction == .requests, faults.delaysDataRepliesOnly { connection.note(requests: bytes) }
        let isDelayed = connection.isDelayed(direction, faults)
        let jitter = isDelayed ? faults.jitter.wholeNanoseconds : 0
        var delay = isDelayed ? faults.latency.wholeNanoseconds : 0
        if jitter > 0 { delay += Int64.random(in: 0...jitter, using: &random) }
        let due = Instant.now.advanced(nanoseconds: delay)
        switch direction {
        case .requests: connection.requests.take(bytes, due: due)
        case .replies: connection.replies.take(bytes, due: due)
        }
    }

    private func record(_ bytes: [UInt8], of connection: FaultProxyConnection) {
        guard connection.tap != nil else { return }
        connection.tap?.append(bytes)
        do {
            while let command = try connection.tap?.next() {
                let words = command.elements?.map { $0.text ?? "" } ?? []
                control.record(FaultProxy.Command(connection: connection.number, words: words))
            }
        } catch {
            connection.tap = nil
        }
    }
}
