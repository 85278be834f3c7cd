import Bytes
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Store
import Valkey

/// One computes a missing entry, the others wait for it.
///
/// The lease lies in Valkey, in the place of the entry (``CacheScripts/lease``), so it holds for all agents. On this
/// host one question for each key is on its way at a time, whoever waits; it is asked again when there is news of the
/// key, which its lease, its value, and its removal are.
extension Cache {
    /// How often Valkey is asked where it does not tell of changes.
    private static let untrackedInterval = Duration.milliseconds(50)

    /// Has a call wait for an entry, or compute it.
    func join(_ name: [UInt8], _ namespace: UInt16, _ wish: LeaseWish) {
        // Cancelled, or its connection closed, while the entry was read.
        guard calls.isWaiting(wish.call) else { return calls.abandon(wish.call) }
        guard wish.peer.computations < LeaseTable.computationsMax else {
            let message = "this connection computes \(LeaseTable.computationsMax) entries, and may compute no more"
            return calls.fail(wish.call, RPCError(.overloaded, message, isRetryable: true))
        }
        let key = leases.key(name, namespace, stripe: near.stripe(of: name))
        // Waiting calls leave room for the one that brings the value.
        guard calls.park(wish.call, note: key.number) else {
            let message = "too many calls of this connection wait"
            calls.fail(wish.call, RPCError(.overloaded, message, isRetryable: true))
            return forgetIfIdle(key)
        }
        key.waiters.append(wish)
        // Where nobody tells of changes, each question may find that the lease is over.
        let isDoubtful = key.isDoubtful || !isTold(namespace) && !isLocal(namespace)
        let isKnown = key.holder.map { $0.end > .now && ($0.isLocal || !isDoubtful) } ?? false
        if key.asked == nil, !isKnown, key.foreignEnd == .distantFuture || isDoubtful { return ask(key) }
        if key.asked == nil { dismissLate(key) }
        arm(key)
    }

    /// Has a call compute an entry anew whose life is over, or answers it with what is there while another does.
    ///
    /// - Parameters:
    ///   - name: Full name of the entry's key.
    ///   - namespace: Number of its namespace.
    ///   - wish: What the call asks for.
    ///   - answerStale: Answers it with what is there.
    func joinStale(_ name: [UInt8], _ namespace: UInt16, _ wish: LeaseWish, _ answerStale: () -> Void) {
        if let key = leases[name], key.isRefresh, let holder = key.holder, holder.end > .now { return answerStale() }
        guard wish.peer.computations < LeaseTable.computationsMax else { return answerStale() }
        let key = leases.key(name, namespace, stripe: near.stripe(of: name))
        guard calls.park(wish.call, note: key.number) else {
            answerStale()
            return forgetIfIdle(key)
        }
        var wish = wish
        wish.isPatient = false
        key.waiters.append(wish)
        if key.asked == nil { ask(key) }
    }

    /// Takes note of news of a key.
    func leaseNews(_ name: ByteView) {
        guard !leases.isEmpty, let key = leases[name.copy()] else { return }
        renew(key)
    }

    /// Takes note that any key may have changed, or that changes are told no longer.
    func leaseNewsOfAll() {
        for key in leases.all { renew(key) }
    }

    func renew(_ key: LeasedKey) {
        key.isDoubtful = true
        if key.asked != nil {
            key.isNews = true
        } else {
            ask(key)
        }
    }

    // MARK: The question

    /// Asks Valkey for the entry or the lease, on behalf of whoever has waited longest.
    func ask(_ key: LeasedKey) {
        if isLocal(key.namespace) { return askLocal(key) }
        dropGone(key)
        guard let first = key.waiters.first else {
            giveBackUnanswered(key)
            return forgetIfIdle(key)
        }
        // The same lease as the time before where nobody knows whether that was given, and behind that question.
        let question = LeasedKey.Question(
            token: key.unanswered?.token ?? Hexadecimal.random(words: 2),
            lane: key.unanswered?.lane ?? first.lane,
            end: .now.advanced(milliseconds: first.leaseMilliseconds),
            mayBeGiven: key.unanswered != nil
        )
        key.unanswered = nil
        key.asked = question
        key.isNews = false
        key.isDoubtful = false
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
    }

    func answerLease(_ number: UInt32, _ reply: Reply) {
        guard let key = leases[number], let question = key.asked else { return }
        key.asked = nil
        key.foreignEnd = .distantFuture
        if reply.kind == .error || reply.kind == .tooLarge {
            return leaseFailed(key, RPCError(refusal: reply, .idempotentWrite))
        }
        var elements = reply.elements()
        let word = elements.next()?.integer
        switch word {
        case 1:
            grant(key, question.token, begun: elements.next()?.integer ?? 0)
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
        let token = question.token
        guard stored.hasPrefix(EntryHead.mark) else {
            guard !mustBeEncrypted(key.namespace) else { return unreadable(key, stored) }
            return deliver(key, token, answer, StoredMark.content(of: stored))
        }
        guard let head = EntryHead(stored), key.name.withByteView({ head.name.equals($0) }) else {
            return unreadable(key, stored)
        }
        let isKnown = settings(ofNumber: key.namespace).tier.hasNear
        if mayRely(on: head, in: key.namespace, isFresh: !isKnown) { return deliver(key, token, answer, head) }
        let copy = stored.copy()
        let lane = key.waiters.first?.lane ?? 0
        let deadline = key.waiters.first?.deadline ?? .now
        // Nothing else is asked meanwhile.
        key.asked = question
        Task { @EventLoop in
            do throws(LinkFailure) {
                let isOutdated = try await self.isOutdated(copy, deadline, lane)
                key.asked = nil
                if isOutdated { return self.ask(key) }
                copy.withByteView { stored in
                    guard let head = EntryHead(stored) else { return }
                    self.deliver(key, token, answer, head)
                }
            } catch {
                key.asked = nil
                self.failed(key, question, error, isGranted: answer.word == 5)
            }
        }
    }

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

    private func deliver(_ key: LeasedKey, _ token: [UInt8], _ answer: LeaseReply, _ head: EntryHead) {
        guard let value = value(of: head, key.namespace) else { return unreadable(key, head.bytes) }
        deliver(key, token, answer, value)
    }

    /// Answers those who wait with the entry that was there; with word 5, one of them is to compute it anew.
    private func deliver(_ key: LeasedKey, _ token: [UInt8], _ answer: LeaseReply, _ value: ByteView) {
        if answer.word == 2 {
            key.holder = nil
            return answerAll(key) { call in
                countHit(key.namespace)
                calls.reply(call) { append(hit: value, to: &$0) }
            }
        }
        if answer.word == 5 { grant(key, token, begun: answer.begun, stale: value) }
        defer { arm(key) }
        answerAll(key) { call in
            countHit(key.namespace)
            countStale(key.namespace)
            calls.reply(call) { result in
                append(hit: value, to: &result)
                result.truncate(to: result.count - 1)
                result.append(",\"stale\":true}")
            }
        }
    }

    func failedLease(_ number: UInt32, _ failure: LinkFailure) {
        guard let key = leases[number], let question = key.asked else { return }
        key.asked = nil
        key.foreignEnd = .distantFuture
        if failure.code == .unavailable, settings(ofNumber: key.namespace).missesWhileAway {
            // One at a time on this host still, while Valkey is away.
            if key.holder == nil { return grant(key, question.token, begun: nil) }
            if question.mayBeGiven { key.unanswered = question }
            dismissLate(key)
            return arm(key)
        }
        failed(key, question, failure, isGranted: failure.outcome == .unknown)
    }

    /// Goes on after a question that got no answer.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - question: The question.
    ///   - failure: Why it got none.
    ///   - isGranted: Whether its lease may be given for all that.
    private func failed(
        _ key: LeasedKey,
        _ question: LeasedKey.Question,
        _ failure: LinkFailure,
        isGranted: Bool
    ) {
        var question = question
        question.mayBeGiven = question.mayBeGiven || isGranted
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
        Task { @EventLoop in
            var delay = Cache.untrackedInterval
            while question.end > .now, !self.link.isEnded {
                let deadline = min(question.end, Instant.now.advanced(by: Cache.furtherStepTimeout))
                let reply = try? await self.link.call(.idempotentWrite, deadline: deadline, lane: question.lane) {
                    self.append(releaseOf: key, question.token, to: &$0)
                }
                if reply != nil { return }
                await EventLoop.reactor.timers.sleep(for: delay)
                delay = min(delay * 2, Cache.furtherStepTimeout)
            }
        }
    }

    /// Takes those off who wait no longer: they were cancelled, or their connection closed.
    func dropGone(_ key: LeasedKey) {
        let gone = key.waiters.filter { !calls.isWaiting($0.call) }
        guard !gone.isEmpty else { return }
        key.waiters.removeAll { !calls.isWaiting($0.call) }
        for wish in gone { calls.abandon(wish.call) }
    }

    /// Ends all waits, as the agent is about to end.
    public func close() {
        for key in leases.all {
            answerAll(key) { call in
                let message = "the agent is shutting down; connect again in a moment"
                calls.fail(call, RPCError(.shuttingDown, message, outcome: .notApplied))
            }
        }
    }

    /// Gives the lease to whoever has waited longest, with the value that it is to compute anew where there is one.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - token: The lease.
    ///   - begun: When Valkey gave it, by its clock; nil for one that Valkey, which is away, does not know of.
    ///   - stale: What is there.
    private func grant(_ key: LeasedKey, _ token: [UInt8], begun: Int64?, stale: ByteView? = nil) {
        let isLocal = begun == nil
        dropGone(key)
        guard !key.waiters.isEmpty else {
            if !isLocal { release(key, token) }
            key.holder = nil
            return forgetIfIdle(key)
        }
        let first = key.waiters.removeFirst()
        leases.granted += 1
        key.holder = LeasedKey.Holder(
            token: token,
            peer: first.peer,
            begun: begun ?? 0,
            end: Instant.now.advanced(milliseconds: first.leaseMilliseconds),
            isLocal: isLocal
        )
        key.isRefresh = stale != nil
        countMiss(key.namespace)
        calls.reply(first.call) { result in
            result.append("{\"hit\":false,")
            if let stale {
                StoredValue.append(stale, to: &result, depthMax: depthMax)
                result.append(",\"stale\":true,")
            }
            result.append("\"lease\":\"")
            result.append(token)
            result.append(isLocal ? "\",\"degraded\":true}" : "\"}")
        }
        if stale != nil { return }
        if key.isNews, !key.waiters.isEmpty { return ask(key) }
        dismissLate(key)
        arm(key)
    }

    // MARK: The end of a lease

    /// Takes note that the call that ends a lease had its reply.
    ///
    /// - Parameters:
    ///   - call: The call; one that ends none is left alone.
    ///   - isReleased: Whether Valkey ended the lease with it.
    func leaseEnded(_ call: CallID, isReleased: Bool) {
        guard let key = leases.ending.removeValue(forKey: call) else { return }
        if let holder = key.holder, !isReleased, !holder.isLocal { release(key, holder.token) }
        key.holder = nil
        renew(key)
    }

    /// Ends a lease whose holder has gone.
    private func release(_ key: LeasedKey, _ token: [UInt8]) {
        if isLocal(key.namespace) { return }
        // Over the connection over which the next question goes, and so before it.
        sendUnattended(key.waiters.first?.lane ?? 0) { append(releaseOf: key, token, to: &$0) }
    }

    private func append(releaseOf key: LeasedKey, _ token: [UInt8], to command: inout ByteBuffer) {
        command.append(callOf: CacheScripts.fail, keys: 1, arguments: 2)
        key.name.withByteView { command.append(word: $0) }
        token.withByteView { command.append(word: $0) }
        command.append(word: "")
    }

    /// Passes on the leases of a connection that has gone.
    func releaseLeases(of peer: Peer) {
        guard !leases.isEmpty else { return }
        for key in leases.all {
            guard let holder = key.holder, holder.peer === peer else { continue }
            dropGone(key)
            pass(key, holder)
        }
    }

    /// Takes a lease from its holder, for whoever waits.
    func pass(_ key: LeasedKey, _ holder: LeasedKey.Holder) {
        key.holder = nil
        if !holder.isLocal { release(key, holder.token) }
        renew(key)
    }

    // MARK: Waiting

    /// Answers all who wait, and forgets the key.
    private func answerAll(_ key: LeasedKey, _ answer: (CallID) -> Void) {
        let waiters = key.waiters
        key.waiters = []
        for waiter in waiters {
            // Many may wait over one connection for a large value.
            if waiter.peer.output.count >= calls.limits.outputBytesHigh { calls.flush(waiter.peer) }
            if waiter.peer.output.count >= calls.limits.outputBytesHigh {
                let message = "too much that this connection is owed is unread"
                calls.fail(waiter.call, RPCError(.overloaded, message, isRetryable: true))
            } else {
                answer(waiter.call)
            }
        }
        forgetIfIdle(key)
    }

    /// Answers those with a miss who would rather not wait on, and those with an error whose deadline comes first.
    private func dismissLate(_ key: LeasedKey) {
        let now = Instant.now
        let isAsked = key.asked != nil
        for waiter in key.waiters where waiter.end(isAsked: isAsked) <= now {
            if waiter.until <= now, waiter.isPatient || !isAsked {
                answerMiss(waiter.call, key.namespace)
            } else {
                let reason = isAsked ? "Valkey was asked who computes" : "another computed"
                calls.fail(waiter.call, RPCError(.deadlineExceeded, "the deadline passed while \(reason)"))
            }
        }
        key.waiters.removeAll { $0.end(isAsked: isAsked) <= now }
    }

    /// Ends a call's wait for another's value; see `CallCanceller`.
    func cancelWait(_ call: CallID) -> Bool {
        guard let number = calls.parkedNote(of: call), let key = leases[number],
            key.waiters.contains(where: { $0.call == call })
        else { return false }
        key.waiters.removeAll { $0.call == call }
        calls.fail(call, .cancelled())
        // What Valkey is being asked for is passed on or given back when it answers.
        if key.asked == nil { arm(key) }
        return true
    }

    /// Sets the timer for whatever comes first: the lease's end, or that of a waiter's patience.
    private func arm(_ key: LeasedKey) {
        guard !key.waiters.isEmpty || key.holder != nil else { return forgetIfIdle(key) }
        let isAsked = key.asked != nil
        let patience = key.waiters.map { $0.end(isAsked: isAsked) }.min() ?? .distantFuture
        var next = key.asked == nil ? min(key.holder?.end ?? key.foreignEnd, patience) : patience
        // A lease that Valkey does not know of ends by its holder alone.
        let mayBeOver = key.asked == nil && !key.waiters.isEmpty && key.holder?.isLocal != true
        if mayBeOver, !isTold(key.namespace), !isLocal(key.namespace) {
            next = min(next, Instant.now.advanced(by: Cache.untrackedInterval))
        }
        guard next != key.timerInstant else { return }
        if let timer = key.timer { EventLoop.reactor.timers.cancel(timer) }
        key.timer = nil
        guard next < .distantFuture else {
            key.timerInstant = next
            return
        }
        key.timerInstant = next
        key.timer = EventLoop.reactor.timers.schedule(at: next) {
            key.timer = nil
            key.timerInstant = .distantFuture
            self.timeCame(for: key)
        }
    }

    private func timeCame(for key: LeasedKey) {
        dismissLate(key)
        guard key.asked == nil else { return arm(key) }
        let isOver = (key.holder?.end ?? key.foreignEnd) <= .now
        if isOver { key.holder = nil }
        if isOver || !isTold(key.namespace) && !isLocal(key.namespace) { return ask(key) }
        arm(key)
    }

    /// What remains to be done for an entry of this host: who waited long enough, and the next moment to look.
    func settleLocal(_ key: LeasedKey) {
        dismissLate(key)
        arm(key)
    }

    private func forgetIfIdle(_ key: LeasedKey) {
        guard key.waiters.isEmpty, key.holder == nil, key.asked == nil else { return }
        if let timer = key.timer { EventLoop.reactor.timers.cancel(timer) }
        key.timer = nil
        leases.remove(key)
    }
}

/// What Valkey answered who asked for a lease and found an entry.
struct LeaseReply {
    /// As ``CacheScripts/lease`` says: 2, 5 or 6.
    let word: Int64
    /// When the lease was given, for 5.
    let begun: Int64
}
