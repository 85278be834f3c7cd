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
        awaitTurn(key)
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
        if key.asked == nil { return ask(key) }
        awaitTurn(key)
        arm(key)
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

    // MARK: Waiting

    /// Answers all who wait, and forgets the key where nobody computes it.
    ///
    /// - Parameters:
    ///   - key: The entry.
    ///   - isEntry: Whether they are answered with what was there when Valkey was asked: then it is asked again for those
    ///     who began to wait behind a change since.
    ///   - answer: Answers a call.
    func answerAll(_ key: LeasedKey, isEntry: Bool = false, _ answer: (CallID) -> Void) {
        let late = isEntry ? key.waiters.filter { isLate($0, key) } : []
        let waiters = late.isEmpty ? key.waiters : key.waiters.filter { !isLate($0, key) }
        key.waiters = late
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
        // Flushing may end a connection, whose leases are passed on at once.
        if !late.isEmpty, key.asked == nil { return ask(key) }
        arm(key)
    }

    /// Whether a call began to wait after Valkey was asked, and so may have been told meanwhile that what was there then
    /// is there no longer.
    func isLate(_ wish: LeaseWish, _ key: LeasedKey) -> Bool {
        !wish.isAsked && (wish.isFresh || key.isDoubtful || key.isNews || !isTold(key.namespace))
    }

    /// Answers those with a miss who would rather not wait on, and those with an error whose deadline comes first.
    func dismissLate(_ key: LeasedKey) {
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
        arm(key)
        return true
    }

    /// Sets the timer for whatever comes first: the lease's end, or that of a waiter's patience.
    ///
    /// Every change of who holds, waits or is asked ends here or in ``ask(_:)``: a key without its timer is never
    /// forgotten.
    func arm(_ key: LeasedKey) {
        if key.waiters.isEmpty { endAwaiting(key) }
        guard !key.waiters.isEmpty || key.holder != nil else { return forgetIfIdle(key) }
        let isAsked = key.asked != nil
        let patience = key.waiters.map { $0.end(isAsked: isAsked) }.min() ?? .distantFuture
        var next = min(key.holder?.end ?? (isAsked ? .distantFuture : key.foreignEnd), patience)
        // A lease that Valkey does not know of ends by its holder alone.
        let mayBeOver = !isAsked && !key.waiters.isEmpty && key.holder?.isLocal != true
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
        let isOver = (key.holder?.end ?? key.foreignEnd) <= .now
        if isOver { key.holder = nil }
        guard key.asked == nil else { return arm(key) }
        if isOver || !isTold(key.namespace) && !isLocal(key.namespace) { return ask(key) }
        arm(key)
    }

    /// What remains to be done for an entry of this host: who waited long enough, and the next moment to look.
    func settleLocal(_ key: LeasedKey) {
        dismissLate(key)
        arm(key)
    }

    func forgetIfIdle(_ key: LeasedKey) {
        guard key.waiters.isEmpty, key.holder == nil, key.asked == nil else { return }
        if let timer = key.timer { EventLoop.reactor.timers.cancel(timer) }
        key.timer = nil
        key.timerInstant = .distantFuture
        leases.remove(key)
    }
}
