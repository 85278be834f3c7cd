import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store

/// The methods for namespaces whose entries lie in the agent's memory alone; they are answered without Valkey.
extension Cache {
    /// Whether the entries of a namespace lie in the agent's memory alone.
    func isLocal(_ namespace: JSONString?) -> Bool {
        namespaces.hasLocal && namespaces.settings(of: namespace).tier == .near
    }

    /// Whether the entries of the namespace of this number do.
    func isLocal(_ namespace: UInt16) -> Bool {
        namespaces.hasLocal && settings(ofNumber: namespace).tier == .near
    }

    // MARK: Reading

    func getLocal(_ parameters: CacheGetParameters, _ key: ByteView, _ context: CallContext) {
        let number = register.number(of: parameters.namespace)
        let name = keyspace.name(.cache, parameters.namespace, key)
        let wish = wish(parameters, context)
        guard let found = name.withByteView({ local.find($0) }) else {
            if let wish { return join(name, number, wish) }
            return answerMiss(context.call, number)
        }
        if found.isStale, let wish, wish.peer.computations < LeaseTable.computationsMax {
            // Nobody waits for what is there.
            let key = leases.key(name, number, stripe: near.stripe(of: name))
            key.waiters.append(wish)
            return askLocal(key)
        }
        answerLocal(found, number, parameters, context.call)
    }

    private func answerLocal(
        _ found: LocalEntries.Found,
        _ number: UInt16,
        _ parameters: CacheGetParameters,
        _ call: CallID
    ) {
        countNearHit(number)
        if found.isStale { countStale(number) }
        let now = EventLoop.reactor.now
        let isEndless = found.life.staleAt == .distantFuture
        let life = isEndless ? -1 : max(found.life.staleAt.milliseconds(since: now), 0)
        calls.reply(call) { result in
            append(found, to: &result)
            if parameters.withTags {
                let stem = keyspace.stem(.cacheTag, parameters.namespace?.raw.copy()).count
                return appendRest(
                    stale: found.isStale ? found.life.end.milliseconds(since: now) : found.life.stale / 1_000_000,
                    tags: local.tagNames(of: found).map { Array($0.dropFirst(stem)) },
                    life: parameters.withTTL ? .some(life) : nil,
                    to: &result
                )
            }
            guard parameters.withTTL else { return }
            result.truncate(to: result.count - 1)
            append(life: life, to: &result)
        }
    }

    private func append(_ found: LocalEntries.Found, to result: inout ByteBuffer) {
        append(NearHit(value: found.value, form: found.form, expiry: found.life.end), to: &result)
        guard found.isStale else { return }
        result.truncate(to: result.count - 1)
        result.append(",\"stale\":true}")
    }

    func getManyLocal(_ parameters: CacheGetManyParameters, _ context: CallContext) throws(RPCError) {
        let number = register.number(of: parameters.namespace)
        let names = try localNames(parameters.keys, parameters.namespace)
        let sizes = names.map { name in name.withByteView { local.find($0)?.value.count ?? 0 } }
        guard sizes.reduce(0, +) <= calls.limits.replyBytesMax else {
            throw .tooLarge("the reply", limitBytes: calls.limits.replyBytesMax)
        }
        calls.reply(context.call) { result in
            result.append("{\"entries\":[")
            for (index, name) in names.enumerated() {
                if index > 0 { result.append(UInt8(ascii: ",")) }
                guard let found = name.withByteView({ local.find($0) }) else {
                    countMiss(number)
                    result.append("{\"hit\":false}")
                    continue
                }
                countNearHit(number)
                if found.isStale { countStale(number) }
                append(found, to: &result)
            }
            result.append("]}")
        }
    }

    private func localNames(_ keys: StringList, _ namespace: JSONString?) throws(RPCError) -> [[UInt8]] {
        var names: [[UInt8]] = []
        for key in keys {
            names.append(keyspace.name(.cache, namespace, try keyspace.resolve(key, parameter: "keys")))
        }
        return names
    }

    func existsLocal(_ parameters: CacheExistsParameters, _ key: ByteView, _ context: CallContext) {
        let name = keyspace.name(.cache, parameters.namespace, key)
        let exists = name.withByteView { local.find($0) } != nil
        calls.reply(context.call) { $0.append(exists ? "{\"exists\":true}" : "{\"exists\":false}") }
    }

    /// Answers `cache.keys`; the cursor is the number of the page to go on with.
    func keysLocal(_ parameters: CacheKeysParameters, pattern: [UInt8], cursor: Int64, _ context: CallContext) {
        let number = register.number(of: parameters.namespace)
        let stem = keyspace.stem(.cache, parameters.namespace?.raw.copy()).count
        var names: [[UInt8]] = []
        var page: Int? = Int(clamping: cursor)
        while let start = page, names.count < parameters.count {
            page = local.remove(from: start) { namespace, name in
                if namespace == number, pattern.withByteView({ Glob.matches($0, name) }) {
                    names.append(name.dropFirst(stem).copy())
                }
                return false
            }
        }
        calls.reply(context.call) { result in
            result.append("{\"keys\":[")
            for (index, name) in names.filter({ $0.withByteView(UTF8Validation.isValid) }).enumerated() {
                if index > 0 { result.append(UInt8(ascii: ",")) }
                name.withByteView { result.append(jsonString: $0) }
            }
            result.append("],\"cursor\":")
            if let page { result.append(jsonString: String(page)) } else { result.append("null") }
            result.append(UInt8(ascii: "}"))
        }
    }

    // MARK: Writing

    func setLocal(
        _ parameters: CacheSetParameters,
        _ value: ByteView,
        _ key: ByteView,
        _ life: Int64?,
        _ context: CallContext
    ) throws(RPCError) {
        guard parameters.fence == nil else {
            throw .invalidParams("fence needs a namespace that is kept in Valkey", parameter: "fence")
        }
        let number = register.number(of: parameters.namespace)
        let name = keyspace.name(.cache, parameters.namespace, key)
        let tags = try parameters.tags.map { list throws(RPCError) in try tagNames(list, parameters.namespace) } ?? []
        if let condition = parameters.condition {
            let exists = name.withByteView { local.find($0) } != nil
            guard exists == (condition == .present) else {
                return calls.reply(context.call) { $0.append("{\"stored\":false}") }
            }
        }
        if let lease = parameters.lease {
            let holder = leases[name]?.holder
            guard let holder, holder.token == lease.raw.copy(), holder.end > .now else { throw Cache.voidLease }
            if local.wasInvalidated(tags, since: holder.begun) {
                localChanged(name)
                throw Cache.voidLease
            }
        }
        do throws(RPCError) {
            try storeLocal(
                name,
                number,
                value,
                life: life,
                stale: namespaces.stale(parameters.staleMilliseconds, in: parameters.namespace),
                tags
            )
        } catch {
            // Whoever cannot store it does not keep the others waiting.
            if parameters.lease != nil, let leased = leases[name], let holder = leased.holder { pass(leased, holder) }
            throw error
        }
        localChanged(name)
        countSets(1, number)
        calls.reply(context.call) { $0.append("{\"stored\":true}") }
    }

    /// Writes an entry.
    ///
    /// - Throws: ``RPCError`` `too_large` where it is larger than a sixteenth of the memory.
    func storeLocal(
        _ name: [UInt8],
        _ number: UInt16,
        _ value: ByteView,
        life: Int64?,
        stale: Int64,
        _ tags: [[UInt8]]
    ) throws(RPCError) {
        let form = StoredValue.form(value, depthMax: depthMax)
        copyScratch.removeAll(keepingCapacityUpTo: 64 << 10)
        StoredValue.append(value, as: form, to: &copyScratch)
        let references = local.references(to: tags)
        let isHeld = name.withByteView {
            local.store(
                $0,
                number,
                copyScratch.view,
                NearForm(form),
                LocalEntries.Life(milliseconds: life, stale: Cache.localStale(stale, life)),
                references
            )
        }
        guard isHeld else { throw .tooLarge("the entry", limitBytes: local.entryBytesMax) }
    }

    /// The stale period of an entry of this host, in nanoseconds; what is written without an end has none.
    static func localStale(_ milliseconds: Int64, _ life: Int64?) -> Int64 {
        life == nil ? 0 : Instant(nanoseconds: 0).advanced(milliseconds: milliseconds).nanoseconds
    }

    /// Takes note that an entry was written or removed: whoever computes it does so no more, and who waits is answered.
    func localChanged(_ name: [UInt8]) {
        local.endPause(name)
        guard !leases.isEmpty, let key = leases[name] else { return }
        key.holder = nil
        ask(key)
    }

    func failLocal(_ parameters: CacheFailParameters, _ key: ByteView, _ context: CallContext) {
        let name = keyspace.name(.cache, parameters.namespace, key)
        guard let leased = leases[name], leased.holder?.token == parameters.lease.raw.copy() else {
            return calls.reply(context.call) { $0.append("{\"released\":false}") }
        }
        leased.holder = nil
        if let pause = parameters.retryAfterMilliseconds { local.pause(name, leased.namespace, milliseconds: pause) }
        ask(leased)
        calls.reply(context.call) { $0.append("{\"released\":true}") }
    }

    func setManyLocal(_ parameters: CacheSetManyParameters, _ context: CallContext) throws(RPCError) {
        let number = register.number(of: parameters.namespace)
        for entry in parameters.entries {
            _ = try keyspace.resolve(entry.key, parameter: "entries")
            _ = try resolve(entry.value, entry.text, entry.base64)
        }
        var stored = 0
        for entry in parameters.entries {
            let value = try resolve(entry.value, entry.text, entry.base64).copy()
            let key = try keyspace.resolve(entry.key, parameter: "entries")
            let name = keyspace.name(.cache, parameters.namespace, key)
            let life = namespaces.life(entry.ttlMilliseconds, in: parameters.namespace)
            try value.withByteView { value throws(RPCError) in
                try storeLocal(name, number, value, life: life, stale: 0, [])
            }
            localChanged(name)
            stored += 1
        }
        countSets(stored, number)
        calls.reply(context.call) { result in
            result.append("{\"stored\":")
            result.append(decimal: stored)
            result.append(UInt8(ascii: "}"))
        }
    }

    func deleteLocal(_ parameters: CacheDeleteParameters, _ context: CallContext) throws(RPCError) {
        var names: [[UInt8]] = []
        if let key = parameters.key {
            names = [keyspace.name(.cache, parameters.namespace, try keyspace.resolve(key, parameter: "key"))]
        } else if let keys = parameters.keys {
            names = try localNames(keys, parameters.namespace)
        }
        var deleted = 0
        for name in names {
            if name.withByteView({ local.remove($0) }) { deleted += 1 }
            localChanged(name)
        }
        calls.reply(context.call) { result in
            result.append("{\"deleted\":")
            result.append(decimal: deleted)
            result.append(UInt8(ascii: "}"))
        }
    }

    func touchLocal(_ name: [UInt8], _ number: UInt16, _ life: Int64?, _ context: CallContext) {
        let isFound = name.withByteView { local.touch($0, number, life: life) }
        calls.reply(context.call) { $0.append(isFound ? "{\"found\":true}" : "{\"found\":false}") }
    }

    func incrementLocal(
        _ parameters: CacheIncrementParameters,
        _ key: ByteView,
        _ context: CallContext
    ) throws(RPCError) {
        guard parameters.requestID == nil else {
            let message = "request_id needs a namespace that is kept in Valkey"
            throw .invalidParams(message, parameter: "request_id")
        }
        let name = keyspace.name(.cache, parameters.namespace, key)
        let sum = try addLocal(
            name,
            register.number(of: parameters.namespace),
            parameters.by,
            life: namespaces.life(parameters.ttlMilliseconds, in: parameters.namespace),
            isGiven: parameters.ttlMilliseconds != .absent
        )
        localChanged(name)
        calls.reply(context.call) { result in
            result.append("{\"value\":")
            result.append(decimal: sum)
            result.append(UInt8(ascii: "}"))
        }
    }

    private func addLocal(
        _ name: [UInt8],
        _ number: UInt16,
        _ by: Int64,
        life: Int64?,
        isGiven: Bool
    ) throws(RPCError) -> Int64 {
        let found = name.withByteView { local.find($0) }
        guard let present = found.map({ $0.value.integer }) ?? 0 else {
            throw RPCError(.conflict, "the stored value is of another kind", outcome: .notApplied)
        }
        let (sum, overflow) = present.addingReportingOverflow(by)
        guard !overflow else { throw RPCError(.conflict, "the sum would be too large", outcome: .notApplied) }
        let tags = found?.tags ?? []
        let text = Array(String(sum).utf8)
        if let present = found?.life {
            let isHeld = name.withByteView { name in
                guard text.withByteView({ local.store(name, number, $0, .json, present, tags) }) else { return false }
                if isGiven { _ = local.touch(name, number, life: life) }
                return true
            }
            guard isHeld else { throw .tooLarge("the entry", limitBytes: local.entryBytesMax) }
        } else {
            try text.withByteView { text throws(RPCError) in
                try storeLocal(name, number, text, life: life, stale: 0, [])
            }
        }
        return sum
    }

    // MARK: Invalidating

    func invalidateLocal(
        _ tags: StringList,
        _ parameters: CacheInvalidateParameters,
        _ context: CallContext
    ) throws(RPCError) {
        let names = try tagNames(tags, parameters.namespace)
        for name in names { local.invalidate(tag: name, isRemembered: !leases.isEmpty) }
        register.counts[Int(register.number(of: parameters.namespace))].invalidations += UInt64(names.count)
        calls.reply(context.call) { $0.append("{}") }
    }

    /// Removes entries, some pages of them in each turn of the loop, and ends the leases of those that are not there.
    ///
    /// - Returns: How many were removed.
    func sweepLocal(_ isSought: (UInt16, ByteView) -> Bool) async -> Int {
        // What is given from now on is computed from what is there after the change.
        for key in leases.all where key.holder != nil && isLocal(key.namespace) {
            if key.name.withByteView({ isSought(key.namespace, $0) }) { localChanged(key.name) }
        }
        local.endPauses(isSought)
        var done = 0
        var page: Int? = 0
        while let start = page {
            var names: [[UInt8]] = []
            page = local.remove(from: start) { namespace, name in
                guard isSought(namespace, name) else { return false }
                names.append(name.copy())
                return true
            }
            done += names.count
            for name in names { localChanged(name) }
            if page != nil { await EventLoop.reactor.timers.sleep(until: .now) }
        }
        return done
    }
}
