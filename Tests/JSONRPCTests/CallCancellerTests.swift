import Bytes
import JSONRPC
import Testing

@Suite("Cancelling a call")
struct CallCancellerTests {
    /// A feature in which some calls wait.
    private final class Waiting: CallCanceller {
        var calls: Set<CallID> = []
        let table: CallTable

        init(_ table: CallTable) {
            self.table = table
        }

        func cancel(_ call: CallID) -> Bool {
            guard calls.remove(call) != nil else { return false }
            table.fail(call, RPCError(code: 1010, kind: "cancelled", message: "cancelled"))
            return true
        }
    }

    private let table = CallTable(limits: RPCLimits(), methods: 1)

    private func peer(_ index: Int) -> Peer { Peer(index: index, userID: 0, limits: table.limits) }

    private func begin(_ peer: Peer, _ id: String?) -> CallID {
        guard let id else { return table.begin(peer, id: nil, method: 0, batch: nil) }
        return id.withByteView { table.begin(peer, id: $0, method: 0, batch: nil) }
    }

    private func running(_ peer: Peer, _ id: String) -> [CallID] { id.withByteView { table.running(peer, id: $0) } }

    @Test("finds the calls of its own connection by their id as written")
    func lookup() {
        let (first, second) = (peer(0), peer(1))
        let long = "\"\(String(repeating: "x", count: 60))\""
        let calls = ["7", "\"7\"", long, "70"].map { begin(first, $0) }
        let other = begin(second, "7")
        _ = begin(first, nil)
        #expect(running(first, "7") == [calls[0]])
        #expect(running(first, "\"7\"") == [calls[1]])
        #expect(running(first, long) == [calls[2]])
        #expect(running(first, String(long.dropLast(2)) + "y\"") == [])
        #expect(running(first, "") == [])
        #expect(running(second, "7") == [other])
        let twin = begin(first, "7")
        #expect(running(first, "7") == [calls[0], twin])
        table.reply(calls[0]) { $0.append("{}") }
        #expect(running(first, "7") == [twin])
    }

    @Test("is left to the feature in which it waits, and answered once")
    func features() {
        let features = [Waiting(table), Waiting(table)]
        for feature in features { table.addCanceller(feature) }
        let peer = peer(0)
        let (waiting, busy) = (begin(peer, "1"), begin(peer, "2"))
        features[1].calls = [waiting]
        #expect(table.cancel(waiting))
        #expect(!table.cancel(waiting))
        #expect(!table.cancel(busy))
        #expect(table.isWaiting(busy) && !table.isWaiting(waiting))
        #expect(table.method(of: busy) == 0)
        #expect(table.method(of: waiting) == nil)
        #expect(peer.output.view.text().split(separator: "\n").count == 1)
        #expect(table.running == 1)
    }

    @Test("ends what waits for a connection that closed, and leaves what runs to its end")
    func closing() {
        let feature = Waiting(table)
        table.addCanceller(feature)
        let (leaving, staying) = (peer(0), peer(1))
        let long = "\"\(String(repeating: "x", count: 60))\""
        let (waiting, busy, other) = (begin(leaving, long), begin(leaving, "2"), begin(staying, "3"))
        feature.calls = [waiting, other]
        table.closed(leaving)
        #expect(feature.calls == [other])
        #expect(table.running == 2)
        #expect(!table.isWaiting(busy))
        table.abandon(other)
        #expect(table.isWaiting(other))
        table.abandon(busy)
        #expect(table.running == 1)
        #expect(leaving.runningCalls == 0)
        #expect(leaving.output.view.isEmpty)
    }
}
