import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Store
public import Valkey

// MARK: What Valkey answers

extension Leases: ReplyReceiver {
    /// Takes a reply.
    public func received(_ reply: Reply, _ completion: Completion) {
        guard let operation = Operation(rawValue: completion.operation) else {
            preconditionFailure("a reply to a command that leases did not send")
        }
        if operation == .release { return answerRelease(CallID(rawValue: completion.call), reply) }
        guard let lease = leases[completion.call] else { return }
        switch operation {
        case .acquire: asked(lease, LeaseAnswer(reply, to: lease.wish))
        case .claim: claimed(lease, RenewalAnswer(reply))
        case .renew: renewed(lease, RenewalAnswer(reply))
        case .release: return
        }
    }

    /// Takes note of a command without a reply.
    public func failed(_ failure: LinkFailure, _ completion: Completion) {
        guard let operation = Operation(rawValue: completion.operation) else {
            preconditionFailure("a failure of a command that leases did not send")
        }
        if operation == .release { return calls.fail(CallID(rawValue: completion.call), RPCError(failure)) }
        guard let lease = leases[completion.call] else { return }
        switch operation {
        case .acquire, .claim: askFailed(lease, failure)
        case .renew: renewalFailed(lease)
        case .release: return
        }
    }

    /// Takes the answer to an acquisition.
    func asked(_ lease: Lease, _ answer: LeaseAnswer) {
        guard lease.state == .asking else { return }
        switch answer {
        case .granted(let fence, let life):
            granted(lease, fence: fence, life: life)
        case .refused(let refusal):
            unregister(lease)
            refuse(lease, refusal)
        case .waits(let refusal):
            if lease.isAbandoned { return abandon(lease) }
            lease.refusal = refusal
            wait(lease)
        case .capacity(let capacity):
            fail(lease, LeaseAnswer.otherCapacity(capacity))
        case .error(let error):
            fail(lease, error)
        }
    }

    func refuse(_ lease: Lease, _ refusal: LeaseRefusal) {
        counts.refused += 1
        if !lease.isAbandoned { unsafe lease.owner.leaseRefused(lease, refusal) }
    }

    /// Whoever asked has no answer; what was asked for may have been given.
    func askFailed(_ lease: Lease, _ failure: LinkFailure) {
        guard [.asking, .claiming, .confirming].contains(lease.state) else { return }
        if failure.outcome == .unknown || lease.state != .asking { letGo(lease) }
        fail(lease, RPCError(failure))
    }

    /// Valkey granted the lease.
    func granted(_ lease: Lease, fence: Int64, life: Int64) {
        if lease.isAbandoned { return abandon(lease) }
        lease.fence = fence
        lease.clock.renewed(life: life, sent: lease.sent)
        hold(lease)
    }

    /// Takes a lease that was granted, where it can still be relied on: it is held from now on.
    func hold(_ lease: Lease) {
        guard lease.lifeLeft > 0 else { return cameLate(lease) }
        let wasWaiting = lease.isWaitTold
        endWait(lease)
        lease.state = .held
        lease.clock.heardOfHolder(at: .now)
        counts.granted += 1
        if wasWaiting { counts.grantedAfterWaiting += 1 }
        keep(lease)
        // Whoever holds something hears of its being revoked.
        listen()
        unsafe lease.owner.leaseGranted(lease)
        // Had with a part of its life, it was held before, and others may wait for it already.
        let isWhole = lease.clock.end >= lease.sent.advanced(milliseconds: lease.wish.lifeMilliseconds)
        if isWhole { enterOtherWaits(of: lease) } else { lookAgain(atWaitsOf: lease) }
    }

    /// A lease was granted, but its life was over when that was known: it is asked for a new life while somebody waits,
    /// and else was not had.
    func cameLate(_ lease: Lease) {
        lease.state = .waiting
        guard lease.waitEnd > .now else { return giveUp(lease) }
        scheduleWaitEnd(lease)
        claim(lease)
    }

    /// A lease that was granted was taken away before it was had.
    func missed(_ lease: Lease) {
        letGo(lease)
        askAgain(lease)
    }

    /// Takes the answer to a claim.
    func claimed(_ lease: Lease, _ answer: RenewalAnswer) {
        guard lease.state == .claiming else { return }
        switch answer {
        case .renewed(let life, let record):
            granted(lease, fence: record.fence, life: life)
        case .over, .revoked:
            if lease.isAbandoned { return abandon(lease) }
            // Granted and not claimed in time, or revoked at once: at the end of the queue again.
            if case .revoked = answer { missed(lease) } else { askAgain(lease) }
        case .moved:
            fail(lease, Leases.takenOver)
        case .error(let error):
            letGo(lease)
            fail(lease, error)
        }
    }

    /// Ends the lease of a client that has gone while its fate was open.
    func abandon(_ lease: Lease) {
        letGo(lease)
        unregister(lease)
    }

    /// Has Valkey forget a lease, however long that takes, until it has ended by itself.
    func letGo(_ lease: Lease) {
        let end = max(lease.latestEnd, Instant.now.advanced(milliseconds: lease.clock.lifeMilliseconds))
        letGo(lease.id, lease.wish.place, lease.userID, until: end)
    }

    /// Has Valkey forget a lease; see ``letGo(_:)``.
    ///
    /// An error is no answer: a server that loads its data, or lacks replicas, takes it later. The lease is not asked
    /// for again meanwhile, since a release that ran late would end what was granted.
    func letGo(_ id: LeaseID, _ place: LeasePlace, _ userID: UInt32, until end: Instant) {
        departing[id, default: 0] += 1
        Task { @EventLoop in
            defer { self.departed(id) }
            // Whoever is renewing it may be taking it along to another connection; that is known when it is answered.
            do { try await self.turns.enter(id, until: .distantFuture) } catch { return }
            defer { self.endTurn(id) }
            var delay = Leases.retryDelay
            while !self.link.isEnded, !self.isHad(id) {
                let deadline = min(end, Instant.now.advanced(by: Leases.backgroundTimeout))
                let reply = try? await self.link.call(.idempotentWrite, deadline: deadline, lane: -1) { command in
                    self.append(releaseOf: id, place, userID, isOwn: true, to: &command)
                }
                if reply?.integer != nil || Instant.now >= end { break }
                await EventLoop.reactor.timers.sleep(for: delay)
                delay = min(delay * 2, Leases.retryDelayMax)
            }
        }
    }

    /// Whether a connection of this agent has a lease; one that was revoked is its holder's until that one ends it.
    private func isHad(_ id: LeaseID) -> Bool {
        ids[id].map { $0.state == .held || $0.state == .revoked } ?? false
    }

    private func departed(_ id: LeaseID) {
        guard let count = departing[id], count == 1 else {
            departing[id, default: 1] -= 1
            return
        }
        departing[id] = nil
        guard let lease = ids[id], let index = deferred.firstIndex(where: { $0 === lease }) else { return }
        deferred.remove(at: index)
        ask(lease)
    }

    /// Appends the command that ends a lease.
    ///
    /// - Parameters:
    ///   - id: The lease.
    ///   - place: What it is a lease of.
    ///   - userID: Whose it is.
    ///   - isOwn: Whether only a lease that this agent keeps is meant, and not one that was taken to another.
    ///   - outlives: Whether the lease certainly lives longer than anybody waits for the answer.
    ///   - command: Receives the command.
    func append(
        releaseOf id: LeaseID,
        _ place: LeasePlace,
        _ userID: UInt32,
        isOwn: Bool,
        outlives: Bool = false,
        to command: inout ByteBuffer
    ) {
        command.append(callOf: LeaseScripts.release, keys: 2, arguments: 6)
        append(headOf: place, to: &command)
        command.append(word: id.text)
        command.append(word: Int64(userID))
        command.append(word: isOwn ? agent : [])
        command.append(word: outlives ? 1 : 0)
    }
}

/// What Valkey answers to an acquisition.
enum LeaseAnswer {
    case granted(fence: Int64, life: Int64)
    case refused(LeaseRefusal)
    case waits(LeaseRefusal)
    case capacity(Int64)
    case error(RPCError)

    init(_ reply: Reply, to wish: LeaseWish) {
        self.init(reply.copy(), to: wish)
    }

    init(_ reply: ReplyValue, to wish: LeaseWish) {
        if let fence = reply.integer {
            self = .granted(fence: fence, life: wish.lifeMilliseconds)
            return
        }
        if case .error(let text) = reply {
            self = LeaseAnswer.error(text)
            return
        }
        guard let elements = reply.elements, elements.count >= 3, let kind = elements[0].integer else {
            self = .error(.unexpectedReply)
            return
        }
        let number = elements[1].number ?? 0
        if kind == 1 {
            self = .granted(fence: number, life: elements[2].number ?? 0)
            return
        }
        let refusal = LeaseRefusal(
            holder: elements[2].bytes.flatMap { LeaseRecord($0) },
            retryAfterMilliseconds: max(number, 1)
        )
        self = kind == 2 ? .waits(refusal) : .refused(refusal)
    }

    private static func error(_ text: String) -> LeaseAnswer {
        if text.hasPrefix("SQUIRECAPACITY"), let capacity = text.split(separator: " ").last.flatMap({ Int64($0) }) {
            return .capacity(capacity)
        }
        return .error(text.withByteView { RPCError(refusal: $0, .idempotentWrite) })
    }

    /// The error of a call that names another limit than those who hold the semaphore.
    static func otherCapacity(_ capacity: Int64) -> RPCError {
        RPCError(
            .conflict,
            "the semaphore is held with a limit of \(capacity); another limit holds once nobody holds it",
            outcome: .notApplied,
            details: [("limit", String(capacity))]
        )
    }
}

/// What Valkey answers to a renewal.
enum RenewalAnswer {
    case renewed(life: Int64, LeaseRecord)
    case over
    case revoked
    /// Another agent keeps it.
    case moved
    case error(RPCError)

    init(_ reply: Reply) {
        self.init(reply.copy())
    }

    init(_ reply: ReplyValue) {
        if case .error(let text) = reply {
            self = .error(text.withByteView { RPCError(refusal: $0, .idempotentWrite) })
            return
        }
        guard let elements = reply.elements, let kind = elements.first?.integer else {
            self = .error(.unexpectedReply)
            return
        }
        if kind == 1, elements.count == 3, let life = elements[1].number,
            let record = elements[2].bytes.flatMap({ LeaseRecord($0) })
        {
            self = .renewed(life: life, record)
        } else {
            self = elements.count < 2 ? .over : elements[1].text == "m" ? .moved : .revoked
        }
    }
}

extension ReplyValue {
    /// The number that a script answered as text, so that it was not rounded.
    var number: Int64? { text.flatMap { Int64($0) } ?? integer }
}

extension RPCError {
    /// A script answered something else than it does.
    static let unexpectedReply = RPCError(
        .internalError,
        "Valkey answered a script with something unexpected",
        outcome: .unknown
    )
}
