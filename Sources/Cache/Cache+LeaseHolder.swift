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
    ///   - token: The lease.
    ///   - begun: When Valkey gave it, by its clock; nil for one that Valkey, which is away, does not know of.
    ///   - stale: What is there.
    func grant(_ key: LeasedKey, _ token: [UInt8], begun: Int64?, stale: ByteView? = nil) {
        let isLocal = begun == nil
        dropGone(key)
        guard !key.waiters.isEmpty else {
            if !isLocal { release(key, token) }
            key.holder = nil
            return forgetIfIdle(key)
        }
        let first = key.waiters.removeFirst()
        leases.granted += 1
        key.holder = LeasedKey.Holder(
            token: token,
            peer: first.peer,
            begun: begun ?? 0,
            end: Instant.now.advanced(milliseconds: first.leaseMilliseconds),
            isLocal: isLocal
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
            result.append(token)
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
        guard let key = leases.ending.removeValue(forKey: call) else { return }
        if let holder = key.holder, !isReleased, !holder.isLocal { release(key, holder.token) }
        key.holder = nil
        renew(key)
    }

    /// Ends a lease whose holder has gone.
    func release(_ key: LeasedKey, _ token: [UInt8]) {
        if isLocal(key.namespace) { return }
        // Over the connection over which the next question goes, and so before it.
        sendUnattended(key.waiters.first?.lane ?? 0) { append(releaseOf: key, token, to: &$0) }
    }

    func append(releaseOf key: LeasedKey, _ token: [UInt8], to command: inout ByteBuffer) {
        command.append(callOf: CacheScripts.fail, keys: 1, arguments: 2)
        key.name.withByteView { command.append(word: $0) }
        token.withByteView { command.append(word: $0) }
        command.append(word: "")
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
        if !holder.isLocal { release(key, holder.token) }
        renew(key)
    }
}
