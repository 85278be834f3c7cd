import Bytes
import JSON
import JSONRPC
import Testing

@Suite("The call table")
struct CallTableTests {
    private let error = RPCError(code: 1001, kind: "unavailable", message: "nobody \"there\"", isRetryable: true)

    private func table(_ change: (inout RPCLimits) -> Void = { _ in }) -> CallTable {
        var limits = RPCLimits()
        change(&limits)
        return CallTable(limits: limits, methods: 3)
    }

    private func peer(_ table: CallTable, isCounted: Bool = false) -> Peer {
        let peer = Peer(index: 0, userID: 0, limits: table.limits)
        if isCounted { _ = peer.decoder.next(ByteView("C")) }
        return peer
    }

    private func output(_ peer: Peer) -> String {
        let text = peer.output.view.text()
        peer.output.removeAll()
        return text
    }

    @Test("answers with a result and with an error")
    func answers() throws {
        let table = table()
        let peer = peer(table)
        let first = table.begin(peer, id: ByteView("1"), method: 0, batch: nil)
        let second = table.begin(peer, id: ByteView("2"), method: 0, batch: nil)
        table.reply(second) { $0.append("{\"pong\":true}") }
        #expect(output(peer) == "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"pong\":true}}\n")
        table.fail(first, error)
        let reply = output(peer)
        #expect(reply.hasSuffix("\n"))
        let document = try Document.parse(reply)
        #expect(
            document == [
                "jsonrpc": "2.0", "id": 1,
                "error": [
                    "code": 1001, "message": "nobody \"there\"", "data": ["kind": "unavailable", "retryable": true],
                ],
            ]
        )
    }

    @Test("answers at once as it answers a call, and leaves to a call what needs one")
    func atOnce() {
        let table = table { $0.replyBytesMax = 60 }
        let peer = peer(table)
        #expect(table.replyAtOnce(peer, id: ByteView("\"a\""), method: 1) { $0.append("{\"hit\":true}") })
        #expect(output(peer) == "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"hit\":true}}\n")
        var dirty: [Peer] = []
        table.takeDirtyPeers(into: &dirty)
        #expect(dirty.count == 1 && table.running == 0 && peer.runningCalls == 0)
        table.turnEnded()
        #expect(table.counts[1].calls == 1 && table.counts[1].errors == 0)
        // Too long: nothing is left of it, and the call then says so.
        #expect(
            !table.replyAtOnce(peer, id: ByteView("1"), method: 1) {
                $0.append(text: String(repeating: "x", count: 60))
            }
        )
        #expect(output(peer).isEmpty)
        let counted = self.peer(table, isCounted: true)
        #expect(!table.replyAtOnce(counted, id: ByteView("1"), method: 1) { $0.append("{}") })
        table.slowNanoseconds = 0
        #expect(!table.replyAtOnce(peer, id: ByteView("1"), method: 1) { $0.append("{}") })
        #expect(output(peer).isEmpty && output(counted).isEmpty && table.counts[1].calls == 1)
    }

    @Test("answers a call once, whatever its slot is used for afterwards")
    func staleCalls() {
        let table = table()
        let peer = peer(table)
        let first = table.begin(peer, id: ByteView("1"), method: 0, batch: nil)
        #expect(table.isWaiting(first))
        table.reply(first) { $0.append("{}") }
        #expect(!table.isWaiting(first))
        let second = table.begin(peer, id: ByteView("2"), method: 0, batch: nil)
        #expect(second != first)
        _ = output(peer)
        table.reply(first) { _ in Issue.record("a result was asked for twice") }
        table.fail(first, error)
        #expect(output(peer) == "")
        #expect(table.isWaiting(second))
        #expect(CallID(rawValue: second.rawValue) == second)
        table.reply(CallID(rawValue: second.rawValue)) { $0.append("[]") }
        #expect(output(peer) == "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":[]}\n")
        #expect(table.running == 0)
        #expect(peer.runningCalls == 0)
        #expect(table.counts[0].calls == 2)
        #expect(table.counts[0].errors == 0)
    }

    @Test("drops answers for a connection that has gone, and still counts its calls as ended")
    func closedPeer() {
        let table = table()
        let peer = peer(table)
        let batch = Batch(peer: peer)
        let calls = [nil, batch].map { table.begin(peer, id: ByteView("1"), method: 1, batch: $0) }
        let last = table.begin(peer, id: ByteView("2"), method: 1, batch: nil)
        table.finish(batch)
        #expect((table.running, peer.runningCalls) == (3, 3))
        peer.isClosed = true
        #expect(!table.isWaiting(last))
        for call in calls { table.reply(call) { _ in Issue.record("a result was asked for") } }
        table.fail(last, error)
        table.reject(peer, id: nil, batch: nil, error)
        #expect(output(peer) == "")
        #expect((table.running, peer.runningCalls) == (0, 0))
        #expect(table.takeDirtyPeers().isEmpty)
        #expect((table.counts[1].calls, table.counts[1].errors) == (3, 1))
    }

    @Test("sends nothing for a notification and does not ask for its result")
    func notifications() {
        let table = table()
        let peer = peer(table)
        let batch = Batch(peer: peer)
        let calls = [nil, batch].map { table.begin(peer, id: nil, method: 2, batch: $0) }
        let failing = [nil, batch].map { table.begin(peer, id: nil, method: 2, batch: $0) }
        table.finish(batch)
        for call in calls { table.reply(call) { _ in Issue.record("a result was asked for") } }
        for call in failing { table.fail(call, error) }
        #expect(output(peer) == "")
        #expect(table.running == 0)
        #expect((table.counts[2].calls, table.counts[2].errors) == (4, 2))
        #expect(table.counts[0].calls == 0)
    }

    @Test("frames replies and batches by their length where the client does")
    func contentLength() {
        let table = table()
        let peer = peer(table, isCounted: true)
        let call = table.begin(peer, id: ByteView("1"), method: 0, batch: nil)
        table.reply(call) { $0.append(text: "\"é\"") }
        let body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"é\"}"
        #expect(output(peer) == "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        let batch = Batch(peer: peer)
        let calls = [1, 2].map { _ in table.begin(peer, id: ByteView("1"), method: 0, batch: batch) }
        table.finish(batch)
        for call in calls { table.reply(call) { $0.append(text: "\"é\"") } }
        #expect(output(peer) == "Content-Length: \(body.utf8.count * 2 + 3)\r\n\r\n[\(body),\(body)]")
        table.reject(peer, id: nil, batch: nil, error)
        let rejection = output(peer)
        #expect(rejection.hasPrefix("Content-Length: "))
        let events = FrameLog.events(of: rejection)
        #expect(events.count == 1)
    }

    @Test("sends a batch's replies together when the last of them is there, in the order of the answers")
    func batches() {
        let table = table()
        let peer = peer(table)
        let batch = Batch(peer: peer)
        let first = table.begin(peer, id: ByteView("1"), method: 0, batch: batch)
        let second = table.begin(peer, id: ByteView("2"), method: 0, batch: batch)
        let silent = table.begin(peer, id: nil, method: 0, batch: batch)
        table.reply(second) { $0.append("{}") }
        let alone = table.begin(peer, id: ByteView("3"), method: 0, batch: nil)
        table.finish(batch)
        #expect(output(peer) == "")
        table.reply(alone) { $0.append("{}") }
        #expect(output(peer) == "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}\n")
        table.reply(first) { $0.append("[]") }
        #expect(output(peer) == "")
        table.reply(silent) { _ in Issue.record("a result was asked for") }
        let expected = #"[{"jsonrpc":"2.0","id":2,"result":{}},{"jsonrpc":"2.0","id":1,"result":[]}]"#
        #expect(output(peer) == expected + "\n")
    }

    @Test("does not send a batch before all of its elements were begun")
    func finish() {
        let table = table()
        let peer = peer(table)
        let batch = Batch(peer: peer)
        for _ in 0..<2 {
            let call = table.begin(peer, id: ByteView("1"), method: 0, batch: batch)
            table.reply(call) { $0.append("{}") }
            #expect(output(peer) == "")
        }
        table.finish(batch)
        #expect(output(peer).hasPrefix("[{"))
    }

    @Test("lists each connection with output once")
    func dirtyPeers() {
        let table = table()
        let peers = (0..<3).map { _ in peer(table) }
        for peer in peers.dropFirst() {
            for _ in 0..<2 { table.reject(peer, id: nil, batch: nil, error) }
        }
        #expect(table.takeDirtyPeers().map { ObjectIdentifier($0) } == peers.dropFirst().map { ObjectIdentifier($0) })
        #expect(table.takeDirtyPeers().isEmpty)
        table.markDirty(peers[0])
        table.markDirty(peers[0])
        #expect(table.takeDirtyPeers().count == 1)
    }
}

@Suite("The limit on a reply")
struct ReplyLimitTests {
    private let envelope = #"{"jsonrpc":"2.0","id":1,"result":}"#.utf8.count

    private func exchange(replyBytesMax: Int, results: [Int], isBatch: Bool = false) throws -> [Document] {
        var limits = RPCLimits()
        limits.replyBytesMax = replyBytesMax
        let table = CallTable(limits: limits, methods: 1)
        let peer = Peer(index: 0, userID: 0, limits: limits)
        let batch = isBatch ? Batch(peer: peer) : nil
        let calls = results.map { _ in table.begin(peer, id: ByteView("1"), method: 0, batch: batch) }
        if let batch { table.finish(batch) }
        for (call, count) in zip(calls, results) {
            table.reply(call) { $0.append(jsonString: String(repeating: "x", count: count - 2)) }
        }
        let text = peer.output.view.text()
        return try text.split(separator: "\n").map { try Document.parse(String($0)) }
    }

    private func expectTooLarge(_ reply: Document, limit: Int) {
        #expect(reply["id"] == 1)
        #expect(reply["error"]?["code"] == 1005)
        #expect(reply["error"]?["data"]?["kind"] == "too_large")
        #expect(reply["error"]?["data"]?["limit_bytes"] == .integer(Int64(limit)))
        #expect(reply["result"] == nil)
    }

    @Test("lets a reply of just that length pass, and makes a longer one an error")
    func single() throws {
        let replies = try exchange(replyBytesMax: 1000, results: [1000 - envelope, 1001 - envelope, 100_000, 10])
        try #require(replies.count == 4)
        #expect(replies[0]["result"]?.string?.utf8.count == 1000 - envelope - 2)
        expectTooLarge(replies[1], limit: 1000)
        expectTooLarge(replies[2], limit: 1000)
        #expect(replies[3]["result"] == "xxxxxxxx")
    }

    @Test("holds for a batch as a whole: what no longer fits becomes an error, and what follows may fit again")
    func batch() throws {
        // Two results fill the batch: brackets, a comma, and twice the envelope.
        let half = (1000 - 3 - 2 * envelope) / 2
        let exact = 1000 - 3 - 2 * envelope - half
        let fitting = try #require(
            try exchange(replyBytesMax: 1000, results: [half, exact], isBatch: true).first?.array
        )
        #expect(fitting.count == 2)
        #expect(fitting.allSatisfy { $0["error"] == nil })
        let results = [half, exact + 1, 10]
        let crowded = try #require(try exchange(replyBytesMax: 1000, results: results, isBatch: true).first?.array)
        try #require(crowded.count == 3)
        #expect(crowded[0]["error"] == nil)
        expectTooLarge(crowded[1], limit: 1000)
        #expect(crowded[2]["result"] == "xxxxxxxx")
    }

    @Test("counts a reply that was too large as an answered call")
    func counting() throws {
        let replies = try exchange(replyBytesMax: 100, results: [5000, 5000, 5000], isBatch: true)
        let batch = try #require(replies.first?.array)
        #expect(batch.count == 3)
        for reply in batch { expectTooLarge(reply, limit: 100) }
    }

    @Test("takes few reads of a connection that had no reply yet, however much it may owe")
    func firstReads() {
        var limits = RPCLimits()
        limits.outputBytesMax = 1 << 30
        limits.outputBytesHigh = 1 << 28
        let table = CallTable(limits: limits, methods: 1)
        let peer = Peer(index: 0, userID: 0, limits: limits)
        for number in 0..<64 {
            #expect(peer.runningReplyBytes < 1 << 28, "\(number) run")
            _ = table.begin(peer, id: ByteView("1"), method: 0, batch: nil, isBulky: true)
        }
        #expect(peer.runningReplyBytes >= 1 << 28)
    }

    @Test("takes the first reads of a connection for as large as the replies of others, which fades")
    func learnedReads() {
        let table = CallTable(limits: RPCLimits(), methods: 1)
        func begin() -> (peer: Peer, call: CallID) {
            let peer = Peer(index: 0, userID: 0, limits: table.limits)
            return (peer, table.begin(peer, id: ByteView("1"), method: 0, batch: nil, isBulky: true))
        }
        let first = begin()
        let guess = first.peer.runningReplyBytes
        table.reply(first.call) { $0.append([UInt8](repeating: 118, count: 10 * guess)) }
        let second = begin()
        #expect(second.peer.runningReplyBytes >= 10 * guess)
        table.reply(second.call) { $0.append("{}") }
        // By its own replies it learns better, and new ones hear of the large one less and less.
        var last = second
        var begun = 0
        repeat {
            last = begin()
            table.reply(last.call) { $0.append("{}") }
            begun += 1
        } while begun < 100 && last.peer.expectedReplyBytes > guess
        #expect(begun > 3 && begun < 100)
    }

    @Test("lets no more reads run than may all be as large as one of late was, however small the others were")
    func oneLargeRead() {
        let limits = RPCLimits()
        let table = CallTable(limits: limits, methods: 1)
        let peer = Peer(index: 0, userID: 0, limits: limits)
        func begin() -> CallID { table.begin(peer, id: ByteView("1"), method: 0, batch: nil, isBulky: true) }
        let bytes = 1 << 20
        table.reply(begin()) { $0.append([UInt8](repeating: 118, count: bytes)) }
        for _ in 0..<150 {
            peer.output.removeAll()
            table.reply(begin()) { $0.append("{}") }
        }
        peer.output.removeAll()
        var running = 0
        while !table.holdsBack(peer) {
            _ = begin()
            running += 1
        }
        #expect((8...limits.outputBytesMax / bytes).contains(running), "\(running)")
    }
}

extension CallTable {
    /// The connections that have output to send.
    fileprivate func takeDirtyPeers() -> [Peer] {
        var list: [Peer] = []
        takeDirtyPeers(into: &list)
        return list
    }
}
