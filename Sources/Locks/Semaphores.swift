import Bytes
public import Contract
public import EventLoop
import JSON
public import JSONRPC
import Leases
public import Store

/// The methods `semaphore.*`: a number of permits, over all hosts, in the order of asking.
@EventLoop
public final class Semaphores {
    private let acquisitions: Acquisitions
    private let leases: Leases

    /// Serves the methods.
    public init(_ acquisitions: Acquisitions) {
        self.acquisitions = acquisitions
        leases = acquisitions.leases
    }

    /// Answers `semaphore.acquire`: one round trip, and the wait that the call allows.
    ///
    /// - Throws: ``RPCError`` where the parameters are not usable.
    public func acquire(_ parameters: SemaphoreAcquireParameters, _ context: CallContext) throws(RPCError) {
        guard parameters.permits <= parameters.limit else {
            throw .invalidParams("permits must be at most the limit of \(parameters.limit)", parameter: "permits")
        }
        let place = LeasePlace(.semaphore, try acquisitions.name(parameters.name), acquisitions.keyspace)
        var wish = LeaseWish(place, lifeMilliseconds: parameters.ttlMilliseconds)
        wish.weight = parameters.permits
        wish.capacity = parameters.limit
        wish.waitMilliseconds = parameters.waitMilliseconds
        wish.isBound = parameters.bind == .connection
        wish.holdMilliseconds = parameters.maxHoldMilliseconds
        wish.owner = try acquisitions.owner(parameters.owner)
        wish.label = try acquisitions.label(parameters.label)
        wish.replicas = parameters.replicasMin.map { ($0, parameters.replicasWaitMilliseconds) }
        try acquisitions.begin(wish, parameters.requestID, "semaphore.acquire", context)
    }

    /// Answers `semaphore.renew`: one round trip.
    public func renew(_ parameters: SemaphoreRenewParameters, _ context: CallContext) throws(RPCError) {
        try acquisitions.renew(parameters.lease, .semaphore, life: parameters.ttlMilliseconds, context)
    }

    /// Answers `semaphore.release`: one round trip.
    public func release(_ parameters: SemaphoreReleaseParameters, _ context: CallContext) throws(RPCError) {
        try acquisitions.release(parameters.lease, .semaphore, context)
    }

    /// Answers `semaphore.inspect`: one round trip.
    public func inspect(_ parameters: SemaphoreInspectParameters, _ context: CallContext) throws(RPCError) {
        let place = LeasePlace(.semaphore, try acquisitions.name(parameters.name), acquisitions.keyspace)
        acquisitions.calls.answer(context.call) { () async throws(RPCError) in
            let state = try await self.leases.inspect(place, until: context.deadline)
            var result = ByteBuffer()
            state.appendSemaphore(to: &result)
            return result.view.copy()
        }
    }
}
