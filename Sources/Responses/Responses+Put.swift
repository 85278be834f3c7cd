import Bytes
public import Contract
import EventLoop
import JSON
public import JSONRPC
import Linux
public import Store
import Valkey

extension Responses {
    /// Answers `response.put`: two round trips.
    ///
    /// - Throws: ``RPCError`` where a parameter is not usable; nothing was written then.
    public func put(_ parameters: ResponsePutParameters, _ context: CallContext) throws(RPCError) {
        let identity = try identity(
            RequestIdentity.Parts(
                model: parameters.model,
                scope: parameters.scope,
                prompt: parameters.prompt,
                messages: parameters.messages,
                params: parameters.params
            )
        )
        if let cost = parameters.cost, Cost.billionths(cost.text) == nil {
            throw .invalidParams("cost must be from 0 to 1000000", parameter: "cost")
        }
        let tags = try names(of: parameters.tags)
        let lease = parameters.lease.map { $0.raw.copy() }
        guard isComplete(parameters) else { return refuse(identity, lease, context) }
        let draft = StoredResponse.Draft(content(parameters, tags), id: Hexadecimal.random(words: 1))
        let life = namespaces.life(parameters.ttlMilliseconds, inNamed: Responses.namespace)
        Task { @EventLoop in await self.store(draft, identity, tags, life: life, lease, context) }
    }

    /// The tags' names, each once.
    private func names(of tags: StringList?) throws(RPCError) -> [[UInt8]] {
        guard let tags else { return [] }
        var names: [[UInt8]] = []
        for tag in tags {
            let name = try keyspace.resolve(tag, parameter: "tags").copy()
            if !names.contains(name) { names.append(name) }
        }
        return names
    }

    private func isComplete(_ parameters: ResponsePutParameters) -> Bool {
        if let response = parameters.response { return Completeness.isComplete(response: response) }
        guard let chunks = parameters.chunks else { preconditionFailure("the contract demands response or chunks") }
        var iterator = chunks.makeIterator()
        return Completeness.isComplete { iterator.next()?.chunk }
    }

    private func content(_ parameters: ResponsePutParameters, _ tags: [[UInt8]]) -> StoredResponse.Content {
        let (name, body): (StaticString, ByteView?) =
            parameters.response.map { ("response", $0.text) } ?? ("chunks", parameters.chunks?.text)
        return StoredResponse.Content(
            tags: tags,
            cost: parameters.cost?.text,
            usage: parameters.usage?.text,
            name: name,
            body: body ?? .empty
        )
    }

    /// Says that an incomplete response is not stored, and lets the next one compute it.
    private func refuse(_ identity: RequestIdentity, _ lease: [UInt8]?, _ context: CallContext) {
        counts.incomplete += 1
        if let lease { release(identity.fingerprint, lease) }
        calls.reply(context.call) { result in
            result.append("{\"stored\":false,\"reason\":\"incomplete\",\"fingerprint\":\"")
            result.append(identity.fingerprint)
            result.append("\"}")
        }
    }

    private func store(
        _ draft: StoredResponse.Draft,
        _ identity: RequestIdentity,
        _ tags: [[UInt8]],
        life: Int64?,
        _ lease: [UInt8]?,
        _ context: CallContext
    ) async {
        do throws(RPCError) {
            let generations = try await generations(
                generationNames(identity) + tags.map { generationName(ofTag: $0) },
                life: life.map { $0 + Responses.generationMarginMilliseconds },
                context.deadline,
                lane: context.lane
            )
            let entry = draft.entry(under: generations)
            let stored = stored(entry, identity.fingerprint)
            try await write(stored, identity, generations, life: life, lease, context)
            counts.stored += 1
            leaseEnded(identity.fingerprint, lease)
            calls.reply(context.call) { result in
                result.append("{\"stored\":true,\"fingerprint\":\"")
                result.append(identity.fingerprint)
                result.append("\"}")
            }
        } catch {
            // Whoever cannot store it does not keep the others waiting.
            if let lease { release(identity.fingerprint, lease) }
            calls.fail(context.call, error)
        }
    }

    /// Writes an entry under the generations of its scope, its model and its tags.
    private func write(
        _ entry: [UInt8],
        _ identity: RequestIdentity,
        _ generations: [[UInt8]],
        life: Int64?,
        _ lease: [UInt8]?,
        _ context: CallContext
    ) async throws(RPCError) {
        let name = name(identity.fingerprint)
        let effect: CommandEffect = lease == nil ? .idempotentWrite : .write
        _ = try await callAll(1, effect, context.deadline, lane: context.lane) { _, command in
            command.append(callOf: ResponseScripts.put, keys: 1, arguments: 6)
            name.withByteView { command.append(word: $0) }
            entry.withByteView { command.append(word: $0) }
            command.append(life: life)
            (lease ?? []).withByteView { command.append(word: $0) }
            (generations[0] + generations[1]).withByteView { command.append(word: $0) }
            name.withByteView { command.append(word: $0) }
            TagInvalidation.latest(of: generations.dropFirst(2)).withByteView { command.append(word: $0) }
        }
    }
}
