import Bytes
import JSON
import JSONRPC
import Linux
import Observability
import Testing

@Suite("What is measured of calls")
struct CallMeterTests {
    private final class Witness: CallObserver {
        var calls: [NotableCall] = []

        func ended(_ call: NotableCall) { calls.append(call) }
    }

    private let clock = TurnClock(Instant(nanoseconds: 1_000_000))
    private let calls: CallTable
    private let peer: Peer
    private let error = RPCError(code: 1001, kind: "unavailable", message: "nobody there")

    init() {
        calls = CallTable(limits: RPCLimits(), methods: 2, clock: clock)
        peer = Peer(index: 0, userID: 42, limits: calls.limits)
    }

    private func begin(_ method: Int = 0) -> CallID {
        calls.begin(peer, id: ByteView("1"), method: method, batch: nil)
    }

    private func endTurn(at nanoseconds: Int64) {
        calls.turnEnded { Instant(nanoseconds: nanoseconds) }
    }

    @Test("a call of one turn takes as long as the turn")
    func immediate() {
        for _ in 0..<3 { calls.reply(begin()) { $0.append("{}") } }
        #expect(calls.meter.count(of: 0) == 3)
        #expect(calls.meter.durations[0].count == 0)
        endTurn(at: 1_030_000)
        #expect(calls.meter.durations[0].count == 3)
        #expect(calls.meter.durations[0].sum == 90_000)
        #expect(calls.meter.durations[1].count == 0)
        #expect(calls.meter.turns.count == 1)
        #expect(calls.meter.turns.sum == 30_000)
        #expect(calls.meter.count(of: 0) == 3)
        endTurn(at: 9_000_000)
        #expect(calls.meter.turns.count == 1)
    }

    @Test("a call of several turns takes from the beginning of the first to the end of the last")
    func spanning() {
        let call = begin(1)
        endTurn(at: 1_100_000)
        clock.now = Instant(nanoseconds: 5_000_000)
        calls.fail(call, error)
        calls.reply(begin(0)) { $0.append("{}") }
        #expect(calls.meter.count(of: 1) == 1)
        endTurn(at: 5_500_000)
        #expect(calls.meter.durations[1].count == 1)
        #expect(calls.meter.durations[1].sum == 4_500_000)
        #expect(calls.meter.durations[0].sum == 500_000)
        #expect(calls.meter.turns.sum == 500_000)
        #expect(calls.counts[1].calls == 1)
        #expect(calls.counts[1].errors == 1)
        #expect(calls.counts[0].errors == 0)
    }

    @Test("methods whose numbers lie far apart are told apart")
    func manyMethods() {
        let calls = CallTable(limits: RPCLimits(), methods: 200, clock: clock)
        for method in [0, 3, 64, 67, 128, 199, 3] {
            calls.reply(calls.begin(peer, id: ByteView("1"), method: method, batch: nil)) { $0.append("{}") }
        }
        calls.turnEnded { Instant(nanoseconds: 1_000_500) }
        let counted = (0..<200).filter { calls.meter.durations[$0].count > 0 }
        #expect(counted == [0, 3, 64, 67, 128, 199])
        #expect(calls.meter.durations[3].count == 2)
        #expect(counted.allSatisfy { calls.meter.durations[$0].sum == 500 * calls.meter.durations[$0].count })
    }

    @Test("every one of many calls that end in a turn is counted")
    func many() {
        let begun = (0..<5000).map { _ in begin() }
        clock.now = Instant(nanoseconds: 2_000_000)
        for call in begun { calls.reply(call) { $0.append("{}") } }
        #expect(calls.meter.count(of: 0) == 5000)
        endTurn(at: 3_000_000)
        #expect(calls.meter.durations[0].count == 5000)
        #expect(calls.meter.count(of: 0) == 5000)
    }

    @Test("failures are told by method and kind, those of no method apart")
    func failures() {
        calls.fail(begin(1), error)
        calls.fail(begin(1), error)
        calls.reject(peer, id: nil, batch: nil, .invalidRequest("no"))
        let failures = calls.meter.failures
        #expect(failures[CallMeter.Failure(method: 1, code: 1001)] == 2)
        #expect(failures[CallMeter.Failure(method: nil, code: -32600)] == 1)
        #expect(failures.count == 2)
    }

    @Test("who asked is told of failed and of slow calls, with user and trace")
    func observer() throws {
        let witness = Witness()
        calls.observer = witness
        calls.slowNanoseconds = 2_000_000
        let trace = try #require(TraceContext(ByteView("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")))
        let (slow, quick, failed) = (begin(), begin(), begin(1))
        calls.setTrace(trace, of: slow)
        clock.now = Instant(nanoseconds: 2_999_999)
        calls.reply(quick) { $0.append("{}") }
        #expect(witness.calls.isEmpty)
        calls.fail(failed, error)
        clock.now = Instant(nanoseconds: 3_000_000)
        calls.reply(slow) { $0.append("{}") }
        #expect(witness.calls.map(\.isSlow) == [false, true])
        #expect(witness.calls.map { $0.failure.map { "\($0)" } } == ["unavailable", nil])
        #expect(witness.calls.map(\.method) == [1, 0])
        #expect(witness.calls.map(\.trace) == [nil, trace])
        #expect(witness.calls.allSatisfy { $0.userID == 42 })
        #expect(witness.calls[1].nanoseconds == 2_000_000)
        // The slot's next call has no trace.
        calls.fail(begin(), error)
        calls.fail(begin(), error)
        #expect(witness.calls.suffix(2).allSatisfy { $0.trace == nil })
    }
}
