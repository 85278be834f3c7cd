import Bytes
public import Contract
import JSON
public import JSONRPC
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
}

extension Cache {
    /// Answers `cache.get_many`: from memory, or with one round trip for all that is not there.
    ///
    /// - Throws: ``RPCError`` where a key is not usable.
    public func getMany(_ parameters: CacheGetManyParameters, _ context: CallContext) throws(RPCError) {
        for key in parameters.keys { _ = try keyspace.resolve(key, parameter: "keys") }
        let namespace = parameters.namespace
        let number = takeBatch()
        let batch = batches[number]
        batch.namespace = register.number(of: namespace)
        let usesNear = near.isUsable && namespaces.settings(of: namespace).tier.hasNear
        var asked = 0
        for key in parameters.keys {
            let part: ReadBatch.Part
            if usesNear {
                part = resolvedPart(key, parameters, batch, context)
            } else {
                part = .valkey
            }
            if case .near = part {} else { asked += 1 }
            batch.parts.append(part)
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

    /// Looks for an entry in memory, and prepares to ask for it where it is not there.
    private func resolvedPart(
        _ key: JSONString,
        _ parameters: CacheGetManyParameters,
        _ batch: ReadBatch,
        _ context: CallContext
    ) -> ReadBatch.Part {
        do throws(RPCError) {
            let key = try keyspace.resolve(key, parameter: "keys")
            let name = near.name(parameters.namespace, key)
            let hash = near.hash(name)
            if !parameters.fresh, let hit = near.find(name, hash) {
                let start = batch.copies.count
                append(hit, to: &batch.copies)
                return .near(start..<batch.copies.count)
            }
            let fill = near.beginFill(name, hash, batch.namespace)
            askLife(of: fill, parameters.namespace, key, context)
            return .fill(fill)
        } catch {
            preconditionFailure("the keys were not checked")
        }
    }

    func answerGetMany(_ call: CallID, _ reply: Reply?, _ number: Int) {
        defer { endBatch(number) }
        let batch = batches[number]
        var elements = reply?.elements()
        calls.reply(call) { result in
            result.append("{\"entries\":[")
            for (index, part) in batch.parts.enumerated() {
                if index > 0 { result.append(UInt8(ascii: ",")) }
                if case .near(let bounds) = part {
                    countNearHit(batch.namespace)
                    result.append(batch.copies.view[bounds])
                    continue
                }
                guard let value = elements?.next(), let entry = StoredMark.entry(value) else {
                    countMiss(batch.namespace)
                    result.append("{\"hit\":false}")
                    continue
                }
                countHit(batch.namespace)
                if case .fill(let fill) = part { keep(entry, near.fill(fill)) }
                append(hit: entry, to: &result)
            }
            result.append("]}")
        }
    }

    func answerManyDegraded(_ call: CallID, _ number: Int) {
        defer { endBatch(number) }
        let batch = batches[number]
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
