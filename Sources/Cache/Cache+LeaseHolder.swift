import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store
import Valkey

/// How a lease begins, and how it ends.
extension Cache {
    /// Gives the lease to whoever has waited longest, with the value that it is to compute anew where there is one.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - question: The question for the lease.
    ///   - begun: When Valkey gave it, by its clock; nil for one that Valkey, which is away, does not know of.
    ///   - stale: What is there.
    func grant(_ key: LeasedKey, _ question: LeasedKey.Question, begun: Int64?, stale: ByteView? = nil) {
        let isLocal = begun == nil
        let mayBeKnown = !isLocal || question.mayBeGiven
        dropGone(key)
        guard !key.waiters.isEmpty else {
            key.holder = nil
            if mayBeKnown { release(key, question.token, until: question.end) }
            return arm(key)
        }
        let first = key.waiters.removeFirst()
        leases.granted += 1
        key.holder = LeasedKey.Holder(
            token: question.token,
            peer: first.peer,
            begun: begun ?? 0,
            end: Instant.now.advanced(milliseconds: first.leaseMilliseconds),
            isLocal: isLocal,
            mayBeKnown: mayBeKnown
        )
        key.isRefresh = stale != nil
        countMiss(key.namespace)
        calls.reply(first.call) { result in
            result.append("{\"hit\":false,")
            if let stale {
                StoredValue.append(stale, to: &result, depthMax: depthMax)
                result.append(",\"stale\":true,")
            }
            result.append("\"lease\":\"")
            result.append(question.token)
            result.append(isLocal ? "\",\"degraded\":true}" : "\"}")
        }
        if stale != nil { return }
        if key.isNews, !key.waiters.isEmpty { return ask(key) }
        dismissLate(key)
        arm(key)
    }

    // MARK: The end of a lease

    /// Takes note that the call that ends a lease had its reply.
    ///
    /// - Parameters:
    ///   - call: The call; one that ends none is left alone.
    ///   - isReleased: Whether Valkey ended the lease with it.
    func leaseEnded(_ call: CallID, isReleased: Bool) {
        guard let (key, ended) = leases.ending.removeValue(forKey: call) else { return }
        if !isReleased, ended.mayBeKnown { release(key, ended.token, until: ended.end) }
        // Its time may have passed meanwhile, and another hold the next.
        guard key.holder?.token == ended.token else { return }
        key.holder = nil
        renew(key)
    }

    /// Ends a lease whose holder has gone.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - token: The lease.
    ///   - end: When it is over by itself.
    func release(_ key: LeasedKey, _ token: [UInt8], until end: Instant) {
        if isLocal(key.namespace) { return }
        // Over the connection over which the next question goes, and so before it.
        release(LeaseRelease(name: key.name, token: token, lane: key.waiters.first?.lane ?? 0, end: end))
    }

    /// Has Valkey end a lease, and does so again until it has, or the lease is over by itself: nobody could compute the
    /// entry before.
    func release(_ release: LeaseRelease) {
        let now = Instant.now
        guard release.end > now, !link.isEnded else { return }
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.unattended.rawValue, detail: leases.begin(release)),
            effect: .idempotentWrite,
            deadline: min(release.end, now.advanced(by: Cache.furtherStepTimeout))
        )
        link.send(request, lane: release.lane) { command in
            command.append(callOf: CacheScripts.fail, keys: 1, arguments: 2)
            release.name.withByteView { command.append(word: $0) }
            release.token.withByteView { command.append(word: $0) }
            command.append(word: "")
        }
    }

    /// Takes note of the failure of what nobody waits for: what ends a lease is sent again.
    func unattendedFailed(_ number: UInt32) {
        guard var release = leases.releases.removeValue(forKey: number), !link.isEnded else { return }
        let instant = Instant.now.advanced(by: release.delay)
        release.delay = min(release.delay * 2, Cache.furtherStepTimeout)
        EventLoop.reactor.timers.schedule(at: instant) { self.release(release) }
    }

    /// Passes on the leases of a connection that has gone.
    func releaseLeases(of peer: Peer) {
        guard !leases.isEmpty else { return }
        for key in leases.all {
            guard let holder = key.holder, holder.peer === peer else { continue }
            dropGone(key)
            pass(key, holder)
        }
    }

    /// Takes a lease from its holder, for whoever waits.
    func pass(_ key: LeasedKey, _ holder: LeasedKey.Holder) {
        key.holder = nil
        if holder.mayBeKnown { release(key, holder.token, until: holder.end) }
        renew(key)
    }
}
