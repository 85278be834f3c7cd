import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store
import Valkey

/// Reads of an entry with all that it takes to write it anew elsewhere.
extension Cache {
    /// Answers `cache.get` with `with_tags`: from Valkey, one round trip, two for an entry with tags.
    func getWhole(_ parameters: CacheGetParameters, _ key: ByteView, _ context: CallContext) {
        let name = keyspace.name(.cache, parameters.namespace, key)
        let namespace = register.number(of: parameters.namespace)
        let withLife = parameters.withTTL
        Task { @EventLoop in
            do throws(LinkFailure) {
                try await self.readWhole(name, namespace, withLife: withLife, context)
            } catch {
                guard error.code == .unavailable, self.settings(ofNumber: namespace).missesWhileAway else {
                    return self.calls.fail(context.call, RPCError(error))
                }
                self.counts.degraded += 1
                self.calls.reply(context.call) { $0.append("{\"hit\":false,\"degraded\":true}") }
            }
        }
    }

    private func readWhole(
        _ name: [UInt8],
        _ namespace: UInt16,
        withLife: Bool,
        _ context: CallContext
    ) async throws(LinkFailure) {
        var reply = try await lifeAndEntry(of: name, context.deadline, context.lane)
        guard let peer = calls.peer(of: context.call) else { return calls.abandon(context.call) }
        let bytes = reply.elements?.last?.bytes?.count ?? 0
        if !secondSteps.begin(peer, bytes: bytes) {
            reply = .null
            await secondSteps.turn(peer, bytes: bytes)
        }
        defer { secondSteps.end(peer, bytes: bytes) }
        guard calls.isWaiting(context.call) else { return calls.abandon(context.call) }
        if reply == .null { reply = try await lifeAndEntry(of: name, context.deadline, context.lane) }
        guard let elements = reply.elements, elements.count == 2, let stored = elements[1].bytes,
            try await !isOutdated(stored, at: name, context.deadline, context.lane)
        else { return answerMiss(context.call, namespace) }
        answerWhole(stored, name, namespace, life: elements[0].integer ?? -1, withLife: withLife, context.call)
    }

    private func answerWhole(
        _ stored: [UInt8],
        _ name: [UInt8],
        _ namespace: UInt16,
        life: Int64,
        withLife: Bool,
        _ call: CallID
    ) {
        stored.withByteView { stored in
            if stored.hasPrefix(StoredMark.lease) { return answerMiss(call, namespace) }
            let head = EntryHead(stored)
            var value: ByteView?
            if stored.hasPrefix(EntryHead.mark) {
                value = head.flatMap { head in
                    name.withByteView { head.name.equals($0) } ? self.value(of: head, namespace) : nil
                }
            } else if mustBeEncrypted(namespace) {
                countUnreadable(namespace)
            } else {
                value = StoredMark.content(of: stored)
            }
            guard let value else { return answerMiss(call, namespace) }
            let stale = head?.staleMilliseconds ?? 0
            let isStale = head?.isStale(life: life) == true
            countHit(namespace)
            if isStale { countStale(namespace) }
            calls.reply(call) { result in
                append(headed: value, isStale: isStale, to: &result)
                appendRest(
                    stale: isStale ? life : stale,
                    tags: head?.tags.map { $0.name.copy() } ?? [],
                    life: withLife ? .some(life < 0 ? -1 : max(life - stale, 0)) : nil,
                    to: &result
                )
            }
        }
    }

    /// Appends to a hit what else there is of its entry.
    ///
    /// - Parameters:
    ///   - stale: How long it may be served after its life, or from now on where that is over, in milliseconds.
    ///   - tags: Names of its tags.
    ///   - life: The life left in milliseconds, negative for no end; nil where nobody asked.
    ///   - result: The hit.
    func appendRest(stale: Int64, tags: [[UInt8]], life: Int64?, to result: inout ByteBuffer) {
        result.truncate(to: result.count - 1)
        if stale > 0 {
            result.append(",\"stale_ms\":")
            result.append(decimal: stale)
        }
        let texts = tags.filter { $0.withByteView(UTF8Validation.isValid) }
        for (index, tag) in texts.enumerated() {
            result.append(index == 0 ? ",\"tags\":[" : ",")
            tag.withByteView { result.append(jsonString: $0) }
        }
        if !texts.isEmpty { result.append(UInt8(ascii: "]")) }
        guard let life else { return result.append(UInt8(ascii: "}")) }
        append(life: life, to: &result)
    }
}
