public import Bytes
import Contract
import EventLoop
import JSON
public import JSONRPC
public import Linux
public import Store
public import Valkey

// MARK: Calls on leases that there are

extension Leases {
    /// Ends a lease, and answers the call with `{released}`: one round trip.
    ///
    /// It is renewed no more from this moment on, whatever becomes of the call.
    public func release(_ token: LeaseToken, _ kind: LeaseKind, _ context: CallContext) {
        let place = LeasePlace(kind, token.name, keyspace)
        var outlives = false
        if turns.isTaken(token.id) { endedMeanwhile[token.id, default: []].insert(context.userID) }
        if let lease = ids[token.id], lease.userID == context.userID {
            if lease.isOpen {
                let message = "the lease was released while it was waited for"
                end(lease, because: RPCError(.cancelled, message, outcome: .notApplied))
            } else if !lease.isAbandoned {
                outlives = lease.state == .held && lease.validUntil >= context.deadline
                unregister(lease)
            }
        }
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.release.rawValue, call: context.call.rawValue),
            effect: .idempotentWrite,
            deadline: context.deadline
        )
        link.send(request, lane: context.lane) {
            append(releaseOf: token.id, place, context.userID, isOwn: false, outlives: outlives, to: &$0)
        }
    }

    func answerRelease(_ call: CallID, _ reply: Reply) {
        if reply.kind == .error { return calls.fail(call, RPCError(refusal: reply, .idempotentWrite)) }
        if reply.integer == 1 { counts.released += 1 }
        calls.reply(call) { result in
            result.append("{\"released\":")
            result.append(jsonBoolean: reply.integer == 1)
            result.append(UInt8(ascii: "}"))
        }
    }

    /// Ends a wait that its owner will not have: the owner is told of the failure.
    public func end(_ lease: Lease, because error: RPCError) {
        guard lease.isOpen else { return }
        forsake(lease)
        unsafe lease.owner.leaseFailed(lease, error)
    }

    /// Ends a lease, or its wait, on behalf of its owner, who is told nothing more: one round trip.
    ///
    /// - Throws: ``RPCError`` of the link or of Valkey; the lease is renewed no more all the same.
    public func end(_ lease: Lease, until deadline: Instant) async throws(RPCError) {
        lease.isAbandoned = true
        let isOpen = [.asking, .claiming].contains(lease.state)
        if !isOpen { unregister(lease) }
        _ = try await call(.idempotentWrite, until: deadline) { command in
            append(releaseOf: lease.id, lease.wish.place, lease.userID, isOwn: true, to: &command)
        }
    }

    /// Renews a lease for a client, and binds it to the client's connection where it is a bound one: one round trip.
    ///
    /// Where the connection that had it has ended, the release comes first, and the lease is lost.
    ///
    /// - Parameters:
    ///   - token: What the client shows.
    ///   - kind: What it must be a lease of.
    ///   - life: The life to give, in milliseconds; nil for what it had.
    ///   - context: The call.
    ///   - owner: Told of the lease's loss from now on.
    ///   - answer: Answers the call, where the lease is the connection's.
    public func renew(
        _ token: LeaseToken,
        _ kind: LeaseKind,
        life: Int64?,
        _ context: CallContext,
        owner: any LeaseOwner,
        answer: @escaping @EventLoop (RenewedLease) -> Void
    ) {
        let place = LeasePlace(kind, token.name, keyspace)
        let peer = calls.peer(of: context.call)
        // Once Valkey was asked, the lease is the connection's: whether that can hold it is seen before.
        if let peer, ids[token.id]?.wish.isBound != false, !calls.watchProcess(of: peer) {
            return calls.fail(context.call, .processEnded)
        }
        // The connection is the party from now on.
        let party = peer.map { holder(of: $0).party } ?? []
        Task { @EventLoop in
            do throws(RPCError) {
                try await self.turns.enter(token.id, until: context.deadline)
                defer { self.endTurn(token.id) }
                // Whoever has gone meanwhile wants nothing renewed, and others wait for what it had.
                guard self.calls.isWaiting(context.call) else { return }
                let sent = Instant.now
                let outcome = try await self.renewal(token, place, life: life, party, sent: sent, context)
                switch outcome {
                case .renewed(let life, let record):
                    answer(try self.adopt(token, place, record, life: life, sent: sent, context, owner))
                case .over, .revoked, .moved:
                    if let lease = self.ids[token.id], lease.userID == context.userID {
                        // Whoever held it hears of it, too.
                        if case .revoked = outcome { self.revoked(lease) } else { self.ended(lease) }
                    }
                    throw Leases.lost
                case .error(let error):
                    throw error
                }
            } catch {
                self.calls.fail(context.call, error)
            }
        }
    }

    /// Lets the next one have its turn, which finds what was ended meanwhile gone.
    func endTurn(_ id: LeaseID) {
        endedMeanwhile[id] = nil
        turns.leave(id)
    }

    /// Asks Valkey to renew a lease for a client.
    private func renewal(
        _ token: LeaseToken,
        _ place: LeasePlace,
        life: Int64?,
        _ party: [UInt8],
        sent: Instant,
        _ context: CallContext
    ) async throws(RPCError) -> RenewalAnswer {
        do throws(LinkFailure) {
            let reply = try await link.call(.idempotentWrite, deadline: context.deadline, lane: context.lane) {
                append(renewalOf: token.id, place, context.userID, life: life, party: party, to: &$0)
            }
            return RenewalAnswer(reply)
        } catch {
            if error.outcome == .unknown, let life { mayBeCut(token, to: life, sent: sent, context) }
            throw RPCError(error)
        }
    }

    /// Takes note that a lease may have another life than its holder counts on, which has heard of no answer.
    private func mayBeCut(_ token: LeaseToken, to life: Int64, sent: Instant, _ context: CallContext) {
        guard let known = ids[token.id], known.isKept, known.userID == context.userID else { return }
        known.clock.cut(life: life, sent: sent)
        keep(known)
    }

    /// Valkey does not know a lease any more that a connection of this agent may hold.
    private func ended(_ lease: Lease) {
        if lease.state == .held { lose(lease, .gone) } else if lease.state == .revoked { unregister(lease) }
    }

    /// A lease was renewed for a connection, whose it is from now on.
    ///
    /// - Throws: ``RPCError`` where there is nobody to hold it, or its life was over when the answer came; a bound one is
    ///   released then.
    private func adopt(
        _ token: LeaseToken,
        _ place: LeasePlace,
        _ record: LeaseRecord,
        life: Int64,
        sent: Instant,
        _ context: CallContext,
        _ owner: any LeaseOwner
    ) throws(RPCError) -> RenewedLease {
        guard let description = LeaseDescription(record.description) else { throw .unexpectedReply }
        let known = ids[token.id]
        var clock = LeaseClock(life: life, hold: description.holdMilliseconds, at: sent)
        clock.renewedByClient(life: life, sent: sent)
        let peer = calls.peer(of: context.call)
        if let known, known.state == .held, known.peer === peer {
            known.clock.renewedByClient(life: life, sent: sent)
            keep(known)
            guard known.lifeLeft > 0 else { throw Leases.lost }
            return RenewedLease(fence: record.fence, lifeLeft: known.lifeLeft)
        }
        do throws(RPCError) {
            guard endedMeanwhile[token.id]?.contains(context.userID) != true else { throw Leases.lost }
            guard let peer, clock.validUntil.milliseconds(since: .now) > 0 else { throw Leases.lost }
            if description.isBound { try calls.bind(toProcessOf: peer) }
            if let known { takeOver(known) }
            var wish = LeaseWish(place, lifeMilliseconds: life)
            wish.weight = record.weight
            wish.isBound = description.isBound
            wish.holdMilliseconds = description.holdMilliseconds
            wish.label = description.label
            let request = LeaseRequest(
                call: nil,
                lane: context.lane,
                deadline: context.deadline,
                userID: context.userID
            )
            let lease = try register(wish, token.id, request, peer, owner, party: record.party)
            lease.description = description
            lease.fence = record.fence
            lease.state = .held
            lease.clock = clock
            keep(lease)
            listen()
            lookAgain(atWaitsOf: lease)
            return RenewedLease(fence: record.fence, lifeLeft: lease.lifeLeft)
        } catch {
            // Whoever has it keeps it, for the life that it has now. Where nobody does, a bound one is released, and the
            // other runs on.
            mayBeCut(token, to: life, sent: sent, context)
            if description.isBound, ids[token.id] == nil {
                letGo(token.id, place, context.userID, until: sent.advanced(milliseconds: life))
            }
            throw error
        }
    }

    /// The error of a call that shows a lease that is none, or no longer.
    public static let lost = RPCError(
        .leaseLost,
        "the lease is not, or no longer, yours: stop the work that it protects, and ask anew",
        outcome: .notApplied
    )
}

/// What whoever renewed a lease is told.
public struct RenewedLease: Sendable {
    /// The fence.
    public let fence: Int64
    /// For how long it can be relied on unless it is renewed again, in milliseconds, at least 1.
    public let lifeLeft: Int64
}

// MARK: Looking

/// Who holds a place and who waits for it.
public struct LeaseState: Sendable {
    /// The last fence that was given; 0 where there was none.
    public var fence: Int64 = 0
    /// Places that there are, while somebody holds one.
    public var capacity: Int64 = 0
    /// What the server's clock showed, Unix milliseconds.
    public var now: Int64 = 0
    /// Those who hold, the earliest first.
    public var holders: [LeaseRecord] = []
    /// Those who wait, the first of them first.
    public var waiters: [LeaseRecord] = []
}

extension Leases {
    /// Who holds a place and who waits for it: one round trip.
    ///
    /// - Throws: ``RPCError`` of the link or of Valkey.
    public func inspect(_ place: LeasePlace, until deadline: Instant) async throws(RPCError) -> LeaseState {
        let reply = try await call(LeaseScripts.inspect, place, [], until: deadline)
        guard let elements = reply.elements, elements.count == 5 else { throw .unexpectedReply }
        let records = { (reply: ReplyValue) in
            (reply.elements ?? []).compactMap { $0.bytes.flatMap { LeaseRecord($0) } }
        }
        return LeaseState(
            fence: elements[0].number ?? 0,
            capacity: elements[1].number ?? 0,
            now: elements[2].number ?? 0,
            holders: records(elements[3]).sorted { $0.fence < $1.fence },
            waiters: records(elements[4])
        )
    }

    /// Revokes every lease of a place: their holders are told, and each ends it or lets it run out.
    ///
    /// - Returns: How many.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    public func revoke(_ place: LeasePlace, until deadline: Instant) async throws(RPCError) -> Int64 {
        let reply = try await call(LeaseScripts.revoke, place, [], until: deadline)
        return reply.integer ?? 0
    }

    /// A page of the names of places, held or not.
    ///
    /// - Parameters:
    ///   - kind: What they are.
    ///   - cursor: Where the page begins; 0 for the first.
    ///   - deadline: When to stop waiting.
    /// - Returns: The names, and where the next page begins; 0 at the end.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    public func names(
        _ kind: LeaseKind,
        from cursor: UInt64,
        until deadline: Instant
    ) async throws(RPCError) -> (names: [[UInt8]], cursor: UInt64) {
        let stem = keyspace.stem(kind.holders, nil)
        let reply = try await call(.read, until: deadline) { command in
            command.append(commandOf: 6)
            command.append(word: "SCAN")
            command.append(word: String(cursor))
            command.append(word: "MATCH")
            command.append(word: Glob.escaped(stem) + [UInt8(ascii: "*")])
            command.append(word: "COUNT")
            command.append(word: "200")
        }
        guard let elements = reply.elements, elements.count == 2, let next = elements[0].text.flatMap({ UInt64($0) })
        else { throw .unexpectedReply }
        let keys = (elements[1].elements ?? []).compactMap(\.bytes)
        return (keys.compactMap { LeasePlace.name(inTagged: $0.dropFirst(stem.count)) }, next)
    }

    func call(
        _ script: Script,
        _ place: LeasePlace,
        _ arguments: [[UInt8]],
        until deadline: Instant
    ) async throws(RPCError) -> ReplyValue {
        try await call(.idempotentWrite, until: deadline) { command in
            command.append(callOf: script, keys: 2, arguments: 2 + arguments.count)
            append(headOf: place, to: &command)
            for argument in arguments { command.append(word: argument) }
        }
    }

    /// Sends a command and waits for what is no error.
    ///
    /// - Throws: ``RPCError`` of the link or of Valkey.
    public func call(
        _ effect: CommandEffect,
        until deadline: Instant,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(RPCError) -> ReplyValue {
        try await link.result(effect, deadline: deadline, lane: -1, encode)
    }
}
