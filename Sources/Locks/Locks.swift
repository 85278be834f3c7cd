import Bytes
public import Contract
public import EventLoop
import JSON
public import JSONRPC
import Leases
import Linux
import Observability
public import Store

/// The methods `lock.*`: one at a time, or many who only read, over all hosts, in the order of asking.
@EventLoop
public final class Locks {
    private let acquisitions: Acquisitions
    private let leases: Leases

    /// Serves the methods.
    public init(_ acquisitions: Acquisitions) {
        self.acquisitions = acquisitions
        leases = acquisitions.leases
    }

    private func place(_ name: JSONString) throws(RPCError) -> LeasePlace {
        LeasePlace(.lock, try acquisitions.name(name), acquisitions.keyspace)
    }

    /// Answers `lock.acquire`: one round trip, and the wait that the call allows.
    ///
    /// - Throws: ``RPCError`` where the parameters are not usable.
    public func acquire(_ parameters: LockAcquireParameters, _ context: CallContext) throws(RPCError) {
        var wish = LeaseWish(try place(parameters.name), lifeMilliseconds: parameters.ttlMilliseconds)
        if parameters.mode == .shared { wish.weight = 1 }
        wish.waitMilliseconds = parameters.waitMilliseconds
        wish.isBound = parameters.bind == .connection
        wish.holdMilliseconds = parameters.maxHoldMilliseconds
        wish.owner = try acquisitions.owner(parameters.owner)
        wish.label = try acquisitions.label(parameters.label)
        wish.replicas = parameters.replicasMin.map { ($0, parameters.replicasWaitMilliseconds) }
        try acquisitions.begin(wish, parameters.requestID, "lock.acquire", context)
    }

    /// Answers `lock.renew`: one round trip.
    public func renew(_ parameters: LockRenewParameters, _ context: CallContext) throws(RPCError) {
        try acquisitions.renew(parameters.lease, .lock, life: parameters.ttlMilliseconds, context)
    }

    /// Answers `lock.release`: one round trip.
    public func release(_ parameters: LockReleaseParameters, _ context: CallContext) throws(RPCError) {
        try acquisitions.release(parameters.lease, .lock, context)
    }

    /// Answers `lock.inspect`: one round trip.
    public func inspect(_ parameters: LockInspectParameters, _ context: CallContext) throws(RPCError) {
        let place = try place(parameters.name)
        acquisitions.calls.answer(context.call) { () async throws(RPCError) in
            let state = try await self.leases.inspect(place, until: context.deadline)
            var result = ByteBuffer()
            state.append(asLock: place.name, to: &result)
            return result.view.copy()
        }
    }

    /// Answers `lock.break`: one round trip; the lock is free once its holder has let go, or its life is over.
    public func `break`(_ parameters: LockBreakParameters, _ context: CallContext) throws(RPCError) {
        let place = try place(parameters.name)
        acquisitions.calls.answer(context.call) { () async throws(RPCError) in
            let count = try await self.leases.revoke(place, until: context.deadline)
            self.leases.log.notice(
                "a lock was broken by an operator",
                ["user": String(context.userID), "leases": String(count)]
            )
            return Array("{\"broken\":\(count > 0)}".utf8)
        }
    }

    /// Answers `lock.list`: a walk through the names of locks, and a round trip for each of a page.
    ///
    /// - Throws: ``RPCError`` where pattern or cursor is not usable.
    public func list(_ parameters: LockListParameters, _ context: CallContext) throws(RPCError) {
        var cursor: UInt64 = 0
        if let given = parameters.cursor {
            guard let number = UInt64(given.decoded()) else {
                throw .invalidParams("cursor must be what the page before returned", parameter: "cursor")
            }
            cursor = number
        }
        var glob: [UInt8]?
        if let pattern = parameters.pattern {
            glob = try acquisitions.keyspace.resolve(pattern, parameter: "pattern").copy()
        }
        acquisitions.calls.answer(context.call) { () async throws(RPCError) in
            try await self.page(from: cursor, glob, context.deadline)
        }
    }

    private func isMatched(_ name: [UInt8], by glob: [UInt8]?) -> Bool {
        guard let glob else { return true }
        return glob.withByteView { glob in name.withByteView { Glob.matches(glob, $0) } }
    }

    private func page(from cursor: UInt64, _ glob: [UInt8]?, _ deadline: Instant) async throws(RPCError) -> [UInt8] {
        let (names, next) = try await leases.names(.lock, from: cursor, until: deadline)
        var result = ByteBuffer()
        result.append("{\"locks\":[")
        var isFirst = true
        for name in names where isMatched(name, by: glob) {
            let place = LeasePlace(.lock, name, acquisitions.keyspace)
            let state = try await leases.inspect(place, until: deadline)
            guard !state.holders.isEmpty || !state.waiters.isEmpty else { continue }
            if !isFirst { result.append(UInt8(ascii: ",")) }
            isFirst = false
            state.append(asLock: name, to: &result)
        }
        result.append("],\"cursor\":")
        if next == 0 {
            result.append("null}")
        } else {
            result.append("\"")
            result.append(decimal: next)
            result.append("\"}")
        }
        return result.view.copy()
    }
}
