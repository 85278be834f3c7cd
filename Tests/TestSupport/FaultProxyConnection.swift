import Bytes
import Glibc
import Linux

/// One connection through a proxy: the client's socket, the server's, and what is on its way between them.
final class FaultProxyConnection {
    /// One end of the connection.
    struct End: ~Copyable {
        let socket: FileDescriptor
        /// Whether nobody is there any more: nothing can be sent to it.
        var isGone = false
        /// What it was ready for at the last wait.
        var ready: Readiness = []

        init(_ socket: consuming FileDescriptor) {
            self.socket = socket
        }
    }

    let number: Int
    var client: End
    var server: End
    var requests = FaultProxyStream()
    var replies = FaultProxyStream()
    /// Whether bytes of it have disappeared, so that it cannot go on.
    var hasLostBytes = false
    /// Whether the client has subscribed to something, and what comes is news.
    private(set) var isSubscriber = false
    /// Cuts its commands out, nil where none are recorded or the bytes are no commands.
    var tap: RESPDecoder?

    private static let readBytes = 64 << 10

    init(number: Int, client: consuming FileDescriptor, server: consuming FileDescriptor, isTapped: Bool) {
        self.number = number
        self.client = End(client)
        self.server = End(server)
        tap = isTapped ? RESPDecoder() : nil
    }

    /// Whether nothing more can pass.
    var isDone: Bool {
        let areRequestsDone = server.isGone || (requests.isEnded && requests.heldBytes == 0)
        let areRepliesDone = client.isGone || (replies.isEnded && replies.heldBytes == 0)
        return areRequestsDone && areRepliesDone
    }

    /// What is waited for on both sockets.
    func wanted(at now: Instant, _ faults: FaultProxy.Faults) -> [Polling] {
        guard !faults.isStalled else { return [Polling(-1, []), Polling(-1, [])] }
        return [
            polling(client, source: requests, target: replies, now, faults),
            polling(server, source: replies, target: requests, now, faults),
        ]
    }

    private func polling(
        _ end: borrowing End,
        source: FaultProxyStream,
        target: FaultProxyStream,
        _ now: Instant,
        _ faults: FaultProxy.Faults
    ) -> Polling {
        guard !end.isGone else { return Polling(-1, []) }
        var wanted: Readiness = []
        if source.hasRoom { wanted.insert(.readable) }
        if !target.sendable(at: now, faults).isEmpty { wanted.insert(.writable) }
        return Polling(end.socket.number, wanted)
    }

    /// When something that is held may go on, nil while nothing is.
    var nextInstant: Instant? {
        let instants = [
            server.isGone ? nil : requests.nextInstant, client.isGone ? nil : replies.nextInstant,
        ]
        return instants.compactMap { $0 }.min()
    }

    /// Takes note of what a client's bytes ask for; the word comes in one piece, as clients send it.
    func note(requests bytes: [UInt8]) {
        guard !isSubscriber else { return }
        isSubscriber = bytes.withByteView { $0.contains("\r\nSUBSCRIBE\r\n") }
    }

    /// Whether what goes in `direction` is held back.
    func isDelayed(_ direction: FaultProxy.Direction, _ faults: FaultProxy.Faults) -> Bool {
        !faults.delaysDataRepliesOnly || direction == .replies && !isSubscriber
    }

    /// Reads once from the end that `direction` begins at.
    ///
    /// - Returns: What came.
    func read(_ direction: FaultProxy.Direction) -> [UInt8] {
        switch direction {
        case .requests: read(from: &client, into: &requests)
        case .replies: read(from: &server, into: &replies)
        }
    }

    private func read(from end: inout End, into stream: inout FaultProxyStream) -> [UInt8] {
        let hasEvent = !end.ready.isDisjoint(with: [.readable, .hungUp, .failed])
        guard !end.isGone, hasEvent else { return [] }
        if stream.isEnded {
            // Its end was read before, so what is told now is that it takes nothing either.
            if !end.ready.isDisjoint(with: [.hungUp, .failed]) { end.isGone = true }
            return []
        }
        guard stream.hasRoom else { return [] }
        var bytes = [UInt8](repeating: 0, count: Self.readBytes)
        let transfer = unsafe bytes.withUnsafeMutableBufferPointer { memory in
            guard let base = memory.baseAddress else { return Transfer.end }
            return unsafe end.socket.read(into: base, count: memory.count)
        }
        switch transfer {
        case .bytes(let count): return Array(bytes.prefix(count))
        case .wouldBlock: return []
        case .end:
            stream.isEnded = true
        case .failed:
            stream.isEnded = true
            end.isGone = true
        }
        return []
    }

    /// Passes on what may go on, once.
    ///
    /// - Returns: How many bytes went on.
    func write(_ direction: FaultProxy.Direction, at now: Instant, _ faults: FaultProxy.Faults) -> Int {
        switch direction {
        case .requests: write(requests: &requests, to: &server, now, faults)
        case .replies: write(requests: &replies, to: &client, now, faults)
        }
    }

    private func write(
        requests stream: inout FaultProxyStream,
        to end: inout End,
        _ now: Instant,
        _ faults: FaultProxy.Faults
    ) -> Int {
        if end.isGone { _ = stream.drop() }
        let bytes = Array(stream.sendable(at: now, faults))
        var count = 0
        if !bytes.isEmpty {
            switch bytes.withByteView({ end.socket.write($0) }) {
            case .bytes(let sent):
                stream.sent(sent, at: now, faults)
                count = sent
            case .wouldBlock: break
            case .end, .failed: end.isGone = true
            }
        }
        if stream.isEnded, stream.heldBytes == 0, !stream.isEndTold, !end.isGone {
            stream.isEndTold = true
            Socket.finishSending(end.socket)
        }
        return count
    }

    /// Has the client's socket closed with a reset instead of an orderly end, where it is one of TCP.
    ///
    /// On a Unix socket the client sees `ECONNRESET` where it had sent bytes that were not read, else the end.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        let size = socklen_t(MemoryLayout<linger>.size)
        unsafe setsockopt(client.socket.number, SOL_SOCKET, SO_LINGER, &option, size)
    }
}
