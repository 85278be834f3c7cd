import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Observability

/// Logs calls that were slow or failed: method, duration, user and trace, never what the call was about.
@EventLoop
final class CallLog: CallObserver {
    private let log: Log
    private var slow = RecordBudget(perSecondMax: 10)
    private var faults = RecordBudget(perSecondMax: 10)

    init(log: Log) {
        self.log = log
    }

    func ended(_ call: NotableCall) {
        if call.isSlow, let suppressed = slow.take(at: EventLoop.reactor.now) {
            log.warning("slow call", call.fields(suppressed: suppressed))
        }
        guard let failure = call.failure else { return }
        if ByteView(failure).equals("internal_error") {
            guard let suppressed = faults.take(at: EventLoop.reactor.now) else { return }
            log.error("the agent failed a call", call.fields(suppressed: suppressed))
        } else {
            log.debug("a call failed", call.fields(suppressed: 0))
        }
    }
}

extension NotableCall {
    /// What a record tells of the call.
    ///
    /// - Parameter suppressed: Records of the same kind that were not written since the last one.
    /// - Returns: Names and values; the trace only where there is one.
    fileprivate func fields(suppressed: UInt64) -> Log.Fields {
        let name = "\(Method.allCases[method].name)"
        let outcome = failure.map { "\($0)" } ?? "ok"
        let milliseconds = "\(nanoseconds / 1_000_000)"
        guard let trace else {
            return [
                "method": name, "outcome": outcome, "duration_ms": milliseconds, "uid": "\(userID)",
                "suppressed": "\(suppressed)",
            ]
        }
        return [
            "method": name, "outcome": outcome, "duration_ms": milliseconds, "uid": "\(userID)",
            "suppressed": "\(suppressed)", "trace_id": trace.traceID, "span_id": trace.spanID,
        ]
    }
}
