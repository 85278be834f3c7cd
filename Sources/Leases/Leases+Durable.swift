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
                let answer = LeaseAnswer(reply)
                if case .granted = answer { return ({ self.asked(lease, answer) }, true) }
                return ({ self.asked(lease, answer) }, false)
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
                if case .renewed = answer { return ({ self.claimed(lease, answer) }, true) }
                return ({ self.claimed(lease, answer) }, false)
            }
        }
    }

    /// Sends one command, then `WAIT` where it had its effect.
    ///
    /// - Parameters:
    ///   - lease: The lease.
    ///   - encode: Appends the command.
    ///   - take: Reads its reply: what to do with it, and whether the replicas must know first.
    private func exchangeDurably(
        _ lease: Lease,
        _ encode: (inout ByteBuffer) -> Void,
        take: (ReplyValue) -> (finish: @EventLoop () -> Void, isWritten: Bool)
    ) async {
        guard let replicas = lease.wish.replicas else { preconditionFailure("nothing is asked of replicas") }
        let deadline = lease.answerDeadline
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
            let (finish, isWritten) = take(reply)
            guard isWritten else { return finish() }
            let known = try await connection.call(until: deadline) { command in
                command.append(commandOf: 3)
                command.append(word: "WAIT")
                command.append(word: replicas.count)
                command.append(word: max(replicas.waitMilliseconds, 1))
            }
            if case .error(let text) = known {
                letGo(lease)
                return fail(lease, text.withByteView { RPCError(refusal: $0, .idempotentWrite) })
            }
            let count = known.integer ?? 0
            guard count >= replicas.count else {
                letGo(lease)
                return fail(lease, Leases.tooFewReplicas(count, of: replicas.count))
            }
            finish()
        } catch {
            askFailed(lease, error)
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
