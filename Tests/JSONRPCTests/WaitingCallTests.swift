import Bytes
import JSONRPC
import Testing

@Suite("Calls that wait for others")
struct WaitingCallTests {
    private func table(waitingMax: Int = 2) -> CallTable {
        var limits = RPCLimits()
        limits.waitingMax = waitingMax
        return CallTable(limits: limits, methods: 1)
    }

    @Test("do not count as running, and are answered like all others")
    func parked() {
        let table = table()
        let peer = Peer(index: 0, userID: 0, limits: table.limits)
        let call = table.begin(peer, id: ByteView("1"), method: 0, batch: nil)
        #expect(table.park(call))
        #expect(table.running == 0)
        #expect(table.waiting == 1)
        #expect(peer.runningCalls == 0)
        #expect(peer.waitingCalls == 1)
        // Once more changes nothing.
        #expect(table.park(call))
        #expect(peer.waitingCalls == 1)
        #expect(table.isWaiting(call))
        table.reply(call) { $0.append("{}") }
        #expect(peer.output.view.text() == "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n")
        #expect(table.waiting == 0)
        #expect(table.running == 0)
        #expect(peer.waitingCalls == 0)
        #expect(peer.runningCalls == 0)
    }

    @Test("are no more than the limit, and the slot of one that ended begins anew")
    func limit() {
        let table = table(waitingMax: 1)
        let peer = Peer(index: 0, userID: 0, limits: table.limits)
        let first = table.begin(peer, id: ByteView("1"), method: 0, batch: nil)
        let second = table.begin(peer, id: ByteView("2"), method: 0, batch: nil)
        #expect(table.park(first))
        #expect(!table.park(second))
        #expect(peer.runningCalls == 1)
        table.reply(first) { $0.append("{}") }
        #expect(table.park(second))
        let third = table.begin(peer, id: ByteView("3"), method: 0, batch: nil)
        #expect(peer.runningCalls == 1)
        table.reply(third) { $0.append("{}") }
        #expect(peer.runningCalls == 0)
        #expect(peer.waitingCalls == 1)
    }

    /// Watches a process that has ended, or one that runs.
    private final class Watcher: PeerProcessWatcher {
        var isAlive: Bool
        var watched = 0

        init(isAlive: Bool) {
            self.isAlive = isAlive
        }

        func watchProcess(of peer: Peer) -> Bool {
            watched += 1
            return isAlive
        }
    }

    private final class Observer: PeerObserver {
        var ended = 0

        func peerClosed(_ peer: Peer) {}

        func peerDrained(_ peer: Peer) {}

        func peerProcessEnded(_ peer: Peer) { ended += 1 }
    }

    @Test("hear once of the end of the process that connected", arguments: [true, false])
    func process(isAlive: Bool) {
        let table = table()
        let (watcher, observer) = (Watcher(isAlive: isAlive), Observer())
        table.processWatcher = watcher
        table.addObserver(observer)
        let peer = Peer(index: 0, userID: 0, limits: table.limits)
        #expect(table.watchProcess(of: peer) == isAlive)
        #expect(table.watchProcess(of: peer) == isAlive)
        #expect(watcher.watched == 1)
        table.processEnded(peer)
        table.processEnded(peer)
        #expect(observer.ended == (isAlive ? 1 : 0))
        #expect(!table.watchProcess(of: peer))
    }
}
