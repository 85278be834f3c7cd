import Bytes
import EventLoop
import JSONRPC
import Linux
import Store

/// One computes an entry of this host, the others wait for it; Valkey is not asked.
extension Cache {
    /// Answers those who wait for an entry of this host, or has one of them compute it.
    func askLocal(_ key: LeasedKey) {
        dropGone(key)
        if let holder = key.holder, holder.end <= .now { key.holder = nil }
        guard !key.waiters.isEmpty else { return settleLocal(key) }
        if let found = key.name.withByteView({ local.find($0) }) {
            let isStale = found.isStale
            let mayGrant = isStale && key.holder == nil && !local.isPaused(key.name)
            let value = found.value.copy()
            if mayGrant { grantLocal(key, (value, found.form)) }
            let waiters = key.waiters
            key.waiters = []
            for waiter in waiters {
                countNearHit(key.namespace)
                if isStale { countStale(key.namespace) }
                calls.reply(waiter.call) { result in
                    value.withByteView { value in
                        append(NearHit(value: value, form: found.form, expiry: .distantFuture), to: &result)
                    }
                    guard isStale else { return }
                    result.truncate(to: result.count - 1)
                    result.append(",\"stale\":true}")
                }
            }
        } else if local.isPaused(key.name) {
            let waiters = key.waiters
            key.waiters = []
            for waiter in waiters { answerMiss(waiter.call, key.namespace) }
        } else if key.holder == nil {
            grantLocal(key, nil)
        }
        settleLocal(key)
    }

    private func grantLocal(_ key: LeasedKey, _ stale: (value: [UInt8], form: NearForm)?) {
        let first = key.waiters.removeFirst()
        let token = Hexadecimal.random(words: 2)
        leases.granted += 1
        key.holder = LeasedKey.Holder(
            token: token,
            peer: first.peer,
            begun: Instant.now.nanoseconds,
            end: Instant.now.advanced(milliseconds: first.leaseMilliseconds),
            isLocal: true,
            mayBeKnown: false
        )
        key.isRefresh = stale != nil
        countMiss(key.namespace)
        calls.reply(first.call) { result in
            result.append("{\"hit\":false,")
            if let stale {
                switch stale.form {
                case .text: result.append("\"text\":")
                case .base64: result.append("\"base64\":")
                case .json, .guarded: result.append("\"value\":")
                }
                result.append(stale.value)
                result.append(",\"stale\":true,")
            }
            result.append("\"lease\":\"")
            result.append(token)
            result.append("\"}")
        }
    }
}
