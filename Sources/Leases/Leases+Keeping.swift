import Bytes
import Contract
import EventLoop
public import JSONRPC
import Linux
import Observability
import Valkey

// MARK: What is held

extension Leases {
    /// Sees to a lease that is held: sets the timer for its next renewal, or for its end.
    func keep(_ lease: Lease) {
        lease.cancelTimer()
        guard lease.isKept else { return }
        var next = lease.clock.validUntil
        if lease.isRenewed, !lease.isRenewing { next = min(next, lease.retryAt ?? lease.clock.nextRenewal) }
        lease.timer = EventLoop.reactor.timers.schedule(at: next) {
            lease.timer = nil
            self.timeCame(for: lease)
        }
    }

    private func timeCame(for lease: Lease) {
        guard lease.isKept else { return }
        let now = Instant.now
        guard now < lease.clock.validUntil else {
            return lease.state == .held ? lose(lease, reason(lease, now)) : cameLate(lease)
        }
        let next = lease.retryAt ?? lease.clock.nextRenewal
        if lease.isRenewed, !lease.isRenewing, now >= next { renew(lease, at: now) }
        keep(lease)
    }

    private func reason(_ lease: Lease, _ now: Instant) -> LeaseLoss {
        guard lease.wish.isBound else { return .expired }
        return lease.clock.isHoldOver(at: now) ? .heldTooLong : .unreachable
    }

    private func renew(_ lease: Lease, at now: Instant) {
        lease.retryAt = nil
        guard let life = lease.clock.nextLife(at: now) else { return }
        lease.isRenewing = true
        lease.renewalSent = now
        link.send(request(.renew, lease, lease.clock.validUntil), lane: lease.lane) { command in
            append(renewalOf: lease.id, lease.wish.place, lease.userID, life: life, to: &command)
        }
    }

    /// Appends the command that lengthens a lease.
    ///
    /// - Parameters:
    ///   - id: The lease.
    ///   - place: What it is a lease of.
    ///   - userID: Whose it is.
    ///   - life: The life to give, in milliseconds; nil for what it had.
    ///   - party: The connection that asks, as a party; empty where the agent does, and only a lease that it keeps is
    ///     meant.
    ///   - command: Receives the command.
    func append(
        renewalOf id: LeaseID,
        _ place: LeasePlace,
        _ userID: UInt32,
        life: Int64?,
        party: [UInt8] = [],
        to command: inout ByteBuffer
    ) {
        command.append(callOf: LeaseScripts.renew, keys: 2, arguments: 7)
        append(headOf: place, to: &command)
        command.append(word: id.text)
        command.append(word: Int64(userID))
        command.append(word: agent)
        if let life { command.append(word: life) } else { command.append(word: "") }
        command.append(word: party)
    }

    /// Takes the answer to a renewal.
    func renewed(_ lease: Lease, _ answer: RenewalAnswer) {
        lease.isRenewing = false
        guard lease.isKept else { return }
        switch answer {
        case .renewed(let life, _):
            counts.renewals += 1
            lease.clock.renewed(life: life, sent: lease.renewalSent)
            keep(lease)
        case .over: lease.state == .held ? lose(lease, .gone) : missed(lease)
        case .revoked: revoked(lease)
        case .moved:
            // Its holder took it along to another agent.
            lease.state == .held ? unregister(lease) : fail(lease, Leases.takenOver)
        case .error: renewalFailed(lease)
        }
    }

    /// Has a renewal without an answer tried again, until the lease can no longer be relied on.
    func renewalFailed(_ lease: Lease) {
        lease.isRenewing = false
        guard lease.isKept else { return }
        lease.retryAt = Instant.now.advanced(by: lease.clock.retryDelay)
        keep(lease)
    }

    /// Takes note that an operator revoked a lease: its holder is told, and ends it, or lets it run out.
    func revoked(_ lease: Lease) {
        if lease.state == .confirming { return missed(lease) }
        guard lease.state == .held else { return }
        lease.state = .revoked
        lease.cancelTimer()
        // The holder has until its lease ends, which a renewal under way may have put off; then there is nothing left to
        // release.
        lease.timer = EventLoop.reactor.timers.schedule(at: lease.latestEnd) {
            lease.timer = nil
            self.unregister(lease)
        }
        tell(lease, .broken)
    }

    /// Ends a lease that can no longer be relied on, and tells its holder.
    func lose(_ lease: Lease, _ loss: LeaseLoss) {
        unregister(lease)
        if case .unreachable = loss, lease.latestEnd > lease.clock.end {
            // A renewal without an answer may have lengthened what nobody holds any more.
            EventLoop.reactor.timers.schedule(at: lease.clock.end) {
                if !self.isHandedOver { self.letGo(lease) }
            }
        }
        tell(lease, loss)
    }

    private func tell(_ lease: Lease, _ loss: LeaseLoss) {
        counts.lost += 1
        log.warning(
            "a lease is lost",
            ["kind": "\(lease.wish.place.kind.word)", "reason": "\(loss.word)", "fence": String(lease.fence)]
        )
        unsafe lease.owner.leaseLost(lease, loss)
    }
}

// MARK: The end of connections

extension Leases: PeerObserver {
    /// Releases what is bound to a connection that is gone, and gives up what it waits for.
    public func peerClosed(_ peer: Peer) {
        release(of: peer, isClosed: true)
    }

    /// Keeps nothing back.
    public func peerDrained(_ peer: Peer) {}

    /// Releases what is bound to a process that has ended, although its connection lives.
    public func peerProcessEnded(_ peer: Peer) {
        release(of: peer, isClosed: false)
    }

    private func release(of peer: Peer, isClosed: Bool) {
        let key = ObjectIdentifier(peer)
        guard let holder = peers[key] else { return }
        if isClosed { peers[key] = nil }
        for lease in Array(holder.leases.values) where isClosed || lease.wish.isBound {
            switch lease.state {
            case .asking, .claiming:
                // What becomes of it is not known yet.
                lease.isAbandoned = true
            case .waiting, .confirming:
                abandon(lease)
            case .held, .revoked:
                let isTold = lease.state == .revoked
                unregister(lease)
                guard lease.wish.isBound, !isHandedOver else { continue }
                // Somebody else may have the connection, and rely on the lease.
                if !isClosed, !isTold, !peer.isOrphaned { tell(lease, .processEnded) }
                counts.releasedAfterEnd += 1
                letGo(lease)
            case .ended:
                continue
            }
            if let call = lease.call { calls.fail(call, RPCError(.cancelled, "the connection is gone")) }
        }
    }
}

extension Leases: CallCanceller {
    /// Ends a call that asks for a lease, or stands in a queue; what it may be granted nevertheless is released.
    public func cancel(_ call: CallID) -> Bool {
        guard let peer = calls.peer(of: call),
            let lease = peers[ObjectIdentifier(peer)]?.leases.values.first(where: { $0.call == call }), lease.isOpen
        else { return false }
        end(lease, because: .cancelled(.notApplied))
        return true
    }
}

// MARK: The end of the agent

extension Leases {
    /// Ends all waiting: the agent is ending.
    ///
    /// What is held is kept on until ``handOver()``.
    public func close() {
        isEnding = true
        for place in Array(waits.values) {
            for lease in place.leases {
                letGo(lease)
                fail(lease, RPCError(.shuttingDown, "the agent is shutting down", outcome: .notApplied))
            }
        }
    }

    /// Leaves what is held to its holders, who may take it along to the agent that follows (`lock.renew`).
    public func handOver() {
        isHandedOver = true
        for lease in leases.values { lease.cancelTimer() }
    }
}
