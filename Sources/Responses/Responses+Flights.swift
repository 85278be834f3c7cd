import Bytes
import Contract
import EventLoop
import JSONRPC
import Linux
import Store
import Valkey

/// One asks the model for a missing response, the others wait for it.
///
/// The lease lies in Valkey, in the place of the response (``ResponseScripts/lease``), so it holds for all agents.
extension Responses {
    /// What Valkey says to the one who asks for a response or its lease.
    private enum Answer {
        /// The lease is the caller's.
        case granted([UInt8])
        /// There is an entry.
        case entry([UInt8], generations: [UInt8])
        /// Another holds the lease, for so many milliseconds.
        case held(milliseconds: Int64, [UInt8])
    }

    /// What a call wishes for that would compute; nil where it would not, or nobody waits for its answer.
    func wish(_ parameters: ResponseGetParameters, _ request: ResponseRequest) -> FlightWish? {
        let context = request.context
        guard let lease = parameters.leaseMilliseconds, calls.isAnswered(context.call),
            let peer = calls.peer(of: context.call)
        else { return nil }
        let wait = parameters.waitMilliseconds
        return FlightWish(
            request: request,
            peer: peer,
            deadline: context.isDeadlineGiven ? context.deadline : context.deadline.advanced(milliseconds: wait),
            until: EventLoop.reactor.now.advanced(milliseconds: wait),
            leaseMilliseconds: lease
        )
    }

    /// Has a call wait for a response, or compute it.
    func join(_ wish: FlightWish, stale: [UInt8]) {
        // Waiting calls must leave room for the one that brings the response.
        guard wish.peer.runningCalls <= max(calls.limits.runningMax / 2, 1) else {
            let message = "too many calls of this connection wait"
            return calls.fail(wish.request.context.call, RPCError(.overloaded, message, isRetryable: true))
        }
        let fingerprint = wish.request.identity.fingerprint
        if let flight = flights[fingerprint] {
            flight.waiters.append(wish)
            return flight.wake()
        }
        let flight = Flight(wish.request.identity, stale: stale)
        flight.waiters.append(wish)
        flights[fingerprint] = flight
        Task { @EventLoop in
            await self.run(flight)
            flight.leave(self.link.subscriber)
        }
    }

    /// Asks and waits until nobody waits any more.
    private func run(_ flight: Flight) async {
        while true {
            dismissGone(flight)
            guard let first = flight.waiters.first else { break }
            if flight.hasNews || flight.nextQuestion <= .now {
                flight.takeNews()
                guard await pose(flight, first) else { continue }
            }
            dismissLate(flight)
            guard let next = flight.waiters.map(\.end).min() else { continue }
            await flight.sleep(until: min(next, flight.nextQuestion))
        }
        flights[flight.identity.fingerprint] = nil
    }

    /// Asks Valkey and acts on its answer.
    ///
    /// - Returns: Whether there is nothing to do but to wait.
    private func pose(_ flight: Flight, _ first: FlightWish) async -> Bool {
        do throws(RPCError) {
            switch try await ask(flight, first) {
            case .granted(let token):
                grant(flight, token, first)
                flight.tellNews()
                return false
            case .entry(let bytes, let generations):
                let deadline = flight.waiters.map(\.deadline).min() ?? .now
                let (fingerprint, lane) = (flight.identity.fingerprint, first.request.context.lane)
                switch try await judge(bytes, of: fingerprint, generations, deadline, lane: lane) {
                case .current(let entry): answerAll(flight) { self.answer(entry, $0) }
                case .none(let stale):
                    flight.stale = stale
                    flight.tellNews()
                }
                return false
            case .held(let left, let token):
                forgetLease(flight.identity.fingerprint, unless: token)
                return await listen(flight, left)
            }
        } catch {
            // The deadline of one of them is not that of the others.
            if error.code == ErrorKind.deadlineExceeded.code {
                dismissLate(flight)
                flight.tellNews()
                return false
            }
            answerAll(flight) { self.answer(error, $0) }
            return false
        }
    }

    private func ask(_ flight: Flight, _ first: FlightWish) async throws(RPCError) -> Answer {
        let lane = first.request.context.lane
        let deadline = flight.waiters.map(\.deadline).min() ?? .now
        let generations = try await generations(
            generationNames(flight.identity),
            life: first.leaseMilliseconds + Responses.generationMarginMilliseconds,
            deadline,
            lane: lane
        )
        .flatMap(\.self)
        let token = Hexadecimal.random(words: 2)
        let name = name(flight.identity.fingerprint)
        let stale = flight.stale
        let replies = try await callAll(1, .idempotentWrite, deadline, lane: lane) { _, command in
            command.append(callOf: ResponseScripts.lease, keys: 1, arguments: 4)
            name.withByteView { command.append(word: $0) }
            token.withByteView { command.append(word: $0) }
            command.append(word: first.leaseMilliseconds)
            generations.withByteView { command.append(word: $0) }
            stale.withByteView { command.append(word: $0) }
        }
        let elements = replies[0].elements ?? []
        switch elements.first?.integer {
        case 1: return .granted(token)
        case 2: return .entry(elements.last?.bytes ?? [], generations: generations)
        default:
            guard elements.count == 3, let left = elements[1].integer, let holder = elements[2].bytes else {
                throw RPCError(.internalError, "Valkey answered a script with something else than a lease")
            }
            return .held(milliseconds: left, holder)
        }
    }

    /// Sees to it that news of a lease that runs is told.
    ///
    /// - Returns: Whether there is nothing to do but to wait.
    private func listen(_ flight: Flight, _ left: Int64) async -> Bool {
        // Nobody tells of a lease that went with its generations, or with everything that Valkey held.
        let end = Instant.now.advanced(milliseconds: max(left, 1))
        flight.nextQuestion = min(end, Instant.now.advanced(by: Responses.toldInterval))
        let (isTold, wasTold) = await flight.listen(
            link.subscriber,
            name(flight.identity.fingerprint),
            until: Instant.now.advanced(by: Responses.subscriptionTimeout)
        )
        // What happened before the subscription was told to nobody.
        if isTold { return wasTold }
        flight.takeNews()
        flight.nextQuestion = min(flight.nextQuestion, Instant.now.advanced(by: Responses.untoldInterval))
        return true
    }

    // MARK: Leases

    /// Gives the lease to the one on whose behalf it was asked for.
    private func grant(_ flight: Flight, _ token: [UInt8], _ first: FlightWish) {
        let fingerprint = flight.identity.fingerprint
        flight.waiters.removeAll { $0.request.context.call == first.request.context.call }
        guard calls.isWaiting(first.request.context.call) else {
            calls.fail(first.request.context.call, Responses.gone)
            return release(fingerprint, token)
        }
        forgetLease(fingerprint, unless: nil)
        let end = Instant.now.advanced(milliseconds: first.leaseMilliseconds)
        let timer = EventLoop.reactor.timers.schedule(at: end) {
            if self.leases[fingerprint]?.token == token { self.leases[fingerprint] = nil }
        }
        leases[fingerprint] = HeldLease(token: token, peer: first.peer, timer: timer)
        counts.leases += 1
        answerMiss(first.request, lease: token)
    }

    /// Takes note that the lease of a response is over, or another's than `token`.
    private func forgetLease(_ fingerprint: [UInt8], unless token: [UInt8]?) {
        guard let lease = leases[fingerprint], lease.token != token else { return }
        EventLoop.reactor.timers.cancel(lease.timer)
        leases[fingerprint] = nil
    }

    /// Takes note that a response was stored, under `token` where that is one.
    func leaseEnded(_ fingerprint: [UInt8], _ token: [UInt8]?) {
        forgetLease(fingerprint, unless: nil)
        flights[fingerprint]?.tellNews()
    }

    /// Ends a lease without a response: the next one who waits gets it.
    func release(_ fingerprint: [UInt8], _ token: [UInt8]) {
        if leases[fingerprint]?.token == token { forgetLease(fingerprint, unless: nil) }
        let name = name(fingerprint)
        let deadline = Instant.now.advanced(by: Responses.releaseTimeout)
        Task { @EventLoop in
            // Where Valkey is away the lease ends by its time.
            _ = try? await self.link.callAll(1, .idempotentWrite, deadline: deadline) { _, command in
                command.append(callOf: ResponseScripts.release, keys: 1, arguments: 2)
                name.withByteView { command.append(word: $0) }
                token.withByteView { command.append(word: $0) }
                name.withByteView { command.append(word: $0) }
            }
            self.flights[fingerprint]?.tellNews()
        }
    }

    /// Passes on the leases of a connection that has gone.
    func releaseLeases(of peer: Peer) {
        for (fingerprint, lease) in leases where lease.peer === peer { release(fingerprint, lease.token) }
        for flight in flights.values where flight.waiters.contains(where: { $0.peer === peer }) { flight.wake() }
    }

    // MARK: Waiting

    private func answerAll(_ flight: Flight, _ answer: (ResponseRequest) -> Void) {
        let waiters = flight.waiters
        flight.waiters = []
        for waiter in waiters { answer(waiter.request) }
    }

    /// Ends the calls of connections that have gone.
    private func dismissGone(_ flight: Flight) {
        let gone = flight.waiters.filter { !calls.isWaiting($0.request.context.call) }
        guard !gone.isEmpty else { return }
        flight.waiters.removeAll { !calls.isWaiting($0.request.context.call) }
        for waiter in gone { calls.fail(waiter.request.context.call, Responses.gone) }
    }

    /// What ends a call that nobody waits for any more.
    static let gone = RPCError(.cancelled, "the client has gone")

    /// Answers those with a miss who would rather not wait on, and those with an error whose deadline comes first.
    private func dismissLate(_ flight: Flight) {
        let now = Instant.now
        let late = flight.waiters.filter { $0.end <= now }
        flight.waiters.removeAll { $0.end <= now }
        for waiter in late {
            if waiter.until <= now {
                answerMiss(waiter.request)
            } else {
                let error = RPCError(.deadlineExceeded, "the deadline passed while another asked the model")
                calls.fail(waiter.request.context.call, error)
            }
        }
    }
}
