import Contract
public import JSONRPC
import Store

extension Responses: CallCanceller {
    /// Ends a call that waits for a response, or that a stream is being replayed to.
    public func cancel(_ call: CallID) -> Bool {
        for flight in flights.values where flight.waiters.contains(where: { $0.request.context.call == call }) {
            flight.waiters.removeAll { $0.request.context.call == call }
            calls.fail(call, .cancelled())
            // A lease that is being asked for on its behalf is given back when Valkey answers.
            flight.wake()
            return true
        }
        guard endReplay(to: call) else { return false }
        calls.fail(call, .cancelled())
        return true
    }
}
