import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Cache {
    /// Answers `cache.get`: from memory, or with one round trip.
    ///
    /// - Throws: ``RPCError`` where the key is not usable.
    public func get(_ parameters: CacheGetParameters, _ context: CallContext) throws(RPCError) {
        let key = try keyspace.resolve(parameters.key, parameter: "key")
        let namespace = parameters.namespace
        if parameters.withTags, !isLocal(namespace) { return getWhole(parameters, key, context) }
        let number = register.number(of: namespace)
        guard parameters.leaseMilliseconds != nil || near.isUsable && namespaces.settings(of: namespace).tier.hasNear
        else {
            if isLocal(namespace) { return getLocal(parameters, key, context) }
            if namespaces.hasEncrypted, namespaces.settings(of: namespace).isEncrypted {
                return getEncrypted(parameters, key, context, number)
            }
            let detail = ReadDetail(namespace: number, deadline: context.deadline, at: EventLoop.reactor.now)
            return sendGet(parameters, key, context, parameters.withTTL ? .getWithLife : .get, detail.rawValue)
        }
        let name = near.name(namespace, key)
        let hash = near.hash(name)
        if !parameters.fresh, let hit = near.find(name, hash) {
            guard hit.form == .guarded else {
                return answer(hit, context.call, number, withLife: parameters.withTTL)
            }
            if answerGuarded(hit, name, parameters, context, number) { return }
        }
        fill(parameters, key, context, name, hash, number)
    }

    /// Reads an entry of which there is no copy, to keep one, or to have it computed where it is missing.
    private func fill(
        _ parameters: CacheGetParameters,
        _ key: ByteView,
        _ context: CallContext,
        _ name: ByteView,
        _ hash: UInt64,
        _ number: UInt16
    ) {
        if isLocal(parameters.namespace) { return getLocal(parameters, key, context) }
        let wish = wish(parameters, context)
        // Whoever is to compute it is known, or is being found out: there is nothing to read meanwhile.
        if let wish, !parameters.fresh, let leased = leases[name.copy()], !leased.isRefresh {
            return join(leased.name, number, wish)
        }
        let fill = near.beginFill(name, hash, number)
        near.fill(fill).wish = wish
        near.fill(fill).deadline = context.deadline
        near.fill(fill).isFresh = parameters.fresh
        near.fill(fill).isKept = namespaces.settings(of: parameters.namespace).tier.hasNear
        if !parameters.withTTL { askLife(of: fill, parameters.namespace, key, context) }
        sendGet(parameters, key, context, parameters.withTTL ? .fillWithLife : .fill, UInt32(fill))
    }

    /// Reads an encrypted entry of which no copy is kept: what it is bound to must be known when it comes.
    private func getEncrypted(
        _ parameters: CacheGetParameters,
        _ key: ByteView,
        _ context: CallContext,
        _ number: UInt16
    ) {
        let name = near.name(parameters.namespace, key)
        let fill = near.beginFill(name, near.hash(name), number)
        near.fill(fill).wish = nil
        near.fill(fill).isKept = false
        near.fill(fill).deadline = context.deadline
        near.fill(fill).isFresh = true
        sendGet(parameters, key, context, parameters.withTTL ? .fillWithLife : .fill, UInt32(fill))
    }

    private func sendGet(
        _ parameters: CacheGetParameters,
        _ key: ByteView,
        _ context: CallContext,
        _ operation: Operation,
        _ detail: UInt32
    ) {
        guard parameters.withTTL else {
            return send(operation, .read, context, detail: detail) { command in
                command.append("*2\r\n$3\r\nGET\r\n")
                keyspace.append(to: &command, .cache, parameters.namespace, key)
            }
        }
        // A transaction, so that life and value are those of one moment.
        send(operation, .read, context, replies: 4, detail: detail) { command in
            command.append("*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nPTTL\r\n")
            keyspace.append(to: &command, .cache, parameters.namespace, key)
            command.append("*2\r\n$3\r\nGET\r\n")
            keyspace.append(to: &command, .cache, parameters.namespace, key)
            command.append("*1\r\n$4\r\nEXEC\r\n")
        }
    }

    /// Asks, before the value, how long it lives.
    ///
    /// No transaction is needed: what changes the key between the two is news, by which the value is not kept.
    func askLife(of fill: Int, _ namespace: JSONString?, _ key: ByteView, _ context: CallContext) {
        let request = CommandRequest(
            receiver: self,
            completion: Completion(
                operation: Operation.life.rawValue,
                detail: UInt32(fill),
                call: near.fill(fill).generation
            ),
            effect: .read,
            deadline: context.deadline
        )
        link.send(request, lane: context.lane) { command in
            command.append("*2\r\n$4\r\nPTTL\r\n")
            keyspace.append(to: &command, .cache, namespace, key)
        }
    }

    func answerLife(_ completion: Completion, _ reply: Reply) {
        guard reply.kind == .integer else { return }
        near.setLife(reply.integer, of: Int(completion.detail), generation: completion.call)
    }

    // MARK: Hits in memory

    private func answer(_ hit: NearHit, _ call: CallID, _ namespace: UInt16, withLife: Bool) {
        countNearHit(namespace)
        calls.reply(call) { result in
            append(hit, to: &result)
            guard withLife else { return }
            result.truncate(to: result.count - 1)
            append(life: hit.expiry == .distantFuture ? -1 : max(hit.expiry.milliseconds(since: .now), 0), to: &result)
        }
    }

    /// Appends a hit in memory.
    func append(_ hit: NearHit, to result: inout ByteBuffer) {
        switch hit.form {
        case .json: result.append("{\"hit\":true,\"value\":")
        case .text: result.append("{\"hit\":true,\"text\":")
        case .base64: result.append("{\"hit\":true,\"base64\":")
        case .guarded: preconditionFailure("a copy with a guard is answered as one")
        }
        result.append(hit.value)
        result.append(",\"source\":\"near\"}")
    }

    func countNearHit(_ namespace: UInt16) {
        counts.hits += 1
        counts.nearHits += 1
        register.counts[Int(namespace)].hits += 1
        register.counts[Int(namespace)].nearHits += 1
    }

    // MARK: Replies of Valkey

    func answerGet(_ call: CallID, _ reply: Reply, _ detail: UInt32) {
        let namespace = ReadDetail(rawValue: detail).namespace
        guard let entry = StoredMark.entry(reply) else {
            if Cache.hasHead(reply) { return answerHeaded(reply.bytes, headedRead(call, detail, withLife: false)) }
            return answerMiss(call, namespace)
        }
        countHit(namespace)
        calls.reply(call) { append(hit: entry, to: &$0) }
    }

    func answerGetWithLife(_ call: CallID, _ reply: Reply, _ detail: UInt32) {
        let namespace = ReadDetail(rawValue: detail).namespace
        var elements = reply.elements()
        if let life = elements.next(), let value = elements.next(), Cache.hasHead(value) {
            var read = headedRead(call, detail, withLife: true)
            read.life = life.integer
            return answerHeaded(value.bytes, read)
        }
        answerGetWithLife(call, reply, namespace)
    }

    /// Answers a read of an entry without a head.
    private func answerGetWithLife(_ call: CallID, _ reply: Reply, _ namespace: UInt16) {
        var elements = reply.elements()
        guard let life = elements.next(), let value = elements.next() else { return answerMiss(call, namespace) }
        if value.kind == .error { return calls.fail(call, RPCError(refusal: value, .read)) }
        guard let entry = StoredMark.entry(value) else { return answerMiss(call, namespace) }
        countHit(namespace)
        calls.reply(call) { append(hit: entry, life: life.integer, to: &$0) }
    }

    func answerFill(_ call: CallID, _ reply: Reply, _ number: Int) {
        let fill = near.fill(number)
        guard let entry = StoredMark.entry(reply) else {
            if Cache.hasHead(reply) {
                return answerHeaded(reply.bytes, headedRead(call, fill: number, withLife: false))
            }
            defer { near.end(number) }
            if let wish = fill.wish { return join(fill.name.view.copy(), fill.namespace, wish) }
            return answerMiss(call, fill.namespace)
        }
        defer { near.end(number) }
        if mustBeEncrypted(fill.namespace) { return answerUnreadable(call, fill) }
        countHit(fill.namespace)
        keep(entry, fill)
        calls.reply(call) { append(hit: entry, to: &$0) }
    }

    func answerFillWithLife(_ call: CallID, _ reply: Reply, _ number: Int) {
        let fill = near.fill(number)
        var elements = reply.elements()
        if let life = elements.next(), let value = elements.next(), Cache.hasHead(value) {
            fill.life = life.integer
            return answerHeaded(value.bytes, headedRead(call, fill: number, withLife: true))
        }
        defer { near.end(number) }
        elements = reply.elements()
        if let life = elements.next(), let value = elements.next(), value.kind != .error {
            if let entry = StoredMark.entry(value) {
                if mustBeEncrypted(fill.namespace) { return answerUnreadable(call, fill) }
                fill.life = life.integer
                keep(entry, fill)
            } else if let wish = fill.wish {
                return join(fill.name.view.copy(), fill.namespace, wish)
            }
        }
        answerGetWithLife(call, reply, fill.namespace)
    }

    /// Keeps a copy of what a read brought.
    func keep(_ value: ByteView, _ fill: NearCache.Fill) {
        guard near.mayStore(fill, value.count) else { return }
        let form = StoredValue.form(value, depthMax: depthMax)
        copyScratch.removeAll(keepingCapacityUpTo: 64 << 10)
        StoredValue.append(value, as: form, to: &copyScratch)
        near.store(fill, copyScratch.view, NearForm(form))
    }

    /// Answers a read of what is there and cannot be read: a miss, or the turn to compute it.
    private func answerUnreadable(_ call: CallID, _ fill: NearCache.Fill) {
        if let wish = fill.wish { return join(fill.name.view.copy(), fill.namespace, wish) }
        countUnreadable(fill.namespace)
        answerMiss(call, fill.namespace)
    }

    func answerMiss(_ call: CallID, _ namespace: UInt16) {
        countMiss(namespace)
        calls.reply(call) { $0.append("{\"hit\":false}") }
    }

    func answerDegraded(_ call: CallID, _ operation: Operation, _ detail: UInt32) {
        defer { endRead(operation, detail) }
        if operation == .fill || operation == .fillWithLife {
            let fill = near.fill(Int(detail))
            if let wish = fill.wish { return join(fill.name.view.copy(), fill.namespace, wish) }
        }
        counts.degraded += 1
        calls.reply(call) { $0.append("{\"hit\":false,\"degraded\":true}") }
    }

    /// Appends a hit in Valkey.
    func append(hit value: ByteView, to result: inout ByteBuffer) {
        result.append("{\"hit\":true,")
        StoredValue.append(value, to: &result, depthMax: depthMax)
        result.append(",\"source\":\"valkey\"}")
    }

    /// Appends a hit in Valkey with the life left, as ``append(life:to:)`` has it.
    func append(hit value: ByteView, life: Int64, to result: inout ByteBuffer) {
        append(hit: value, to: &result)
        result.truncate(to: result.count - 1)
        append(life: life, to: &result)
    }

    /// Appends the last member of a hit: the life left in milliseconds, negative for no end.
    func append(life: Int64, to result: inout ByteBuffer) {
        result.append(",\"ttl_ms\":")
        if life >= 0 {
            result.append(decimal: life)
        } else {
            result.append("null")
        }
        result.append(UInt8(ascii: "}"))
    }

    func countHit(_ namespace: UInt16) {
        counts.hits += 1
        register.counts[Int(namespace)].hits += 1
    }

    func countMiss(_ namespace: UInt16) {
        counts.misses += 1
        register.counts[Int(namespace)].misses += 1
    }
}
