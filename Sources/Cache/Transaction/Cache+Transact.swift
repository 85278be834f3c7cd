import Bytes
public import Contract
import Crypto
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Cache {
    /// Times that others may change the keys between a look and the write before the call gives up.
    static let attemptsMax = 100

    /// Answers `cache.transact`: looks at what the checks ask for, then writes where nothing has changed.
    ///
    /// - Throws: ``RPCError`` where a check or a write is not usable; nothing was written then.
    public func transact(_ parameters: CacheTransactParameters, _ context: CallContext) throws(RPCError) {
        let transaction = try transaction(parameters)
        let number = register.number(of: parameters.namespace)
        if isLocal(parameters.namespace) { return try performLocal(transaction, number, context) }
        let stem = keyspace.stem(.cacheTag, parameters.namespace?.raw.copy()).count
        Task { @EventLoop in
            do throws(RPCError) {
                try await self.perform(transaction, number, tagStem: stem, context)
            } catch {
                self.calls.fail(context.call, error)
            }
        }
    }

    // MARK: Reading the parameters

    private func transaction(_ parameters: CacheTransactParameters) throws(RPCError) -> Transaction {
        let namespace = parameters.namespace
        var transaction = Transaction()
        if let checks = parameters.checks {
            for check in checks {
                let name = keyspace.name(.cache, namespace, try keyspace.resolve(check.key, parameter: "checks"))
                if let exists = check.exists {
                    transaction.checks.append(Transaction.Check(name: name, condition: .exists(exists)))
                } else if let value = check.equals {
                    var form = ByteBuffer()
                    guard (try? CanonicalJSON.append(value, to: &form)) != nil else {
                        let message = "checks: equals has a member twice, or half of a surrogate pair"
                        throw .invalidParams(message, parameter: "checks")
                    }
                    transaction.checks.append(Transaction.Check(name: name, condition: .equals(form.view.copy())))
                }
            }
        }
        for write in parameters.writes {
            let name = keyspace.name(.cache, namespace, try keyspace.resolve(write.key, parameter: "writes"))
            if write.fence != nil, transaction.writes.contains(where: { $0.name == name && $0.fence != nil }) {
                throw .invalidParams("writes: a key has one fence at most", parameter: "writes")
            }
            transaction.writes.append(
                Transaction.Write(name: name, operation: try operation(write, namespace), fence: write.fence)
            )
        }
        return transaction
    }

    private func operation(
        _ write: CacheTransactParameters.Write,
        _ namespace: JSONString?
    ) throws(RPCError) -> Transaction.Write.Operation {
        let contents = (write.value != nil ? 1 : 0) + (write.text != nil ? 1 : 0) + (write.base64 != nil ? 1 : 0)
        guard contents == (write.op == .set ? 1 : 0) else {
            let rule = write.op == .set ? "needs exactly one of" : "takes none of"
            throw .invalidParams("writes: \(write.op) \(rule) value, text and base64", parameter: "writes")
        }
        guard write.op == .set || write.tags == nil && write.staleMilliseconds == nil else {
            throw .invalidParams("writes: only set takes tags and stale_ms", parameter: "writes")
        }
        let life = namespaces.life(write.ttlMilliseconds, in: namespace)
        switch write.op {
        case .set:
            return .set(
                value: try resolve(write.value, write.text, write.base64).copy(),
                life: life,
                stale: namespaces.stale(write.staleMilliseconds, in: namespace),
                tags: try write.tags.map { list throws(RPCError) in try tagNames(list, namespace) } ?? []
            )
        case .delete: return .delete
        case .increment: return .increment(by: write.by, life: life, isGiven: write.ttlMilliseconds != .absent)
        case .touch:
            guard write.ttlMilliseconds != .absent else {
                throw .invalidParams("writes: touch needs ttl_ms", parameter: "writes")
            }
            return .touch(life: namespaces.exactLife(write.ttlMilliseconds, in: namespace))
        }
    }

    // MARK: Looking and writing

    private func perform(
        _ transaction: Transaction,
        _ namespace: UInt16,
        tagStem: Int,
        _ context: CallContext
    ) async throws(RPCError) {
        // Whose memory it is, also once it has gone.
        let peer = calls.peer(of: context.call)
        let generations = try await generations(for: transaction, context)
        let watched = transaction.watched
        for _ in 0..<Cache.attemptsMax {
            let found = try await look(at: watched, for: transaction, namespace, peer, context) {
                (present) throws(RPCError) -> Transaction.Plan? in
                guard transaction.holds(present, depthMax: depthMax) else { return nil }
                do throws(Transaction.Fault) {
                    return try transaction.plan(present, generations: generations) { Array($0.dropFirst(tagStem)) }
                } catch {
                    let message = "a stored value is no integer, or would be too large"
                    throw RPCError(.conflict, message, outcome: .notApplied)
                }
            }
            guard let plan = found.plan else {
                return calls.reply(context.call) { $0.append("{\"applied\":false}") }
            }
            extendTags(plan, context.lane)
            let look = Look(names: watched, digests: found.digests)
            guard try await write(plan, transaction, look, namespace, context) else { continue }
            let sets = plan.steps.count { if case .set = $0 { true } else { false } }
            countSets(sets, namespace)
            return answer(plan, transaction, context.call)
        }
        let message = "others changed the keys again and again between the look at them and the writes"
        throw RPCError(.conflict, message, isRetryable: true, outcome: .notApplied)
    }

    /// Answers the call whose writes were made.
    func answer(_ plan: Transaction.Plan, _ transaction: Transaction, _ call: CallID) {
        calls.reply(call) { result in
            result.append("{\"applied\":true")
            if transaction.hasIncrements {
                result.append(",\"values\":[")
                for (index, value) in plan.values.enumerated() {
                    if index > 0 { result.append(UInt8(ascii: ",")) }
                    if let value { result.append(decimal: value) } else { result.append("null") }
                }
                result.append(UInt8(ascii: "]"))
            }
            result.append(UInt8(ascii: "}"))
        }
    }

    /// The generations of all tags that are set.
    private func generations(
        for transaction: Transaction,
        _ context: CallContext
    ) async throws(RPCError) -> [[UInt8]: [UInt8]] {
        // The longest of the entries' lives, which all of the tags are given.
        var names: [[UInt8]] = []
        var longest: Int64? = 0
        for write in transaction.writes {
            guard case .set(_, let life, let stale, let tags) = write.operation, !tags.isEmpty else { continue }
            names += tags.filter { !names.contains($0) }
            longest = life.flatMap { life in longest.map { max($0, life + stale) } }
        }
        guard !names.isEmpty else { return [:] }
        let granted = try await grantGenerations(names, life: longest, context.deadline, context.lane)
        return Dictionary(zip(names, granted)) { first, _ in first }
    }

    /// What was found under the keys that were looked at, for the script to find it, too.
    private struct Look {
        /// The keys.
        let names: [[UInt8]]
        /// SHA-1 of what lies under each key, in hexadecimal; of no bytes where nothing does.
        let digests: [[UInt8]]
    }

    /// Looks at keys, and has planned what to write by what is there, of which nothing is kept but digests.
    ///
    /// - Parameters:
    ///   - names: The keys.
    ///   - transaction: Tells whose values are needed.
    ///   - namespace: Number of the namespace.
    ///   - peer: For whom what was found is kept while its tags are asked for; nil where nobody was there any more.
    ///   - context: The call.
    ///   - plan: Takes the entries that are there.
    /// - Returns: The plan, and the digests of what lies there.
    /// - Throws: ``RPCError``, by which nothing was written.
    private func look(
        at names: [[UInt8]],
        for transaction: Transaction,
        _ namespace: UInt16,
        _ peer: Peer?,
        _ context: CallContext,
        plan: ([[UInt8]: Transaction.Present]) throws(RPCError) -> Transaction.Plan?
    ) async throws(RPCError) -> (plan: Transaction.Plan?, digests: [[UInt8]]) {
        guard !names.isEmpty else { return (try plan([:]), []) }
        let stored: [[UInt8]?]
        do throws(LinkFailure) {
            stored = try await values(of: names, context.deadline, context.lane)
        } catch {
            throw .unwritten(error)
        }
        let bytes = stored.reduce(0) { $0 + ($1?.count ?? 0) }
        guard peer.map({ secondSteps.begin($0, bytes: bytes, isLast: true) }) ?? true else {
            throw .unwritten(Cache.tooMuchKept)
        }
        defer { if let peer { secondSteps.end(peer, bytes: bytes) } }
        let outdated: [Bool]
        do throws(LinkFailure) {
            let entries = zip(names, stored).map { ReadEntry(name: $0, stored: $1 ?? []) }
            outdated = try await self.outdated(entries, context.deadline, context.lane)
        } catch {
            throw .unwritten(error)
        }
        let valued = transaction.valued
        var present: [[UInt8]: Transaction.Present] = [:]
        var digests: [[UInt8]] = []
        for (index, name) in names.enumerated() {
            guard let bytes = stored[index], !outdated[index] else {
                digests.append([])
                continue
            }
            digests.append(bytes.withByteView { Digest.sha1Hexadecimal($0) })
            let withValue = valued.contains(name)
            present[name] = bytes.withByteView { self.present($0, name, namespace, withValue: withValue) }
        }
        return (try plan(present), digests)
    }

    /// What stored bytes are; nil for what is no entry, such as a lease.
    private func present(
        _ stored: ByteView,
        _ name: [UInt8],
        _ namespace: UInt16,
        withValue: Bool
    ) -> Transaction.Present? {
        if stored.hasPrefix(StoredMark.lease) { return nil }
        guard stored.hasPrefix(EntryHead.mark) else {
            if mustBeEncrypted(namespace) { return nil }
            let value = withValue ? StoredMark.content(of: stored).copy() : []
            return Transaction.Present(value: value, stale: 0, tags: [])
        }
        guard let head = EntryHead(stored), name.withByteView({ head.name.equals($0) }),
            let value = value(of: head, namespace)
        else { return nil }
        return Transaction.Present(
            value: withValue ? value.copy() : [],
            stale: head.staleMilliseconds,
            tags: head.tags.map { Transaction.Present.Tag(name: $0.name.copy(), generation: $0.generation.copy()) }
        )
    }

    /// Has the tags of entries live as long as the lives that the entries are given.
    private func extendTags(_ plan: Transaction.Plan, _ lane: Int) {
        for case .life(let name, let entry, let life) in plan.steps where !entry.tags.isEmpty {
            guard let stem = name.withByteView({ keyspace.stem(.cacheTag, besides: $0, of: .cache) }) else { continue }
            extendTags(entry.tags.map { stem + $0.name }, life: life, lane)
        }
    }

    /// Has the script write.
    ///
    /// - Returns: Whether it did; else something had changed.
    private func write(
        _ plan: Transaction.Plan,
        _ transaction: Transaction,
        _ look: Look,
        _ namespace: UInt16,
        _ context: CallContext
    ) async throws(RPCError) -> Bool {
        let fenced = transaction.writes.compactMap { write in write.fence.map { (name: write.name, fence: $0) } }
        let list = beginWrites(plan.steps.map(\.name))
        defer { endWrites(list) }
        let reply = try await link.result(.write, deadline: context.deadline, lane: context.lane) { command in
            let keys = look.names.count + fenced.count + plan.steps.count
            let arguments = 3 + look.names.count + fenced.count + 3 * plan.steps.count
            command.append(callOf: CacheScripts.transact, keys: keys, arguments: arguments)
            for name in look.names { name.withByteView { command.append(word: $0) } }
            for one in fenced { keyspace.fenceName(of: one.name).withByteView { command.append(word: $0) } }
            for step in plan.steps { step.name.withByteView { command.append(word: $0) } }
            command.append(word: Int64(look.names.count))
            command.append(word: Int64(fenced.count))
            command.append(word: Cache.fenceLifeMilliseconds)
            for digest in look.digests { digest.withByteView { command.append(word: $0) } }
            for one in fenced { command.append(word: one.fence) }
            for step in plan.steps { append(step, namespace, to: &command) }
        }
        return reply.integer == 1
    }

    private func append(_ step: Transaction.Step, _ namespace: UInt16, to command: inout ByteBuffer) {
        switch step {
        case .set(let name, let entry, let life):
            command.append(word: "set")
            append(entry, name, namespace, to: &command)
            append(life: life, to: &command)
        case .keep(let name, let entry):
            command.append(word: "keep")
            append(entry, name, namespace, to: &command)
            command.append(word: "")
        case .delete:
            command.append(word: "delete")
            command.append(word: "")
            command.append(word: "")
        case .life(_, _, let life):
            command.append(word: "life")
            command.append(word: "")
            append(life: life, to: &command)
        }
    }

    private func append(
        _ entry: Transaction.Present,
        _ name: [UInt8],
        _ namespace: UInt16,
        to command: inout ByteBuffer
    ) {
        var stored = ByteBuffer()
        entry.value.withByteView { value in
            append(
                stored: value,
                name: name,
                stale: entry.stale,
                tags: entry.tags.map { ($0.name, $0.generation) },
                namespace,
                to: &stored
            )
        }
        command.append(word: stored.view)
    }
}

extension Transaction.Step {
    /// Full name of the key that the step changes.
    var name: [UInt8] {
        switch self {
        case .set(let name, _, _), .keep(let name, _), .delete(let name), .life(let name, _, _): name
        }
    }
}

extension RPCError {
    /// The error of a call that ended before it wrote anything.
    static func unwritten(_ failure: LinkFailure) -> RPCError { .unwritten(RPCError(failure)) }

    /// The error of a call that ended before it wrote anything.
    static func unwritten(_ error: RPCError) -> RPCError {
        var error = error
        error.outcome = .notApplied
        return error
    }
}
