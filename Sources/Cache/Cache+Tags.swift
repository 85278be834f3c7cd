import Bytes
import Contract
import Crypto
import EventLoop
import JSON
import JSONRPC
import Linux
import Store
import Valkey

/// An entry as it was read, or its beginning.
struct ReadEntry {
    /// Full name of the key that it was read from; nil where that is not known: then it is the one that it names itself.
    let name: [UInt8]?
    /// What lies there; of no bytes for nothing.
    let stored: [UInt8]
}

/// Tags: each has a random generation, and an entry records those that it was written under.
///
/// A tag that has another generation now, or none, makes the entry a miss. So invalidating a tag is removing one key,
/// however many entries have it; what is left of them is purged when it is read, by ``TagSweep``, or by its end.
extension Cache {
    /// Whether the tags of an entry have moved on, by Valkey's word; then it is removed.
    ///
    /// - Parameters:
    ///   - stored: The entry, or its beginning.
    ///   - name: Full name of the key that it was read from; nil where that is not known.
    ///   - deadline: When to stop waiting.
    ///   - lane: The caller's lane.
    /// - Returns: False where it has none, or no head that this agent can read.
    /// - Throws: As of ``outdated(_:_:_:)``.
    func isOutdated(
        _ stored: [UInt8],
        at name: [UInt8]? = nil,
        _ deadline: Instant,
        _ lane: Int
    ) async throws(LinkFailure) -> Bool {
        try await outdated([ReadEntry(name: name, stored: stored)], deadline, lane)[0]
    }

    /// Which of some entries have tags that have moved on, by Valkey's word, with one round trip; they are removed.
    ///
    /// - Parameters:
    ///   - entries: The entries.
    ///   - deadline: When to stop waiting.
    ///   - lane: The caller's lane; entries are removed before what follows over it.
    /// - Returns: One for each entry.
    /// - Throws: ``LinkFailure``, also where Valkey refuses to tell; then nothing is removed.
    func outdated(_ entries: [ReadEntry], _ deadline: Instant, _ lane: Int) async throws(LinkFailure) -> [Bool] {
        let tagged = entries.map { tagGenerations(in: $0.stored) }
        let names = Array(Set(tagged.flatMap { $0.map(\.name) }))
        guard !names.isEmpty else { return entries.map { _ in false } }
        let present = Dictionary(zip(names, try await askGenerations(of: names, deadline, lane))) { first, _ in first }
        return zip(entries, tagged).map { entry, tags in
            guard tags.contains(where: { present[$0.name] != $0.generation }) else { return false }
            entry.stored.withByteView { stored in
                guard let head = EntryHead(stored) else { return }
                purge(head.bytes, named: entry.name ?? head.name.copy(), lane)
            }
            return true
        }
    }

    /// Full names of the tags of an entry, and the generations that it was written under.
    private func tagGenerations(in stored: [UInt8]) -> [(name: [UInt8], generation: [UInt8])] {
        stored.withByteView { bytes in
            guard let head = EntryHead(bytes), let stem = keyspace.stem(.cacheTag, besides: head.name, of: .cache)
            else {
                return []
            }
            return head.tags.map { (stem + $0.name.copy(), $0.generation.copy()) }
        }
    }

    /// Asks Valkey for the generations of tags, and remembers them.
    ///
    /// - Parameters:
    ///   - names: Full names of the tags.
    ///   - deadline: When to stop waiting.
    ///   - lane: The caller's lane.
    /// - Returns: One for each name; of no bytes for a tag that has none.
    /// - Throws: ``LinkFailure``, also where Valkey refuses it: nothing is known of the tags then.
    func askGenerations(
        of names: [[UInt8]],
        _ deadline: Instant,
        _ lane: Int
    ) async throws(LinkFailure) -> [[UInt8]] {
        let questions = near.isTracked ? names.map { tags.ask($0) } : []
        let generations = try await values(of: names, deadline, lane).map { $0 ?? [] }
        for (question, generation) in zip(questions, generations) { tags.learn(generation, question) }
        return generations
    }

    /// Asks Valkey for what lies under keys.
    ///
    /// - Parameters:
    ///   - names: Full names of the keys, at least one.
    ///   - deadline: When to stop waiting.
    ///   - lane: The caller's lane.
    /// - Returns: One for each name; nil where nothing is there, or no string.
    /// - Throws: ``LinkFailure``, also where Valkey refuses it.
    func values(
        of names: [[UInt8]],
        _ deadline: Instant,
        _ lane: Int
    ) async throws(LinkFailure) -> [[UInt8]?] {
        let reply = try await link.read(deadline: deadline, lane: lane) { command in
            command.append(commandOf: 1 + names.count)
            command.append(word: "MGET")
            for name in names { name.withByteView { command.append(word: $0) } }
        }
        guard let elements = reply.elements, elements.count == names.count,
            elements.allSatisfy({ $0 == .null || $0.bytes != nil })
        else { throw .unexpected }
        return elements.map(\.bytes)
    }

    /// Removes an entry that begins so, unless it was written anew.
    func purge(_ beginning: ByteView, named name: [UInt8], _ lane: Int) {
        sendUnattended(lane) { command in
            command.append(callOf: CacheScripts.purge, keys: 1, arguments: 1)
            name.withByteView { command.append(word: $0) }
            command.append(word: beginning)
        }
    }

    // MARK: Writing

    /// The generations that an entry is to be written under; tags that have none get one.
    ///
    /// A tag lives at least as long as the entries that have it, else they would be missed before their end. It is given
    /// twice their life, so that it is not to be told anew with each of them: each change of a tag is news to all agents.
    ///
    /// - Parameters:
    ///   - names: Full names of the tags' keys.
    ///   - life: How long the entry lies in Valkey, in milliseconds; nil for no end.
    ///   - deadline: When to stop waiting.
    ///   - lane: The caller's lane.
    /// - Returns: One for each name.
    /// - Throws: ``RPCError``, by which nothing was written of the entry.
    func grantGenerations(
        _ names: [[UInt8]],
        life: Int64?,
        _ deadline: Instant,
        _ lane: Int
    ) async throws(RPCError) -> [[UInt8]] {
        let proposals = names.map { _ in TagGeneration.make() }
        let double = life.map { min($0, Int64.max / 4) * 2 }
        let reply: ReplyValue
        do throws(LinkFailure) {
            reply = try await link.call(
                .idempotentWrite,
                deadline: deadline,
                lane: lane,
                replies: 2 * names.count + 2
            ) { command in
                command.append("*1\r\n$5\r\nMULTI\r\n")
                for (name, proposal) in zip(names, proposals) {
                    append(proposal: proposal, of: name, life: double, to: &command)
                }
                command.append("*1\r\n$4\r\nEXEC\r\n")
            }
        } catch {
            var failure = RPCError(error)
            // What is said of the tags is not said of the entry.
            failure.outcome = .notApplied
            failure.isRetryable = true
            throw failure
        }
        if case .error(let text) = reply { throw text.withByteView { RPCError(refusal: $0, .idempotentWrite) } }
        let elements = reply.elements ?? []
        guard elements.count == 2 * names.count else {
            throw RPCError(.internalError, "Valkey answered a transaction with something else", outcome: .notApplied)
        }
        for element in elements {
            if case .error(let text) = element { throw text.withByteView { RPCError(refusal: $0, .idempotentWrite) } }
        }
        var granted: [[UInt8]] = []
        for (index, name) in names.enumerated() {
            let generation = elements[2 * index].bytes ?? proposals[index]
            granted.append(generation)
            if let known = tags.known(name), known.generation != generation { tags.changed(name) }
            extend(name, left: elements[2 * index + 1].integer ?? 0, life, double, lane)
        }
        return granted
    }

    private func append(proposal: [UInt8], of name: [UInt8], life: Int64?, to command: inout ByteBuffer) {
        command.append(commandOf: life == nil ? 5 : 7)
        command.append(word: "SET")
        name.withByteView { command.append(word: $0) }
        proposal.withByteView { command.append(word: $0) }
        command.append(word: "NX")
        command.append(word: "GET")
        if let life {
            command.append(word: "PX")
            command.append(word: life)
        }
        command.append(commandOf: 2)
        command.append(word: "PTTL")
        name.withByteView { command.append(word: $0) }
    }

    /// Lets a tag live on where it would end before the entry.
    private func extend(_ name: [UInt8], left: Int64, _ life: Int64?, _ double: Int64?, _ lane: Int) {
        guard left >= 0, left < life ?? .max else { return }
        extendTags([name], life: double, lane)
    }

    // MARK: Invalidating

    /// Answers `cache.invalidate` by tags: one round trip, however many entries have them.
    func invalidateTags(
        _ list: StringList,
        _ parameters: CacheInvalidateParameters,
        _ context: CallContext
    )
        throws(RPCError)
    {
        let names = try tagNames(list, parameters.namespace)
        let number = freeTagLists.popLast() ?? tagLists.count
        if number == tagLists.count { tagLists.append([]) }
        // From here on this agent takes none of their entries for true.
        for name in names { tagLists[number].append(tags.beginWrite(name)) }
        let namespace = register.number(of: parameters.namespace)
        register.counts[Int(namespace)].invalidations += UInt64(names.count)
        send(.invalidateTags, .idempotentWrite, context, detail: UInt32(number)) { command in
            command.append(commandOf: 1 + names.count)
            command.append(word: "UNLINK")
            for name in names { name.withByteView { command.append(word: $0) } }
        }
        // Behind it, over the same connection: a server that takes no more data still invalidates.
        for name in names { rememberInvalidation(of: name, context.lane) }
    }

    /// Has a tag tell when it was invalidated, to whoever computes a value for it meanwhile.
    private func rememberInvalidation(of name: [UInt8], _ lane: Int) {
        sendUnattended(lane) { command in
            command.append(callOf: CacheScripts.rememberInvalidation, keys: 1, arguments: 2)
            name.withByteView { command.append(word: $0) }
            RandomBytes.make(8).withByteView { command.append(word: $0) }
            command.append(word: TagGeneration.memoryMilliseconds)
        }
    }

    /// Whether a tag was invalidated since a lease began, by its generation.
    ///
    /// Both were timed by the server, so nothing depends on the clocks of hosts.
    func wasInvalidated(_ generation: [UInt8], since begun: Int64) -> Bool {
        TagGeneration.invalidatedAt(generation).map { $0 >= begun } ?? false
    }

    func answerInvalidateTags(_ call: CallID) {
        calls.reply(call) { $0.append("{}") }
        sweep.begin()
    }

    func endTagWrites(_ number: Int) {
        for tag in tagLists[number] { tags.endWrite(tag) }
        tagLists[number].removeAll(keepingCapacity: true)
        freeTagLists.append(number)
    }

    /// Full names of tags' keys, each once.
    ///
    /// - Throws: ``RPCError`` where a name is not usable.
    func tagNames(_ list: StringList, _ namespace: JSONString?) throws(RPCError) -> [[UInt8]] {
        let stem = keyspace.stem(.cacheTag, namespace?.raw.copy())
        var names: [[UInt8]] = []
        for tag in list {
            let name = stem + (try keyspace.resolve(tag, parameter: "tags")).copy()
            if !names.contains(name) { names.append(name) }
        }
        return names
    }
}
