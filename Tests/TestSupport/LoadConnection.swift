import Bytes
import Glibc
import Linux
import RPCClient

/// One connection of a load, with the calls that are under way on it.
final class LoadConnection {
    /// A call of a slot: its requests, and the replies that have come.
    private struct Call {
        var requests: [LoadSlot.Request] = []
        var replies: [JSONFragment?] = []
        var isLate = false
        var missing = 0
    }

    /// A call that has been answered completely.
    struct Ended {
        let slot: Int
        /// Whether all went well.
        let isRight: Bool
        /// When it was sent.
        let sent: Instant
    }

    private struct Waiting {
        let slot: Int
        let position: Int
        let sent: Instant
    }

    let socket: FileDescriptor
    private let plan: LoadPlan
    private var random: SeededGenerator
    private(set) var slots: [LoadSlot]
    private var calls: [Call]
    private var waiting: [Int64: Waiting] = [:]
    private var lastID: Int64 = 0
    private var input: [UInt8] = []
    private var output = ByteBuffer()
    private(set) var isClosed = false
    private let began = Instant.now

    /// A write that took longer may have been sent twice.
    private static let lateAfterMilliseconds: Int64 = 500

    init(_ socket: consuming FileDescriptor, index: Int, plan: LoadPlan) {
        self.socket = socket
        self.plan = plan
        random = SeededGenerator(seed: plan.seed &* 1_000_003 &+ UInt64(index))
        slots = (0..<plan.depth).map { LoadSlot(name: "c\(index)s\($0)", plan: plan) }
        calls = [Call](repeating: Call(), count: plan.depth)
    }

    /// Requests that wait for a reply.
    var waitingRequests: Int { waiting.count }

    /// Whether output waits until the socket takes it.
    var hasOutput: Bool { !output.isEmpty }

    /// Begins the next call of a slot; it leaves with ``flush()``.
    func begin(_ slot: Int, _ report: inout LoadReport) {
        guard !isClosed, let kind = plan.calls.randomElement(using: &random) else { return }
        let now = Instant.now
        var call = Call()
        for step in slots[slot].begin(kind, &random) {
            lastID += 1
            output.append(text: slots[slot].line(step, id: lastID))
            waiting[lastID] = Waiting(slot: slot, position: call.requests.count, sent: now)
            call.requests.append(LoadSlot.Request(id: lastID, step: step))
        }
        call.replies = call.requests.map { _ in nil }
        call.missing = call.requests.count
        calls[slot] = call
        report.requests += call.requests.count
    }

    /// Sends what is queued, as far as the kernel takes it.
    func flush() {
        while !output.isEmpty, !isClosed {
            switch socket.write(output.view) {
            case .bytes(let count): output.consume(count)
            case .wouldBlock: return
            case .end, .failed: isClosed = true
            }
        }
    }

    /// Reads what has come and judges it.
    ///
    /// - Parameter report: Takes in the findings.
    /// - Returns: The calls that ended.
    func receive(_ report: inout LoadReport) -> [Ended] {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
            guard let base = memory.baseAddress else { return Transfer.end }
            return unsafe socket.read(into: base, count: memory.count)
        }
        switch transfer {
        case .bytes(let count): input += chunk.prefix(count)
        case .wouldBlock: return []
        case .end, .failed: isClosed = true
        }
        var ended: [Ended] = []
        let now = Instant.now
        var start = 0
        while let end = input[start...].firstIndex(of: UInt8(ascii: "\n")) {
            if let call = received(Array(input[start..<end]), now, &report) { ended.append(call) }
            start = end + 1
        }
        input.removeFirst(start)
        if isClosed { report.closedConnections += 1 }
        return ended
    }

    private func received(_ line: [UInt8], _ now: Instant, _ report: inout LoadReport) -> Ended? {
        guard let reply = JSONFragment(line), let id = reply["id"]?.integer else {
            report.recordWrong("not a reply: \(String(decoding: line.prefix(200), as: UTF8.self))")
            return nil
        }
        guard let asked = waiting.removeValue(forKey: id) else {
            report.recordWrong("nobody waits for: \(reply.text)")
            return nil
        }
        let nanoseconds = now.nanoseconds(since: asked.sent)
        report.latency.record(.nanoseconds(nanoseconds))
        let overrun = Duration.nanoseconds(nanoseconds) - plan.deadline
        report.overrun = max(report.overrun, overrun)
        if overrun > .milliseconds(50) {
            let words = "at \(now.milliseconds(since: began)) ms: \(overrun.wholeMilliseconds) ms late: \(reply.text)"
            report.recordLate(words)
        }
        calls[asked.slot].replies[asked.position] = reply
        calls[asked.slot].missing -= 1
        if nanoseconds > Self.lateAfterMilliseconds * 1_000_000 { calls[asked.slot].isLate = true }
        guard calls[asked.slot].missing == 0 else { return nil }
        return Ended(slot: asked.slot, isRight: judge(asked.slot, &report), sent: asked.sent)
    }

    /// Judges the replies of a call in the order of its requests.
    ///
    /// - Returns: Whether all went well.
    private func judge(_ slot: Int, _ report: inout LoadReport) -> Bool {
        let call = calls[slot]
        var isRight = true
        for (request, reply) in zip(call.requests, call.replies) {
            switch slots[slot].judge(request.step, reply, isLate: call.isLate) {
            case .right: report.results += 1
            case .failed(let kind):
                isRight = false
                report.failures[kind, default: 0] += 1
            case .wrong(let words):
                isRight = false
                report.recordWrong(words)
            }
        }
        calls[slot] = Call()
        return isRight
    }

    /// Gives up on what is still under way, and reports the counters.
    func end(_ report: inout LoadReport) {
        report.lostReplies += waiting.count
        for slot in slots.indices where calls[slot].missing > 0 { _ = judge(slot, &report) }
        for slot in slots {
            report.counters.append(
                LoadReport.Counter(
                    key: slot.counterKey,
                    possible: slot.counter.possible,
                    acknowledged: slot.acknowledgedIncrements,
                    unknown: slot.unknownIncrements
                )
            )
        }
    }
}
