import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store
import Valkey

/// The question who computes an entry, and what comes of it.
extension Cache {
    /// Asks Valkey for the entry or the lease, on behalf of whoever has waited longest.
    func ask(_ key: LeasedKey) {
        if isLocal(key.namespace) {
            endTurn(key)
            return askLocal(key)
        }
        dropGone(key)
        guard let first = key.waiters.first else {
            endTurn(key)
            giveBackUnanswered(key)
            return arm(key)
        }
        let end = Instant.now.advanced(milliseconds: first.leaseMilliseconds)
        // The same lease as the time before where nobody knows whether that was given, and behind that question.
        let question = LeasedKey.Question(
            token: key.unanswered?.token ?? Hexadecimal.random(words: 2),
            lane: key.unanswered?.lane ?? first.lane,
            end: max(key.unanswered?.end ?? end, end),
            leaseMilliseconds: first.leaseMilliseconds,
            mayBeGiven: key.unanswered != nil
        )
        key.unanswered = nil
        key.asked = question
        key.isNews = false
        key.isDoubtful = false
        for index in key.waiters.indices { key.waiters[index].isAsked = true }
        let request = CommandRequest(
            receiver: self,
            completion: Completion(operation: Operation.lease.rawValue, detail: key.number),
            effect: .idempotentWrite,
            deadline: first.deadline
        )
        link.send(request, lane: question.lane) { command in
            command.append(callOf: CacheScripts.lease, keys: 1, arguments: 2)
            key.name.withByteView { command.append(word: $0) }
            question.token.withByteView { command.append(word: $0) }
            command.append(word: first.leaseMilliseconds)
        }
        // It may have been turned away by now.
        if key.asked != nil { arm(key) }
    }

    func answerLease(_ number: UInt32, _ reply: Reply) {
        guard let key = leases[number], let question = key.asked else { return }
        defer { endTurn(key) }
        key.asked = nil
        key.foreignEnd = .distantFuture
        if reply.kind == .error || reply.kind == .tooLarge {
            if question.mayBeGiven || reply.kind == .tooLarge { key.unanswered = question }
            return leaseFailed(key, RPCError(refusal: reply, .idempotentWrite))
        }
        var elements = reply.elements()
        let word = elements.next()?.integer
        switch word {
        case 1:
            let begun = elements.next()?.integer ?? 0
            if !askForNext(key, question) { grant(key, question, begun: begun) }
        case 2, 5, 6:
            let stored = elements.next()?.bytes ?? .empty
            settle(key, question, LeaseReply(word: word ?? 2, begun: elements.next()?.integer ?? 0), stored)
        case 3:
            let left = elements.next()?.integer ?? 0
            let holder = elements.next()?.bytes.copy()
            if key.holder?.token != holder { key.holder = nil }
            if key.holder == nil { key.foreignEnd = Instant.now.advanced(milliseconds: max(left, 1)) }
            if key.isNews { return ask(key) }
            dismissLate(key)
            arm(key)
        default:
            key.holder = nil
            answerAll(key) { answerMiss($0, key.namespace) }
        }
    }

    /// Takes the entry that was there in place of a lease, where its tags have not moved on.
    private func settle(
        _ key: LeasedKey,
        _ question: LeasedKey.Question,
        _ answer: LeaseReply,
        _ stored: ByteView
    ) {
        guard stored.hasPrefix(EntryHead.mark) else {
            guard !mustBeEncrypted(key.namespace) else { return unreadable(key, stored) }
            return deliver(key, question, answer, StoredMark.content(of: stored))
        }
        guard let head = EntryHead(stored), key.name.withByteView({ head.name.equals($0) }) else {
            return unreadable(key, stored)
        }
        let isKnown = settings(ofNumber: key.namespace).tier.hasNear
        if mayRely(on: head, in: key.namespace, isFresh: !isKnown) { return deliver(key, question, answer, head) }
        verify(key, question, answer, stored)
    }

    /// Has Valkey asked for the tags of an entry, with it at hand where it may be kept so long; else Valkey is asked for
    /// the entry anew when its turn comes.
    private func verify(_ key: LeasedKey, _ first: LeasedKey.Question, _ answer: LeaseReply, _ stored: ByteView) {
        var question = first
        if answer.word == 5 { question.mayBeGiven = true }
        dropGone(key)
        guard let waiter = key.waiters.first else {
            if question.mayBeGiven { key.unanswered = question }
            return ask(key)
        }
        // Nothing else is asked meanwhile.
        key.asked = question
        defer { arm(key) }
        guard let turn = takeTurn(key, bytes: stored.count) else {
            if question.mayBeGiven { key.unanswered = question }
            key.turnsAwaited += 1
            key.awaited = LeasedKey.AwaitedTurn(number: key.turnsAwaited, bytes: stored.count)
            return awaitTurn(key)
        }
        let copy = stored.copy()
        let asked = question
        Task { @EventLoop in
            await self.verify(key, asked, answer, copy, waiter)
            self.secondSteps.end(turn.peer, bytes: turn.bytes)
        }
    }

    private func verify(
        _ key: LeasedKey,
        _ question: LeasedKey.Question,
        _ answer: LeaseReply,
        _ stored: [UInt8],
        _ waiter: LeaseWish
    ) async {
        do throws(LinkFailure) {
            let isOutdated = try await isOutdated(stored, waiter.deadline, waiter.lane)
            key.asked = nil
            if isOutdated { return wasRemoved(key, question) }
            stored.withByteView { stored in
                guard let head = EntryHead(stored) else { preconditionFailure("the head was read before") }
                deliver(key, question, answer, head)
            }
        } catch {
            failed(key, question, error, isGranted: answer.word == 5)
        }
    }

    /// Asks anew for an entry that was to be removed because its tags have moved on; where it is still there after many
    /// times, as Valkey refuses to remove it, those who wait are answered with a miss.
    private func wasRemoved(_ key: LeasedKey, _ question: LeasedKey.Question) {
        key.removals += 1
        guard key.removals > Cache.attemptsMax else { return ask(key) }
        key.removals = 0
        if question.mayBeGiven { key.unanswered = question }
        giveBackUnanswered(key)
        answerAll(key) { answerMiss($0, key.namespace) }
    }

    // MARK: Turns

    /// A turn to keep so much for one of those who wait; nil where none of their connections may have it kept now.
    private func takeTurn(_ key: LeasedKey, bytes: Int) -> LeasedKey.Turn? {
        if let turn = key.turn {
            key.turn = nil
            return turn
        }
        let waiter = key.waiters.first { secondSteps.begin($0.peer, bytes: bytes) }
        return waiter.map { LeasedKey.Turn(peer: $0.peer, bytes: bytes) }
    }

    /// Has Valkey asked anew when the turn of any connection comes over which somebody waits, where one is awaited.
    ///
    /// One connection that takes nothing of what it is owed holds nobody else up.
    func awaitTurn(_ key: LeasedKey) {
        guard var awaited = key.awaited else { return }
        let peers = key.waiters.map(\.peer).filter { awaited.peers.insert(ObjectIdentifier($0)).inserted }
        key.awaited = awaited
        let (number, bytes) = (awaited.number, awaited.bytes)
        for peer in peers {
            Task { @EventLoop in
                await self.secondSteps.turn(peer, bytes: bytes)
                guard key.awaited?.number == number else { return self.secondSteps.end(peer, bytes: bytes) }
                key.awaited = nil
                key.turn = LeasedKey.Turn(peer: peer, bytes: bytes)
                key.asked = nil
                self.ask(key)
            }
        }
    }

    /// Awaits no turn any more, as nobody waits for the entry.
    func endAwaiting(_ key: LeasedKey) {
        guard key.awaited != nil else { return }
        key.awaited = nil
        key.asked = nil
        giveBackUnanswered(key)
    }

    private func endTurn(_ key: LeasedKey) {
        guard let turn = key.turn else { return }
        key.turn = nil
        secondSteps.end(turn.peer, bytes: turn.bytes)
    }

    // MARK: Answers

    /// Removes an entry that is there and cannot be read, so that one of those who wait computes it; where it is there
    /// again, they are answered with a miss.
    private func unreadable(_ key: LeasedKey, _ stored: ByteView) {
        key.holder = nil
        countUnreadable(key.namespace)
        guard !key.hasPurged else { return answerAll(key) { answerMiss($0, key.namespace) } }
        key.hasPurged = true
        purge(stored.prefix(min(stored.count, 1024)), named: key.name, key.waiters.first?.lane ?? 0)
        ask(key)
    }

    private func deliver(
        _ key: LeasedKey,
        _ question: LeasedKey.Question,
        _ answer: LeaseReply,
        _ head: EntryHead
    ) {
        guard let value = value(of: head, key.namespace) else { return unreadable(key, head.bytes) }
        deliver(key, question, answer, value)
    }

    /// Answers those who wait with the entry that was there; with word 5, one of them is to compute it anew.
    private func deliver(
        _ key: LeasedKey,
        _ question: LeasedKey.Question,
        _ answer: LeaseReply,
        _ value: ByteView
    ) {
        let isStale = answer.word != 2
        // The lease of an entry that was missing lay where there is one now.
        if !isStale || answer.word == 6 && !key.isRefresh { key.holder = nil }
        if answer.word == 5 {
            if askForNext(key, question, isRefresh: true) { return }
            grant(key, question, begun: answer.begun, stale: value)
        }
        answerAll(key, isEntry: true) { call in
            countHit(key.namespace)
            if isStale { countStale(key.namespace) }
            calls.reply(call) { append(headed: value, isStale: isStale, to: &$0) }
        }
    }

    /// Asks again for a lease that was given for somebody who waits no longer, where it is not what the next one wishes
    /// for.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - question: The question that was answered with the lease.
    ///   - isRefresh: Whether it comes with what is there, which may be too old for the next one.
    /// - Returns: Whether it is asked.
    private func askForNext(_ key: LeasedKey, _ question: LeasedKey.Question, isRefresh: Bool = false) -> Bool {
        dropGone(key)
        guard let next = key.waiters.first,
            next.leaseMilliseconds != question.leaseMilliseconds || isRefresh && isLate(next, key)
        else { return false }
        key.unanswered = question
        ask(key)
        return true
    }

    func failedLease(_ number: UInt32, _ failure: LinkFailure) {
        guard let key = leases[number], let question = key.asked else { return }
        endTurn(key)
        key.foreignEnd = .distantFuture
        failed(key, question, failure, isGranted: failure.outcome == .unknown)
    }

    /// Goes on after a question that got no answer.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - first: The question.
    ///   - failure: Why it got none.
    ///   - isGranted: Whether its lease may be given for all that.
    private func failed(
        _ key: LeasedKey,
        _ first: LeasedKey.Question,
        _ failure: LinkFailure,
        isGranted: Bool
    ) {
        var question = first
        question.mayBeGiven = question.mayBeGiven || isGranted
        key.asked = nil
        if failure.code == .unavailable, settings(ofNumber: key.namespace).missesWhileAway {
            // One at a time on this host still, while Valkey is away.
            if key.holder == nil { return grant(key, question, begun: nil) }
            if question.mayBeGiven { key.unanswered = question }
            dismissLate(key)
            return arm(key)
        }
        if question.mayBeGiven { key.unanswered = question }
        guard failure.code == .deadlineExceeded else { return leaseFailed(key, RPCError(failure)) }
        // The deadline was that of who had waited longest.
        key.asked = question
        dismissLate(key)
        key.asked = nil
        ask(key)
    }

    private func leaseFailed(_ key: LeasedKey, _ error: RPCError) {
        giveBackUnanswered(key)
        answerAll(key) { calls.fail($0, error) }
    }

    /// Has Valkey take the lease back that it may have given without anybody knowing: nobody would compute the entry.
    private func giveBackUnanswered(_ key: LeasedKey) {
        guard let question = key.unanswered else { return }
        key.unanswered = nil
        release(LeaseRelease(name: key.name, token: question.token, lane: question.lane, end: question.end))
    }
}

/// What Valkey answered who asked for a lease and found an entry.
struct LeaseReply {
    /// As ``CacheScripts/lease`` says: 2, 5 or 6.
    let word: Int64
    /// When the lease was given, for 5.
    let begun: Int64
}
