import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Store
import Valkey

/// Leases of which replicas must know: acquired over a connection of the caller's own, on which `WAIT` then tells how
/// many replicas have what it wrote.
///
/// That narrows the window in which a failover forgets the lease; it does not close it, for a replica that does not know
/// may still be promoted. The fence is what protects.
extension Leases {
    /// Asks for a lease and waits for the replicas.
    func askDurably(_ lease: Lease) {
        Task { @EventLoop in
            await self.exchangeDurably(lease) { command in
                self.append(acquisitionOf: lease, to: &command)
            } take: { reply in
                let answer = LeaseAnswer(reply, to: lease.wish)
                if case .granted(let fence, let life) = answer { return self.confirm(lease, fence: fence, life: life) }
                self.asked(lease, answer)
                return false
            }
        }
    }

    /// Takes a lease that was granted, and waits for the replicas.
    func claimDurably(_ lease: Lease) {
        Task { @EventLoop in
            await self.exchangeDurably(lease) { command in
                self.append(renewalOf: lease.id, lease.wish.place, lease.userID, life: nil, to: &command)
            } take: { reply in
                let answer = RenewalAnswer(reply)
                if case .renewed(let life, let record) = answer {
                    return self.confirm(lease, fence: record.fence, life: life)
                }
                self.claimed(lease, answer)
                return false
            }
        }
    }

    /// Keeps a lease that was granted while replicas learn of it: that may take longer than its life.
    ///
    /// - Returns: Whether to wait for them: false where nobody wants it any more.
    private func confirm(_ lease: Lease, fence: Int64, life: Int64) -> Bool {
        guard lease.state == .asking || lease.state == .claiming else { return false }
        if lease.isAbandoned {
            abandon(lease)
            return false
        }
        endWait(lease)
        lease.state = .confirming
        lease.fence = fence
        lease.clock.heardOfHolder(at: .now)
        lease.clock.renewed(life: life, sent: lease.sent)
        keep(lease)
        return true
    }

    /// Sends one command, then `WAIT` where it had its effect.
    ///
    /// - Parameters:
    ///   - lease: The lease.
    ///   - encode: Appends the command.
    ///   - take: Takes its reply; whether the replicas must know before the lease is had.
    private func exchangeDurably(
        _ lease: Lease,
        _ encode: (inout ByteBuffer) -> Void,
        take: (ReplyValue) -> Bool
    ) async {
        guard let replicas = lease.wish.replicas else { preconditionFailure("nothing is asked of replicas") }
        let deadline = lease.answerDeadline
        lease.attempt += 1
        let attempt = lease.attempt
        do throws(LinkFailure) {
            let connection = try link.blocking.take()
            defer { connection.giveBack() }
            var reply = try await connection.call(until: deadline, encode)
            if case .error(let text) = reply, text.hasPrefix("NOSCRIPT") {
                for script in LeaseScripts.all {
                    _ = try await connection.call(until: deadline) { $0.append(loadOf: script) }
                }
                reply = try await connection.call(until: deadline, encode)
            }
            guard lease.attempt == attempt, take(reply) else { return }
            let known = try await connection.call(until: deadline) { command in
                command.append(commandOf: 3)
                command.append(word: "WAIT")
                command.append(word: replicas.count)
                command.append(word: max(replicas.waitMilliseconds, 1))
            }
            guard lease.state == .confirming, lease.attempt == attempt else { return }
            if case .error(let text) = known {
                letGo(lease)
                return fail(lease, text.withByteView { RPCError(refusal: $0, .idempotentWrite) })
            }
            let count = known.integer ?? 0
            guard count >= replicas.count else {
                letGo(lease)
                return fail(lease, Leases.tooFewReplicas(count, of: replicas.count))
            }
            hold(lease)
        } catch {
            if lease.attempt == attempt { askFailed(lease, error) }
        }
    }

    private static func tooFewReplicas(_ count: Int64, of wanted: Int64) -> RPCError {
        RPCError(
            .conflict,
            "\(count) replicas know of the lease in time, not \(wanted): it was released; look after the replicas, or ask "
                + "for fewer",
            isRetryable: true,
            outcome: .notApplied,
            details: [("replicas", String(count))]
        )
    }
}
