import Bytes
import EventLoop
import JSON
import JSONRPC
import Linux
import Store
import Valkey

/// A read that found an entry with a head, and what is needed to answer it.
struct HeadedRead {
    /// The call.
    let call: CallID
    /// Number of the namespace.
    let namespace: UInt16
    /// When the call must have been answered.
    let deadline: Instant
    /// The caller's lane.
    let lane: Int
    /// Number of the fill, where a copy may be kept.
    var fill: Int?
    /// Whether what is remembered of tags does not count.
    var isFresh = false
    /// Whether the life left is part of the answer.
    var withLife = false
    /// Life left in milliseconds as `PTTL` tells it; nil while it is not known.
    var life: Int64?
    /// What the caller wishes for where it is to compute the entry.
    var wish: LeaseWish?
}

/// Reading entries that have a stale period or tags.
///
/// Where the agent remembers the generations of an entry's tags, and that Valkey tells of their changes, such an entry is
/// answered like any other. Else Valkey is asked for them, which is a second round trip.
extension Cache {
    /// How long a further step may take whose call's own deadline is not known any more.
    static let furtherStepTimeout = Duration.seconds(5)

    /// Whether a reply is an entry that has a head.
    static func hasHead(_ reply: Reply) -> Bool {
        reply.kind == .bulk && reply.bytes.hasPrefix(EntryHead.mark)
    }

    /// The read of a call whose value is not kept.
    func headedRead(_ call: CallID, _ detail: UInt32, withLife: Bool) -> HeadedRead {
        let detail = ReadDetail(rawValue: detail)
        return HeadedRead(
            call: call,
            namespace: detail.namespace,
            deadline: detail.deadline(at: EventLoop.reactor.now),
            lane: calls.peer(of: call)?.index ?? 0,
            withLife: withLife
        )
    }

    /// The read of a fill, which it holds until it is answered.
    func headedRead(_ call: CallID, fill number: Int, withLife: Bool) -> HeadedRead {
        let fill = near.fill(number)
        return HeadedRead(
            call: call,
            namespace: fill.namespace,
            deadline: fill.deadline,
            lane: calls.peer(of: call)?.index ?? 0,
            fill: number,
            isFresh: fill.isFresh,
            withLife: withLife,
            life: fill.life,
            wish: fill.wish
        )
    }

    /// Answers a read that found an entry with a head.
    func answerHeaded(_ stored: ByteView, _ read: HeadedRead) {
        guard let head = EntryHead(stored), isInPlace(head, read) else {
            defer { end(read) }
            return answerUnreadable(read)
        }
        let needsLife = head.staleMilliseconds > 0 && read.life == nil
        guard !needsLife, mayRely(on: head, in: read.namespace, isFresh: read.isFresh || read.fill == nil) else {
            return settle(stored, head, read)
        }
        answer(head, read)
    }

    /// Has Valkey asked for what is not known, with the entry at hand where it may be kept so long.
    private func settle(_ stored: ByteView, _ head: EntryHead, _ read: HeadedRead) {
        guard let peer = calls.peer(of: read.call) else {
            end(read)
            return calls.abandon(read.call)
        }
        let count = stored.count
        if secondSteps.begin(peer, bytes: count) {
            let copy = stored.copy()
            Task { @EventLoop in
                await self.settle(copy, read)
                self.secondSteps.end(peer, bytes: count)
            }
        } else if read.fill == nil, !isNamed(head, in: read.namespace) {
            // What it says of itself is not what was asked for, which is not known any more.
            calls.fail(read.call, Cache.tooMuchKept)
        } else {
            let name = head.name.copy()
            Task { @EventLoop in
                await self.secondSteps.turn(peer, bytes: count)
                await self.readAgain(name, read)
                self.secondSteps.end(peer, bytes: count)
            }
        }
    }

    /// Reads an entry anew that could not be kept until its tags were known.
    private func readAgain(_ name: [UInt8], _ first: HeadedRead) async {
        var read = first
        guard calls.isWaiting(read.call) else {
            end(read)
            return calls.abandon(read.call)
        }
        do throws(LinkFailure) {
            let reply = try await lifeAndEntry(of: name, read.deadline, read.lane)
            guard let elements = reply.elements, elements.count == 2, let stored = elements[1].bytes else {
                return answerMissing(read)
            }
            read.life = elements[0].integer
            let isHeaded = stored.withByteView { stored in EntryHead(stored).map { isInPlace($0, read) } ?? false }
            if isHeaded { return await settle(stored, read) }
            stored.withByteView { answerChanged($0, read) }
        } catch {
            fail(read, error)
        }
    }

    /// Answers a read of an entry that has another form than when it was read first.
    private func answerChanged(_ stored: ByteView, _ read: HeadedRead) {
        if stored.hasPrefix(StoredMark.lease) { return answerMissing(read) }
        defer { end(read) }
        guard !stored.hasPrefix(EntryHead.mark), !mustBeEncrypted(read.namespace) else {
            return answerUnreadable(read)
        }
        countHit(read.namespace)
        let value = StoredMark.content(of: stored)
        calls.reply(read.call) { result in
            if read.withLife {
                append(hit: value, life: read.life ?? -1, to: &result)
            } else {
                append(hit: value, to: &result)
            }
        }
    }

    /// Asks Valkey for the life left, as `PTTL` tells it, and the entry of a key, as they are at one moment.
    ///
    /// - Parameters:
    ///   - name: Full name of the key.
    ///   - deadline: When to stop waiting.
    ///   - lane: The caller's lane.
    /// - Returns: Both, neither an error.
    /// - Throws: ``LinkFailure``, also where Valkey refuses it.
    func lifeAndEntry(
        of name: [UInt8],
        _ deadline: Instant,
        _ lane: Int
    ) async throws(LinkFailure) -> ReplyValue {
        try await link.read(deadline: deadline, lane: lane, replies: 4) { command in
            command.append("*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nPTTL\r\n")
            name.withByteView { command.append(word: $0) }
            command.append("*2\r\n$3\r\nGET\r\n")
            name.withByteView { command.append(word: $0) }
            command.append("*1\r\n$4\r\nEXEC\r\n")
        }
    }

    /// Answers a read of an entry that cannot be read: a miss, or the turn to compute it.
    private func answerUnreadable(_ read: HeadedRead) {
        if let wish = read.wish, let fill = read.fill {
            return join(near.fill(fill).name.view.copy(), read.namespace, wish)
        }
        countUnreadable(read.namespace)
        answerMiss(read.call, read.namespace)
    }

    /// Whether an entry lies where it was written.
    private func isInPlace(_ head: EntryHead, _ read: HeadedRead) -> Bool {
        guard let fill = read.fill else { return isReadable(head, in: read.namespace) }
        return head.name.equals(near.fill(fill).name.view)
    }

    /// Whether an entry may be read where the key that was asked for is not known any more: one that is encrypted only in
    /// the namespace that it was written in.
    func isReadable(_ head: EntryHead, in namespace: UInt16) -> Bool {
        !head.flags.contains(.encrypted) || isNamed(head, in: namespace)
    }

    /// Whether an entry says that it was written in a namespace.
    private func isNamed(_ head: EntryHead, in namespace: UInt16) -> Bool {
        let name = register.name(of: namespace)
        guard name != nil || namespace == 0 else { return false }
        return keyspace.stem(.cache, name).withByteView { stem in
            head.name.count > stem.count && head.name.prefix(stem.count).equals(stem)
        }
    }

    /// Whether what is remembered says that the tags of an entry are those of now.
    func mayRely(on head: EntryHead, in namespace: UInt16, isFresh: Bool) -> Bool {
        if head.tagCount == 0 { return true }
        return !isFresh && isTold(namespace) && references(of: head) != nil
    }

    /// Whether Valkey tells of changes in a namespace.
    func isTold(_ namespace: UInt16) -> Bool {
        near.isTracked && settings(ofNumber: namespace).tier.hasNear
    }

    /// What is remembered of an entry's tags, where all of them have the generations that it was written under.
    func references(of head: EntryHead) -> [TagTable.Reference]? {
        guard let stem = keyspace.stem(.cacheTag, besides: head.name, of: .cache) else { return nil }
        var references: [TagTable.Reference] = []
        for tag in head.tags {
            guard let known = tags.known(stem + tag.name.copy()),
                known.generation.withByteView({ $0.equals(tag.generation) })
            else { return nil }
            references.append(known.reference)
        }
        return references
    }

    /// Asks Valkey for what is not known, then answers.
    private func settle(_ stored: [UInt8], _ first: HeadedRead) async {
        var read = first
        do throws(LinkFailure) {
            if try await isOutdated(stored, read.deadline, read.lane) { return answerMissing(read) }
            if read.life == nil, let name = stored.withByteView({ EntryHead($0)?.name.copy() }) {
                read.life = try await life(of: name, read.deadline, read.lane)
                // It went meanwhile.
                if read.life == -2 { return answerMissing(read) }
            }
        } catch {
            return fail(read, error)
        }
        stored.withByteView { stored in
            guard let head = EntryHead(stored) else { preconditionFailure("the head was read before") }
            answer(head, read)
        }
    }

    /// Asks Valkey how long a key lives, as `PTTL` tells it.
    ///
    /// - Parameters: As of ``lifeAndEntry(of:_:_:)``.
    /// - Returns: The life in milliseconds; -1 for no end, -2 where there is no such key.
    /// - Throws: ``LinkFailure``, also where Valkey refuses it.
    func life(of name: [UInt8], _ deadline: Instant, _ lane: Int) async throws(LinkFailure) -> Int64 {
        let reply = try await link.read(deadline: deadline, lane: lane) { command in
            command.append(commandOf: 2)
            command.append(word: "PTTL")
            name.withByteView { command.append(word: $0) }
        }
        guard let life = reply.integer else { throw .unexpected }
        return life
    }

    /// Answers a read of an entry whose tags are those of now.
    private func answer(_ head: EntryHead, _ read: HeadedRead) {
        defer { end(read) }
        guard let value = value(of: head, read.namespace) else { return answerUnreadable(read) }
        let isStale = head.isStale(life: read.life)
        if isStale, let wish = read.wish {
            return joinStale(head.name.copy(), read.namespace, wish) { answerHit(head, value, read, isStale: true) }
        }
        if let number = read.fill { keepGuarded(head, value, near.fill(number)) }
        answerHit(head, value, read, isStale: isStale)
    }

    private func answerHit(_ head: EntryHead, _ value: ByteView, _ read: HeadedRead, isStale: Bool) {
        countHit(read.namespace)
        if isStale { countStale(read.namespace) }
        calls.reply(read.call) { result in
            append(headed: value, isStale: isStale, to: &result)
            guard read.withLife else { return }
            result.truncate(to: result.count - 1)
            let life = read.life ?? -1
            append(life: life < 0 ? -1 : max(life - head.staleMilliseconds, 0), to: &result)
        }
    }

    /// Appends a hit in Valkey of an entry with a head.
    func append(headed value: ByteView, isStale: Bool, to result: inout ByteBuffer) {
        append(hit: value, to: &result)
        guard isStale else { return }
        result.truncate(to: result.count - 1)
        result.append(",\"stale\":true}")
    }

    /// Keeps a copy of an entry with a head, with what is to be checked before it is served.
    func keepGuarded(_ head: EntryHead, _ value: ByteView, _ fill: NearCache.Fill) {
        guard near.mayStore(fill, value.count), let references = references(of: head), let life = fill.life else {
            return
        }
        let form = StoredValue.form(value, depthMax: depthMax)
        let left = head.staleMilliseconds > 0 && life >= 0 ? life - head.staleMilliseconds : nil
        copyScratch.removeAll(keepingCapacityUpTo: 64 << 10)
        NearGuard.append(
            NearForm(form),
            staleAt: left.map { fill.sentAt.advanced(milliseconds: $0) } ?? .distantFuture,
            references,
            to: &copyScratch
        )
        StoredValue.append(value, as: form, to: &copyScratch)
        near.store(fill, copyScratch.view, .guarded)
    }

    /// Answers a read of an entry that is there no longer: its tags have moved on.
    private func answerMissing(_ read: HeadedRead) {
        defer { end(read) }
        if let wish = read.wish, let number = read.fill {
            return join(near.fill(number).name.view.copy(), read.namespace, wish)
        }
        answerMiss(read.call, read.namespace)
    }

    private func fail(_ read: HeadedRead, _ failure: LinkFailure) {
        if failure.code == .unavailable, settings(ofNumber: read.namespace).missesWhileAway {
            let operation = read.fill == nil ? Operation.get : .fill
            return answerDegraded(read.call, operation, UInt32(read.fill ?? 0))
        }
        end(read)
        calls.fail(read.call, RPCError(failure))
    }

    private func end(_ read: HeadedRead) {
        if let number = read.fill { near.end(number) }
    }

    func countStale(_ namespace: UInt16) {
        counts.staleHits += 1
        register.counts[Int(namespace)].staleHits += 1
    }
}

extension EntryHead {
    /// Whether the entry's life is over, where `life` is what `PTTL` says of its key.
    func isStale(life: Int64?) -> Bool {
        guard staleMilliseconds > 0, let life, life >= 0 else { return false }
        return life <= staleMilliseconds
    }
}
