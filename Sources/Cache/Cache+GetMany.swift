import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

/// A read of several entries that waits for those that were not in memory.
final class ReadBatch {
    /// Where an entry of the answer comes from.
    enum Part {
        /// It was in memory: what is answered for it, in ``ReadBatch/copies``.
        case near(Range<Int>)
        /// Valkey is asked, and what it says may be kept: the number of the fill.
        case fill(Int)
        /// Valkey is asked.
        case valkey
    }

    /// Number of the namespace.
    var namespace: UInt16 = 0
    /// The entries, in the order of the answer.
    var parts: [Part] = []
    /// What was in memory when the call came, as it is answered.
    var copies = ByteBuffer()
    /// Where in ``copies`` the last one begins.
    var copyStart = 0
    /// When the call must have been answered.
    var deadline = Instant.distantFuture
    /// Whether what is remembered of tags does not count.
    var isFresh = false
}

extension Cache {
    /// Entries that the processor fetches ahead of the one that is being looked for.
    private static let namesAhead = 16
    /// Names for which memory is kept from one call to the next.
    private static let namesKept = 1024

    /// Answers `cache.get_many`: from memory, or with one round trip for all that is not there.
    ///
    /// - Throws: ``RPCError`` where a key is not usable.
    public func getMany(_ parameters: CacheGetManyParameters, _ context: CallContext) throws(RPCError) {
        for key in parameters.keys { _ = try keyspace.resolve(key, parameter: "keys") }
        if isLocal(parameters.namespace) { return try getManyLocal(parameters, context) }
        let namespace = parameters.namespace
        let number = takeBatch()
        let batch = batches[number]
        batch.namespace = register.number(of: namespace)
        batch.deadline = context.deadline
        batch.isFresh = parameters.fresh
        let usesNear = near.isUsable && namespaces.settings(of: namespace).tier.hasNear
        let isResolved = usesNear || mustBeEncrypted(batch.namespace)
        if isResolved { addNames(parameters) }
        var asked = 0
        for key in parameters.keys {
            let part = isResolved ? resolvedPart(key, parameters, batch, context) : .valkey
            if case .near = part {} else { asked += 1 }
            batch.parts.append(part)
            guard batch.copies.count <= calls.limits.replyBytesMax else {
                endBatch(number)
                throw .tooLarge("the reply", limitBytes: calls.limits.replyBytesMax)
            }
        }
        guard asked > 0 else { return answerGetMany(context.call, nil, number) }
        send(.getMany, .read, context, detail: UInt32(number)) { command in
            command.append(commandOf: asked + 1)
            command.append(word: "MGET")
            var index = 0
            for key in parameters.keys {
                if case .near = batch.parts[index] {} else { append(key: key, in: namespace, to: &command) }
                index += 1
            }
        }
    }

    /// Makes the names of all entries, before any of them is looked for: what the processor must fetch for one comes while
    /// it is busy with others.
    private func addNames(_ parameters: CacheGetManyParameters) {
        near.beginNames()
        nameScratch.removeAll(keepingCapacity: nameScratch.capacity <= Cache.namesKept)
        for key in parameters.keys {
            guard let key = try? keyspace.resolve(key, parameter: "keys") else {
                preconditionFailure("the keys were not checked")
            }
            nameScratch.append(near.add(parameters.namespace, key))
        }
        for name in nameScratch.prefix(Cache.namesAhead) { near.fetch(name) }
    }

    /// Looks for an entry in memory, and prepares to ask for it where it is not there.
    private func resolvedPart(
        _ key: JSONString,
        _ parameters: CacheGetManyParameters,
        _ batch: ReadBatch,
        _ context: CallContext
    ) -> ReadBatch.Part {
        let index = batch.parts.count
        if index + Cache.namesAhead < nameScratch.count { near.fetch(nameScratch[index + Cache.namesAhead]) }
        let name = nameScratch[index]
        if !parameters.fresh, let hit = near.find(name), append(copy: hit, batch) {
            return .near(batch.copyStart..<batch.copies.count)
        }
        let fill = near.beginFill(name, batch.namespace)
        do throws(RPCError) {
            let key = try keyspace.resolve(key, parameter: "keys")
            // Where no copy is kept, nobody needs to know.
            if namespaces.settings(of: parameters.namespace).tier.hasNear {
                askLife(of: fill, parameters.namespace, key, context)
            }
            return .fill(fill)
        } catch {
            preconditionFailure("the keys were not checked")
        }
    }

    /// Appends what is answered for a copy, unless its tags have moved on.
    private func append(copy hit: NearHit, _ batch: ReadBatch) -> Bool {
        batch.copyStart = batch.copies.count
        guard hit.form == .guarded else {
            append(hit, to: &batch.copies)
            return true
        }
        let copy = NearGuard(hit.value)
        guard stands(copy) else { return false }
        if isStale(copy) { countStale(batch.namespace) }
        append(guarded: copy, isStale: isStale(copy), to: &batch.copies)
        return true
    }

    func answerGetMany(_ call: CallID, _ reply: Reply?, _ number: Int) {
        let batch = batches[number]
        if let reply, needsMore(reply, batch) {
            guard let peer = calls.peer(of: call) else {
                endBatch(number)
                return calls.abandon(call)
            }
            var bytes = 0
            var elements = reply.elements()
            while let element = elements.next() { bytes += element.bytes.count }
            guard secondSteps.begin(peer, bytes: bytes, isLast: true) else {
                endBatch(number)
                return calls.fail(call, Cache.tooMuchKept)
            }
            let values = reply.copy().elements ?? []
            Task { @EventLoop in
                await self.settle(call, values, number, peer.index)
                self.secondSteps.end(peer, bytes: bytes)
            }
            return
        }
        defer { endBatch(number) }
        var elements = reply?.elements()
        calls.reply(call) { result in
            append(batch, to: &result) { fill, result in
                guard let value = elements?.next() else { return appendMiss(batch.namespace, to: &result) }
                let life = fill.flatMap { near.fill($0).life }
                append(value.kind == .bulk ? value.bytes : nil, life, fill, batch.namespace, to: &result)
            }
        }
    }

    /// Appends the entries of an answer: what was in memory, and what is given for each of the others.
    private func append(
        _ batch: ReadBatch,
        to result: inout ByteBuffer,
        _ appendNext: (Int?, inout ByteBuffer) -> Void
    ) {
        result.append("{\"entries\":[")
        for (index, part) in batch.parts.enumerated() {
            if index > 0 { result.append(UInt8(ascii: ",")) }
            switch part {
            case .near(let bounds):
                countNearHit(batch.namespace)
                result.append(batch.copies.view[bounds])
            case .fill(let fill): appendNext(fill, &result)
            case .valkey: appendNext(nil, &result)
            }
        }
        result.append("]}")
    }

    /// Appends what Valkey said of one entry, whose tags are those of now.
    private func append(
        _ stored: ByteView?,
        _ life: Int64?,
        _ fill: Int?,
        _ namespace: UInt16,
        to result: inout ByteBuffer
    ) {
        guard let stored, !stored.hasPrefix(StoredMark.lease) else { return appendMiss(namespace, to: &result) }
        guard stored.hasPrefix(EntryHead.mark) else {
            if mustBeEncrypted(namespace) {
                countUnreadable(namespace)
                return appendMiss(namespace, to: &result)
            }
            countHit(namespace)
            let value = StoredMark.content(of: stored)
            if let fill { keep(value, near.fill(fill)) }
            return append(hit: value, to: &result)
        }
        guard let head = EntryHead(stored), life != -2, isAsked(head, fill, namespace),
            let value = value(of: head, namespace)
        else {
            return appendMiss(namespace, to: &result)
        }
        countHit(namespace)
        let isStale = head.isStale(life: life)
        if isStale { countStale(namespace) }
        if let fill { keepGuarded(head, value, near.fill(fill)) }
        append(headed: value, isStale: isStale, to: &result)
    }

    /// Whether an encrypted entry is that of the key that was asked for; others are what they say.
    private func isAsked(_ head: EntryHead, _ fill: Int?, _ namespace: UInt16) -> Bool {
        guard let fill else { return isReadable(head, in: namespace) }
        return head.name.equals(near.fill(fill).name.view)
    }

    private func appendMiss(_ namespace: UInt16, to result: inout ByteBuffer) {
        countMiss(namespace)
        result.append("{\"hit\":false}")
    }

    // MARK: Entries with heads

    /// Whether Valkey must be asked for tags or lives before the answer is known.
    private func needsMore(_ reply: Reply, _ batch: ReadBatch) -> Bool {
        var elements = reply.elements()
        for part in batch.parts {
            if case .near = part { continue }
            guard let value = elements.next() else { return false }
            guard Cache.hasHead(value), let head = EntryHead(value.bytes) else { continue }
            var fill: Int?
            if case .fill(let number) = part { fill = number }
            if head.staleMilliseconds > 0, fill.flatMap({ near.fill($0).life }) == nil { return true }
            if !mayRely(on: head, in: batch.namespace, isFresh: batch.isFresh || fill == nil) { return true }
        }
        return false
    }

    /// Asks Valkey for tags and lives, then answers.
    private func settle(_ call: CallID, _ values: [ReplyValue], _ number: Int, _ lane: Int) async {
        defer { endBatch(number) }
        let batch = batches[number]
        var stored = values.map(\.bytes)
        var lives: [Int64?]
        do throws(LinkFailure) {
            let entries = zip(names(of: batch), stored).map { ReadEntry(name: $0, stored: $1 ?? []) }
            let outdated = try await outdated(entries, batch.deadline, lane)
            for index in outdated.indices where outdated[index] { stored[index] = nil }
            lives = try await livesOfStale(stored, batch.deadline, lane)
        } catch {
            if error.code == .unavailable, settings(ofNumber: batch.namespace).missesWhileAway {
                return appendDegraded(call, batch)
            }
            return calls.fail(call, RPCError(error))
        }
        var next = 0
        calls.reply(call) { result in
            append(batch, to: &result) { fill, result in
                defer { next += 1 }
                guard next < stored.count, let bytes = stored[next] else {
                    return appendMiss(batch.namespace, to: &result)
                }
                bytes.withByteView { append($0, lives[next], fill, batch.namespace, to: &result) }
            }
        }
    }

    /// The names of the keys that a batch asked Valkey for, where they are known.
    private func names(of batch: ReadBatch) -> [[UInt8]?] {
        batch.parts.compactMap { part in
            switch part {
            case .near: nil
            case .fill(let fill): .some(near.fill(fill).name.view.copy())
            case .valkey: .some(nil)
            }
        }
    }

    /// The lives left of entries that may be served after their lives, nil for any other, with one round trip.
    ///
    /// - Parameters:
    ///   - stored: The entries.
    ///   - deadline: When to stop waiting.
    ///   - lane: The caller's lane.
    /// - Returns: One for each entry.
    /// - Throws: ``LinkFailure``, also where Valkey refuses it: an entry whose life is not known is not served as fresh.
    private func livesOfStale(
        _ stored: [[UInt8]?],
        _ deadline: Instant,
        _ lane: Int
    ) async throws(LinkFailure) -> [Int64?] {
        let names = stored.map { bytes in
            bytes?.withByteView { bytes in
                EntryHead(bytes).flatMap { $0.staleMilliseconds > 0 ? $0.name.copy() : nil }
            } ?? nil
        }
        let asked = names.compactMap(\.self)
        guard !asked.isEmpty else { return names.map { _ in nil } }
        let reply = try await link.read(deadline: deadline, lane: lane, replies: asked.count + 2) { command in
            command.append("*1\r\n$5\r\nMULTI\r\n")
            for name in asked {
                command.append(commandOf: 2)
                command.append(word: "PTTL")
                name.withByteView { command.append(word: $0) }
            }
            command.append("*1\r\n$4\r\nEXEC\r\n")
        }
        let lives = (reply.elements ?? []).compactMap(\.integer)
        guard lives.count == asked.count else { throw .unexpected }
        var next = lives.makeIterator()
        return names.map { $0 == nil ? nil : next.next() }
    }

    func answerManyDegraded(_ call: CallID, _ number: Int) {
        defer { endBatch(number) }
        appendDegraded(call, batches[number])
    }

    private func appendDegraded(_ call: CallID, _ batch: ReadBatch) {
        calls.reply(call) { result in
            result.append("{\"entries\":[")
            for (index, part) in batch.parts.enumerated() {
                if index > 0 { result.append(UInt8(ascii: ",")) }
                if case .near(let bounds) = part {
                    countNearHit(batch.namespace)
                    result.append(batch.copies.view[bounds])
                } else {
                    counts.degraded += 1
                    result.append("{\"hit\":false,\"degraded\":true}")
                }
            }
            result.append("]}")
        }
    }

    private func takeBatch() -> Int {
        if let free = freeBatches.popLast() { return free }
        batches.append(ReadBatch())
        return batches.count - 1
    }

    /// Gives a batch back, with the fills that it holds.
    func endBatch(_ number: Int) {
        let batch = batches[number]
        for part in batch.parts {
            if case .fill(let fill) = part { near.end(fill) }
        }
        batch.parts.removeAll(keepingCapacity: true)
        batch.copies.removeAll(keepingCapacityUpTo: 64 << 10)
        freeBatches.append(number)
    }
}
