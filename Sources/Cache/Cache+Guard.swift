import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Store

/// Copies in memory that are checked before they are served.
extension Cache {
    /// Answers a read from a copy that has a guard.
    ///
    /// - Returns: Whether it was answered; else Valkey is to be asked.
    func answerGuarded(
        _ hit: NearHit,
        _ name: ByteView,
        _ parameters: CacheGetParameters,
        _ context: CallContext,
        _ number: UInt16
    ) -> Bool {
        let call = context.call
        let copy = NearGuard(hit.value)
        guard stands(copy) else { return false }
        let isStale = isStale(copy)
        if isStale, let wish = wish(parameters, context) {
            // The copy is lent until the near cache changes.
            let owned = hit.value.copy()
            joinStale(name.copy(), number, wish) {
                countNearHit(number)
                countStale(number)
                calls.reply(call) { result in
                    owned.withByteView { append(guarded: NearGuard($0), isStale: true, to: &result) }
                }
            }
            return true
        }
        countNearHit(number)
        if isStale { countStale(number) }
        calls.reply(call) { result in
            append(guarded: copy, isStale: isStale, to: &result)
            guard parameters.withTTL else { return }
            result.truncate(to: result.count - 1)
            let end = min(copy.staleAt, hit.expiry)
            append(life: end == .distantFuture ? -1 : max(end.milliseconds(since: .now), 0), to: &result)
        }
        return true
    }

    /// Whether the tags of a copy are still those that it was made under.
    func stands(_ copy: NearGuard) -> Bool { copy.tags.allSatisfy { tags.stands($0) } }

    /// Whether the life of a copy is over.
    func isStale(_ copy: NearGuard) -> Bool { copy.staleAt <= EventLoop.reactor.now }

    /// Appends a hit in memory that has a guard.
    func append(guarded copy: NearGuard, isStale: Bool, to result: inout ByteBuffer) {
        append(NearHit(value: copy.value, form: copy.form, expiry: copy.staleAt), to: &result)
        guard isStale else { return }
        result.truncate(to: result.count - 1)
        result.append(",\"stale\":true}")
    }
}
