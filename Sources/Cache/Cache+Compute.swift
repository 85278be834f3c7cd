import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Cache {
    /// Answers `cache.fail`: one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func fail(_ parameters: CacheFailParameters, _ context: CallContext) throws(RPCError) {
        let key = try keyspace.resolve(parameters.key, parameter: "key")
        let namespace = parameters.namespace
        if isLocal(namespace) { return failLocal(parameters, key, context) }
        let token = parameters.lease.copy()
        let leased = leases[near.name(namespace, key).copy()]
        if let leased, let holder = leased.holder, holder.token == token {
            leases.ending[context.call] = (leased, holder)
        }
        sendWrite(.fail, .idempotentWrite, context, namespace, key) { command in
            command.append(callOf: CacheScripts.fail, keys: 1, arguments: 2)
            keyspace.append(to: &command, .cache, namespace, key)
            token.withByteView { command.append(word: $0) }
            append(life: parameters.retryAfterMilliseconds, to: &command)
        }
    }

    func answerFail(_ call: CallID, _ reply: Reply) {
        leaseEnded(call, isReleased: true)
        calls.reply(call) { $0.append(reply.integer == 1 ? "{\"released\":true}" : "{\"released\":false}") }
    }

    /// What a call of `cache.get` wishes for that would compute; nil where it would not, or nobody waits for it.
    func wish(_ parameters: CacheGetParameters, _ context: CallContext) -> LeaseWish? {
        guard let lease = parameters.leaseMilliseconds, calls.isAnswered(context.call),
            let peer = calls.peer(of: context.call)
        else { return nil }
        let until = EventLoop.reactor.now.advanced(milliseconds: parameters.waitMilliseconds)
        return LeaseWish(
            call: context.call,
            peer: peer,
            lane: context.lane,
            deadline: context.isDeadlineGiven
                ? context.deadline : context.deadline.advanced(milliseconds: parameters.waitMilliseconds),
            until: until,
            leaseMilliseconds: lease,
            isPatient: parameters.waitMilliseconds > 0,
            isFresh: parameters.fresh
        )
    }
}

extension JSONString {
    /// The text's bytes without its escapes; a lease has none.
    fileprivate func copy() -> [UInt8] { raw.copy() }
}
