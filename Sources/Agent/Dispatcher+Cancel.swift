import Bytes
import Contract
import JSON
import JSONRPC

extension Dispatcher {
    /// Serves `$/cancelRequest {id}`: ends the caller's own call of that id where that is honest.
    ///
    /// A call that waits for a lock, for another's value or for a subscription ends at once, with nothing done. So does
    /// one that only reads: the command that was sent keeps its place, and its reply is dropped. Any other runs on and is
    /// answered with what becomes of it. A request is answered with whether a call was ended, a notification is not.
    func cancel(_ request: Request, from peer: Peer, batch: Batch?) {
        guard let id = request.arguments.cancelledID else {
            guard request.id != nil else { return }
            let error = RPCError(.invalidParams, "id must be given: the id of the call to cancel, as it was sent")
            return calls.reject(peer, id: request.id, batch: batch, error)
        }
        var isCancelled = false
        for call in calls.running(peer, id: id) where cancel(call) { isCancelled = true }
        guard let own = request.id else { return }
        calls.answer(peer, id: own, batch: batch) { reply in
            reply.append("\"result\":{\"cancelled\":")
            reply.append(jsonBoolean: isCancelled)
            reply.append(UInt8(ascii: "}"))
        }
    }

    private func cancel(_ call: CallID) -> Bool {
        if calls.cancel(call) { return true }
        guard let number = calls.method(of: call), Method.allCases[number].idempotency == .read else { return false }
        calls.fail(call, .cancelled())
        return true
    }
}

extension Arguments {
    /// The id that the only parameter holds, as it was written; nil where the parameters are something else.
    fileprivate var cancelledID: ByteView? {
        guard count == 1, form == .positional || self[0].name.equals("id") else { return nil }
        switch self[0].value.kind {
        case .string, .number: return self[0].value.text
        default: return nil
        }
    }
}
