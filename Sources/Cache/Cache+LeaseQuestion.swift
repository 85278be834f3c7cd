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
}

/// What Valkey answered who asked for a lease and found an entry.
struct LeaseReply {
    /// As ``CacheScripts/lease`` says: 2, 5 or 6.
    let word: Int64
    /// When the lease was given, for 5.
    let begun: Int64
}
