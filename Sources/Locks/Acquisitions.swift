import Bytes
import Contract
public import EventLoop
import JSON
public import JSONRPC
public import Leases
import Linux
import Store

/// What locks and semaphores have in common: acquiring, and telling of what becomes of it.
@EventLoop
public final class Acquisitions: LeaseOwner {
    let leases: Leases
    let calls: CallTable
    let keyspace: Keyspace
    let memory: AcquisitionMemory
    /// The calls of which it is being asked what became of the same request before, and when their waits end.
    private var recalling: [CallID: TimerID?] = [:]

    /// Acquires from `leases`.
    public init(_ leases: Leases) {
        self.leases = leases
        calls = leases.calls
        keyspace = leases.keyspace
        memory = AcquisitionMemory(leases)
        calls.addCanceller(self)
    }

    /// Acquires what a call asks for, or what the same request was given before.
    func begin(
        _ wish: LeaseWish,
        _ requestID: JSONString?,
        _ method: StaticString,
        _ context: CallContext
    ) throws(RPCError) {
        guard let peer = calls.peer(of: context.call) else { return calls.reply(context.call) { $0.append("{}") } }
        var deadline = context.deadline
        if !context.isDeadlineGiven { deadline = deadline.advanced(milliseconds: wish.waitMilliseconds ?? 0) }
        var request = LeaseRequest(call: context.call, lane: context.lane, deadline: deadline, userID: context.userID)
        guard let requestID else {
            try leases.acquire(wish, for: request, of: peer, owner: self)
            return
        }
        let remembered = try RememberedRequest(
            requestID,
            context,
            method: method,
            key: wish.place.key,
            keyspace: keyspace
        ) { digested in
            for number in [
                wish.weight, wish.capacity, wish.lifeMilliseconds, wish.waitMilliseconds ?? -1, wish.holdMilliseconds,
                wish.isBound ? 1 : 0,
            ] {
                digested.append(" ")
                digested.append(decimal: number)
            }
            digested.append(wish.owner ?? [])
            digested.append(" ")
            digested.append(wish.label ?? [])
            if let replicas = wish.replicas {
                digested.append(" ")
                digested.append(decimal: replicas.count)
                digested.append(" ")
                digested.append(decimal: replicas.waitMilliseconds)
            }
        }
        request.remembered = remembered
        recall(wish, remembered, request, peer, context)
    }

    /// Asks what became of the same request before, and acquires where nothing did.
    private func recall(
        _ wish: LeaseWish,
        _ remembered: RememberedRequest,
        _ request: LeaseRequest,
        _ peer: Peer,
        _ context: CallContext
    ) {
        let call = context.call
        recalling[call] = .some(nil)
        if let wait = wish.waitMilliseconds, wait > 0 {
            recalling[call] = EventLoop.reactor.timers.schedule(at: request.asked.advanced(milliseconds: wait)) {
                guard self.recalling.removeValue(forKey: call) != nil else { return }
                self.calls.reply(call) { $0.append("{\"acquired\":false}") }
            }
        }
        Task { @EventLoop in
            do throws(RPCError) {
                let outcome = try await self.memory.begin(remembered, .make(), until: request.deadline)
                // Its client may have gone meanwhile, or cancelled it, or its wait may be over.
                guard self.endRecall(call), self.calls.isWaiting(call) else { return self.calls.abandon(call) }
                switch outcome {
                case .first(let id):
                    try self.leases.acquire(wish, id: id, for: request, of: peer, owner: self)
                case .refused(let result):
                    self.calls.reply(call) { $0.append(result) }
                case .granted(let id, _):
                    // It belongs to whoever asked last, as one that is renewed does.
                    let token = LeaseToken(id, wish.place.name)
                    self.leases.renew(token, wish.place.kind, life: nil, context, owner: self) { renewed in
                        self.answer(call, token, fence: renewed.fence, life: renewed.lifeLeft)
                    }
                }
            } catch {
                _ = self.endRecall(call)
                self.calls.fail(call, error)
            }
        }
    }

    /// Takes a call out of those of which it is being asked what became of them before; false where it is over.
    private func endRecall(_ call: CallID) -> Bool {
        guard let timer = recalling.removeValue(forKey: call) else { return false }
        if let timer { EventLoop.reactor.timers.cancel(timer) }
        return true
    }

    private func answer(_ call: CallID, _ token: LeaseToken, fence: Int64, life: Int64) {
        calls.reply(call) { result in
            result.append("{\"acquired\":true,\"lease\":\"")
            token.append(to: &result)
            result.append("\",\"fence\":")
            result.append(decimal: fence)
            result.append(",\"ttl_ms\":")
            result.append(decimal: life)
            result.append(UInt8(ascii: "}"))
        }
    }

    // MARK: News of leases

    /// Answers the call: the lease is held.
    public func leaseGranted(_ lease: Lease) {
        guard let call = lease.call else { return }
        lease.call = nil
        guard let request = lease.remembered else {
            return answer(call, lease.token, fence: lease.fence, life: lease.lifeLeft)
        }
        Task { @EventLoop in
            await self.memory.end(request, .granted(lease.id, fence: lease.fence))
            // Meanwhile it may have been lost, or taken over by the same request.
            guard lease.isHeld else { return self.calls.fail(call, Leases.lost) }
            self.answer(call, lease.token, fence: lease.fence, life: lease.lifeLeft)
        }
    }

    /// Counts the call among those that wait.
    public func leaseWaits(_ lease: Lease) {
        guard let call = lease.call, !calls.park(call) else { return }
        let message = "too many calls of this connection wait"
        leases.end(lease, because: RPCError(.overloaded, message, outcome: .notApplied))
    }

    /// Answers the call: the lease was not had.
    public func leaseRefused(_ lease: Lease, _ refusal: LeaseRefusal) {
        guard let call = lease.call else { return }
        lease.call = nil
        var result = ByteBuffer()
        result.append("{\"acquired\":false")
        if let holder = refusal.holder, let description = LeaseDescription(holder.description) {
            result.append(",\"holder\":{")
            description.appendWho(to: &result)
            result.append(",\"since_at_ms\":")
            result.append(decimal: holder.since)
            result.append(UInt8(ascii: "}"))
        }
        if refusal.retryAfterMilliseconds > 0 {
            result.append(",\"retry_after_ms\":")
            result.append(decimal: refusal.retryAfterMilliseconds)
        }
        result.append(UInt8(ascii: "}"))
        calls.reply(call) { $0.append(result.view) }
        guard let request = lease.remembered else { return }
        let text = result.view.copy()
        Task { @EventLoop in await self.memory.end(request, .refused(text)) }
    }

    /// Answers the call: the lease was not had for a reason.
    public func leaseFailed(_ lease: Lease, _ error: RPCError) {
        guard let call = lease.call else { return }
        lease.call = nil
        calls.fail(call, error)
    }

    /// Tells the connection that its lease can no longer be relied on.
    public func leaseLost(_ lease: Lease, _ loss: LeaseLoss) {
        let method: StaticString = lease.wish.place.kind == .semaphore ? "semaphore.lost" : "lock.lost"
        calls.push(lease.peer, method) { parameters in
            parameters.append("{\"lease\":\"")
            lease.token.append(to: &parameters)
            parameters.append("\",\"name\":")
            lease.wish.place.name.withByteView { parameters.append(jsonString: $0) }
            parameters.append(",\"fence\":")
            parameters.append(decimal: lease.fence)
            parameters.append(",\"reason\":\"")
            parameters.append(loss.word)
            parameters.append("\"}")
        }
    }
}

extension Acquisitions {
    /// The bytes of a name.
    func name(_ string: JSONString) throws(RPCError) -> [UInt8] {
        try keyspace.resolve(string, parameter: "name").copy()
    }

    /// A label as JSON text.
    func label(_ string: JSONString?) throws(RPCError) -> [UInt8]? {
        guard let string else { return nil }
        var buffer = ByteBuffer()
        buffer.append(jsonString: try keyspace.resolve(string, parameter: "label"))
        return buffer.view.copy()
    }

    /// The bytes of a party's name.
    func owner(_ string: JSONString?) throws(RPCError) -> [UInt8]? {
        guard let string else { return nil }
        return try keyspace.resolve(string, parameter: "owner").copy()
    }

    /// The lease that a text names; nil where it names none.
    ///
    /// - Throws: ``RPCError`` `too_large` where what it names has a longer name than anything leased.
    func token(_ string: JSONString) throws(RPCError) -> LeaseToken? {
        let token = string.hasEscapes ? string.decoded().withByteView { LeaseToken($0) } : LeaseToken(string.raw)
        if let token, token.name.count > keyspace.keyBytesMax {
            throw .tooLarge("the name of the lease", limitBytes: keyspace.keyBytesMax)
        }
        return token
    }

    /// Ends the lease that a text names.
    func release(_ string: JSONString, _ kind: LeaseKind, _ context: CallContext) throws(RPCError) {
        guard let token = try token(string) else {
            return calls.reply(context.call) { $0.append("{\"released\":false}") }
        }
        leases.release(token, kind, context)
    }

    /// Renews the lease that a text names.
    func renew(_ string: JSONString, _ kind: LeaseKind, life: Int64?, _ context: CallContext) throws(RPCError) {
        guard let token = try token(string) else { throw Leases.lost }
        leases.renew(token, kind, life: life, context, owner: self) { renewed in
            self.calls.reply(context.call) { result in
                result.append("{\"ttl_ms\":")
                result.append(decimal: renewed.lifeLeft)
                result.append(UInt8(ascii: "}"))
            }
        }
    }
}

extension Acquisitions: CallCanceller {
    /// Ends a call of which it is being asked what became of the same request before.
    public func cancel(_ call: CallID) -> Bool {
        guard endRecall(call) else { return false }
        calls.fail(call, .cancelled(.notApplied))
        return true
    }
}
