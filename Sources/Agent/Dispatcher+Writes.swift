import Cache
import Contract
import EventLoop
import JSONRPC
import Linux
import Store

extension Dispatcher {
    /// Serves a request of known shape that writes an entry and names nothing but the key, the namespace, the value and
    /// its life: it is decoded where these stand.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - plan: What is known of all calls of its shape.
    ///   - peer: The connection that it came over.
    /// - Returns: Whether it was served; not where it is to be decoded whole.
    func serveWrite(_ request: Request, _ plan: CallPlan, from peer: Peer) -> Bool {
        guard plan.isWrite, !isDraining, peer.ungated.contains(Int(plan.method.rawValue)),
            let write = plan.write(request.arguments), features.cache.isPlain(write.namespace)
        else { return false }
        let call = calls.begin(peer, id: request.id, method: Int(plan.method.rawValue), batch: nil)
        do throws(RPCError) {
            try features.cache.set(write, plainContext(call, peer))
        } catch {
            calls.fail(call, error)
        }
        return true
    }

    /// The circumstances of a call that names none.
    func plainContext(_ call: CallID, _ peer: Peer) -> CallContext {
        let deadline = EventLoop.reactor.now.advanced(milliseconds: deadlines.standardMilliseconds)
        return CallContext(call: call, lane: peer.index, deadline: deadline, userID: peer.userID)
    }
}
