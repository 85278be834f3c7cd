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
    /// The requests of leases that have a name, by the lease.
    private var requests: [LeaseID: RememberedRequest] = [:]

    /// Acquires from `leases`.
    public init(_ leases: Leases) {
        self.leases = leases
        calls = leases.calls
        keyspace = leases.keyspace
        memory = AcquisitionMemory(leases)
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
        let request = LeaseRequest(call: context.call, lane: context.lane, deadline: deadline, userID: context.userID)
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
            digested.append(wish.place.key)
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
        }
        Task { @EventLoop in
            do throws(RPCError) {
                switch try await self.memory.begin(remembered, .make(), until: deadline) {
                case .first(let id):
                    // Whoever asked may have gone meanwhile.
                    guard self.calls.isWaiting(context.call) else { return self.calls.abandon(context.call) }
                    self.requests[id] = remembered
                    try self.leases.acquire(wish, id: id, for: request, of: peer, owner: self)
                case .refused:
                    self.calls.reply(context.call) { $0.append("{\"acquired\":false}") }
                case .granted(let id, let fence):
                    let life = await self.leases.life(of: id, wish.place, request.userID, until: deadline)
                    self.answer(context.call, LeaseToken(id, wish.place.name), fence: fence, life: life)
                }
            } catch {
                self.calls.fail(context.call, error)
            }
        }
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
        let request = requests.removeValue(forKey: lease.id)
        let life = lease.wish.lifeMilliseconds
        guard let request else { return answer(call, lease.token, fence: lease.fence, life: life) }
        Task { @EventLoop in
            await self.memory.end(request, .granted(lease.id, fence: lease.fence))
            self.answer(call, lease.token, fence: lease.fence, life: life)
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
        let request = requests.removeValue(forKey: lease.id)
        calls.reply(call) { result in
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
        }
        if let request { Task { @EventLoop in await self.memory.end(request, .refused) } }
    }

    /// Answers the call: the lease was not had for a reason.
    public func leaseFailed(_ lease: Lease, _ error: RPCError) {
        requests[lease.id] = nil
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

    /// The lease that a text names.
    ///
    /// - Throws: ``RPCError`` `lease_lost` where it names none.
    func token(_ string: JSONString) -> LeaseToken? {
        string.hasEscapes ? string.decoded().withByteView { LeaseToken($0) } : LeaseToken(string.raw)
    }

    /// Ends the lease that a text names.
    func release(_ string: JSONString, _ kind: LeaseKind, _ context: CallContext) {
        guard let token = token(string) else {
            return calls.reply(context.call) { $0.append("{\"released\":false}") }
        }
        leases.release(token, kind, context)
    }

    /// Renews the lease that a text names.
    func renew(_ string: JSONString, _ kind: LeaseKind, life: Int64?, _ context: CallContext) throws(RPCError) {
        guard let token = token(string) else { throw Leases.lost }
        leases.renew(token, kind, life: life, context, owner: self)
    }
}
