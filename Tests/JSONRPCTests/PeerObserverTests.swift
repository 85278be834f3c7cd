import Bytes
import JSONRPC
import Testing

@Suite("What connections tell features")
struct PeerObserverTests {
    /// Keeps two messages back and writes one of them at a time.
    private final class Backlog: PeerObserver {
        var messages = ["1", "2"]
        var closed: [Int] = []
        let calls: CallTable

        init(_ calls: CallTable) {
            self.calls = calls
        }

        func peerClosed(_ peer: Peer) { closed.append(peer.index) }

        func peerDrained(_ peer: Peer) {
            guard !messages.isEmpty else { return }
            let message = messages.removeFirst()
            calls.push(peer, "news") { $0.append(text: message) }
            peer.hasBacklog = !messages.isEmpty
        }
    }

    private final class Flusher: PeerFlusher {
        var flushed: [Int] = []
        var expected: [Int] = []

        func flush(_ peer: Peer) { flushed.append(peer.index) }

        func expectOutput(of peer: Peer) { expected.append(peer.index) }
    }

    private let calls = CallTable(limits: RPCLimits(), methods: 1)

    @Test("a connection that drained is asked for while a backlog is left, and not longer")
    func drained() {
        let backlog = Backlog(calls)
        calls.addObserver(backlog)
        let peer = Peer(index: 0, userID: 0, limits: calls.limits)
        calls.drained(peer)
        #expect(peer.output.view.isEmpty)
        peer.hasBacklog = true
        calls.drained(peer)
        #expect(peer.hasBacklog)
        calls.drained(peer)
        calls.drained(peer)
        #expect(!peer.hasBacklog)
        #expect(
            peer.output.view.text() == """
                {"jsonrpc":"2.0","method":"news","params":1}
                {"jsonrpc":"2.0","method":"news","params":2}

                """
        )
    }

    @Test("the end of a connection is told, and nothing is written to it any more")
    func closed() {
        let backlog = Backlog(calls)
        calls.addObserver(backlog)
        let peer = Peer(index: 7, userID: 0, limits: calls.limits)
        calls.closed(peer)
        #expect(backlog.closed == [7])
        calls.push(peer, "news") { $0.append("1") }
        #expect(peer.output.view.isEmpty)
    }

    @Test("a push to a connection that counts its messages' bytes has its header")
    func header() {
        let peer = Peer(index: 0, userID: 0, limits: calls.limits)
        _ = peer.decoder.next(ByteView("C"))
        calls.push(peer, "news") { $0.append("{}") }
        let body = #"{"jsonrpc":"2.0","method":"news","params":{}}"#
        #expect(peer.output.view.text() == "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    @Test("output can be foreseen, and sent before the turn ends")
    func flush() {
        let flusher = Flusher()
        let peer = Peer(index: 3, userID: 0, limits: calls.limits)
        calls.flush(peer)
        calls.flusher = flusher
        calls.expectOutput(of: peer)
        #expect(flusher.expected == [3] && flusher.flushed.isEmpty)
        calls.flush(peer)
        #expect(flusher.flushed == [3])
    }
}
