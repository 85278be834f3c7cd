import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Store
import Valkey

/// What this agent's connections wait for in one place.
@EventLoop
final class WaitingPlace {
    let place: LeasePlace
    var leases: [Lease] = []
    var timer: TimerID?
    /// When the waits were kept alive last.
    var tendedAt = Instant.now
    /// Whether Valkey is being asked about the place.
    var isTending = false
    /// Whether it is to be asked again, because something happened meanwhile.
    var isStale = false

    init(_ place: LeasePlace) {
        self.place = place
    }
}

/// Waiting for a place.
///
/// The queue is Valkey's. Whoever leaves a place has Valkey grant it to the first in the queue and tell that one's
/// agent, so nobody asks again and again. Only for what nobody tells of, a lease that runs out, Valkey is asked when the
/// earliest one would end, and looked at now and then, since that may be earlier by then; with it the places in the queue
/// are kept alive, which would otherwise end with their agent.
extension Leases {
    /// Takes note that a lease stands in the queue.
    func wait(_ lease: Lease) {
        // A second time where its place was lost: then it has waited as long as it would.
        let now = Instant.now
        if lease.waitEnd <= now { return giveUp(lease) }
        lease.state = .waiting
        lease.cancelTimer()
        let place = waits[lease.wish.place] ?? WaitingPlace(lease.wish.place)
        waits[lease.wish.place] = place
        place.leases.append(lease)
        scheduleWaitEnd(lease)
        listen()
        if lease.isGranted { return claim(lease) }
        scheduleTending(place, untilEnd: lease.refusal.retryAfterMilliseconds)
        if !lease.isWaitTold {
            lease.isWaitTold = true
            unsafe lease.owner.leaseWaits(lease)
        }
        if mayCloseCycle(lease) {
            enterOtherWaits(of: lease)
            detectDeadlock(lease)
        }
    }

    /// Sets the timer for the end of a wait, whatever Valkey answers by then.
    func scheduleWaitEnd(_ lease: Lease) {
        lease.cancelTimer()
        let end = min(lease.waitEnd, lease.call == nil ? .distantFuture : lease.deadline)
        guard end < .distantFuture else { return }
        lease.timer = EventLoop.reactor.timers.schedule(at: end) {
            lease.timer = nil
            self.giveUp(lease)
        }
    }

    /// Ends a wait whose time is over, at once; Valkey learns of it behind the caller's back.
    func giveUp(_ lease: Lease) {
        guard lease.isOpen else { return }
        if lease.waitEnd <= .now {
            forsake(lease)
            counts.refused += 1
            unsafe lease.owner.leaseRefused(lease, lease.refusal)
        } else {
            let message = "the deadline passed while others held it"
            end(lease, because: RPCError(.deadlineExceeded, message, outcome: .notApplied))
        }
    }

    /// Takes a lease out of those that wait.
    func endWait(_ lease: Lease) {
        lease.cancelTimer()
        forgetWait(lease)
    }

    func forgetWait(_ lease: Lease) {
        leaveGraph(lease)
        guard let place = waits[lease.wish.place] else { return }
        place.leases.removeAll { $0 === lease }
        guard place.leases.isEmpty else { return }
        if let timer = place.timer { EventLoop.reactor.timers.cancel(timer) }
        place.timer = nil
        waits[lease.wish.place] = nil
    }

    /// Takes a lease that Valkey granted.
    func claim(_ lease: Lease) {
        guard lease.state == .waiting else {
            lease.isGranted = true
            return
        }
        lease.state = .claiming
        lease.sent = .now
        if lease.wish.replicas != nil { return claimDurably(lease) }
        link.send(request(.claim, lease, lease.answerDeadline), lane: lease.lane) { command in
            append(renewalOf: lease.id, lease.wish.place, lease.userID, life: nil, to: &command)
        }
    }

    /// Asks for a lease that lost its place in the queue.
    func askAgain(_ lease: Lease) {
        forgetWait(lease)
        guard lease.waitEnd > .now else {
            lease.state = .waiting
            return giveUp(lease)
        }
        ask(lease)
    }

    // MARK: Tending

    private func scheduleTending(_ place: WaitingPlace, untilEnd milliseconds: Int64) {
        let now = Instant.now
        var due = place.tendedAt.advanced(by: Leases.tendInterval)
        if milliseconds > 0 { due = min(due, now.advanced(milliseconds: milliseconds + 1)) }
        let look = now.advanced(by: Leases.lookInterval)
        if let timer = place.timer { EventLoop.reactor.timers.cancel(timer) }
        place.timer = EventLoop.reactor.timers.schedule(at: min(due, look)) {
            place.timer = nil
            self.tend(place, onlyLooks: look < due)
        }
    }

    /// Asks Valkey about a place: what was granted, and when something may be.
    ///
    /// - Parameters:
    ///   - place: The place.
    ///   - onlyLooks: Whether it is not asked for the waits, which are many, but for the place alone.
    func tend(_ place: WaitingPlace, onlyLooks: Bool = false) {
        guard !place.isTending else {
            place.isStale = true
            return
        }
        let waiting = place.leases.filter { $0.state == .waiting }
        guard !waiting.isEmpty else { return }
        let leases = onlyLooks ? [] : waiting
        if !onlyLooks { place.tendedAt = .now }
        place.isTending = true
        place.isStale = false
        Task { @EventLoop in
            let deadline = Instant.now.advanced(by: Leases.backgroundTimeout)
            let reply = try? await self.link.call(.idempotentWrite, deadline: deadline, lane: -1) { command in
                command.append(callOf: LeaseScripts.tend, keys: 2, arguments: 3 + leases.count)
                self.append(headOf: place.place, to: &command)
                command.append(word: Leases.waitLifeMilliseconds)
                for lease in leases { command.append(word: lease.id.text) }
            }
            place.isTending = false
            self.tended(place, leases, reply?.elements)
        }
    }

    private func tended(_ place: WaitingPlace, _ leases: [Lease], _ answer: [ReplyValue]?) {
        var untilEnd: Int64 = 0
        if let answer, answer.count == leases.count + 1 {
            untilEnd = answer[0].integer ?? 0
            for (lease, state) in zip(leases, answer.dropFirst()) where lease.state == .waiting {
                switch state.integer {
                case 0:
                    lease.refusal.retryAfterMilliseconds = max(untilEnd, 1)
                    if !lease.isEntered, mayCloseCycle(lease) { detectDeadlock(lease) }
                case 1: claim(lease)
                default: askAgain(lease)
                }
            }
        } else {
            untilEnd = Leases.retryDelay.wholeMilliseconds
        }
        guard waits[place.place] === place else { return }
        if place.isStale { tend(place) } else { scheduleTending(place, untilEnd: untilEnd) }
    }
}
