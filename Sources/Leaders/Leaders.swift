import Bytes
public import Contract
public import EventLoop
import JSON
public import JSONRPC
public import Leases
import Linux
public import Store
import Valkey

/// The methods `leader.*`: of those who stand for an election one leads at a time, and everybody can know who.
@EventLoop
public final class Leaders {
    /// Longest time until a candidate who could not stand for the election tries again.
    static let retryDelayMax = Duration.seconds(1)
    /// Most candidacies and subscriptions of one connection.
    static let countMax = 1024

    let leases: Leases
    let calls: CallTable
    var candidates: [ObjectIdentifier: [Candidate]] = [:]
    var observers: [ObjectIdentifier: [Observer]] = [:]
    var elections: [LeasePlace: ElectionWatch] = [:]
    private var lastNumber: UInt64 = 0

    /// Holds elections by means of `leases`.
    public init(_ leases: Leases) {
        self.leases = leases
        calls = leases.calls
        calls.addObserver(self)
    }

    /// Candidacies of this agent's connections.
    public var candidateCount: Int { candidates.values.reduce(0) { $0 + $1.count } }

    /// Answers `leader.campaign`: one round trip; what comes of it later is told by notifications.
    ///
    /// - Throws: ``RPCError`` `conflict` where the connection stands for the election already.
    public func campaign(_ parameters: LeaderCampaignParameters, _ context: CallContext) throws(RPCError) {
        let place = try place(parameters.election)
        guard let peer = calls.peer(of: context.call) else { return calls.reply(context.call) { $0.append("{}") } }
        let own = candidates[ObjectIdentifier(peer), default: []]
        guard !own.contains(where: { $0.wish.place == place }) else {
            throw RPCError(.conflict, "this connection stands for the election already", outcome: .notApplied)
        }
        guard own.count < Leaders.countMax else {
            throw RPCError(.overloaded, "a connection has at most \(Leaders.countMax) candidacies", isRetryable: false)
        }
        var wish = LeaseWish(place, lifeMilliseconds: parameters.ttlMilliseconds)
        wish.waitMilliseconds = nil
        if let label = parameters.label {
            var text = ByteBuffer()
            text.append(jsonString: try leases.keyspace.resolve(label, parameter: "label"))
            wish.label = text.view.copy()
        }
        lastNumber += 1
        var request = LeaseRequest(
            call: context.call,
            lane: context.lane,
            deadline: context.deadline,
            userID: context.userID
        )
        request.tag = lastNumber
        let candidate = Candidate("candidate-\(lastNumber)", wish, peer, request)
        candidate.call = context.call
        candidates[ObjectIdentifier(peer), default: []].append(candidate)
        do throws(RPCError) {
            let lease = try leases.acquire(wish, for: request, of: peer, owner: self)
            if !lease.isOver { candidate.lease = lease }
        } catch {
            forget(candidate)
            throw error
        }
    }

    /// The election that a parameter names.
    func place(_ election: JSONString) throws(RPCError) -> LeasePlace {
        LeasePlace(.leader, try leases.keyspace.resolve(election, parameter: "election").copy(), leases.keyspace)
    }

    /// A name for a subscription to news of an election.
    func nextName(_ word: String) -> String {
        lastNumber += 1
        return "\(word)-\(lastNumber)"
    }

    /// Answers `leader.resign`: one round trip.
    public func resign(_ parameters: LeaderResignParameters, _ context: CallContext) {
        let name = parameters.subscription.decoded()
        let own = calls.peer(of: context.call).flatMap { candidates[ObjectIdentifier($0)] } ?? []
        guard let candidate = own.first(where: { $0.name == name }) else {
            return calls.reply(context.call) { $0.append("{\"resigned\":false}") }
        }
        forget(candidate)
        guard let lease = candidate.lease else {
            return calls.reply(context.call) { $0.append("{\"resigned\":true}") }
        }
        Task { @EventLoop in
            do throws(RPCError) {
                try await self.leases.end(lease, until: context.deadline)
                self.calls.reply(context.call) { $0.append("{\"resigned\":true}") }
            } catch {
                self.calls.fail(context.call, error)
            }
        }
    }

    func candidate(of lease: Lease) -> Candidate? {
        candidates[ObjectIdentifier(lease.peer)]?.first { $0.request.tag == lease.tag }
    }

    func forget(_ candidate: Candidate) {
        let key = ObjectIdentifier(candidate.peer)
        candidate.isOver = true
        candidates[key]?.removeAll { $0 === candidate }
        if candidates[key]?.isEmpty == true { candidates[key] = nil }
    }
}

/// One connection that stands for an election.
@EventLoop
final class Candidate {
    let name: String
    let wish: LeaseWish
    let peer: Peer
    let request: LeaseRequest
    /// The call that is not answered yet.
    var call: CallID?
    /// The lead, or the place in the queue.
    var lease: Lease?
    /// Attempts to stand for the election that failed one after the other.
    var failures = 0
    /// Whether it stands no longer.
    var isOver = false

    init(_ name: String, _ wish: LeaseWish, _ peer: Peer, _ request: LeaseRequest) {
        self.name = name
        self.wish = wish
        self.peer = peer
        self.request = request
    }
}

// MARK: News of leases

extension Leaders: LeaseOwner {
    /// Tells a candidate that it leads.
    public func leaseGranted(_ lease: Lease) {
        guard let candidate = candidate(of: lease) else { return }
        candidate.failures = 0
        if let call = candidate.call {
            candidate.call = nil
            lease.call = nil
            return calls.reply(call) { result in
                result.append("{\"subscription\":\"")
                result.append(text: candidate.name)
                result.append("\",\"leader\":true,\"term\":")
                result.append(decimal: lease.fence)
                result.append(UInt8(ascii: "}"))
            }
        }
        push(candidate, "leader.elected", lease.fence)
    }

    /// Tells a candidate that another leads.
    public func leaseWaits(_ lease: Lease) {
        guard let candidate = candidate(of: lease), let call = candidate.call else { return }
        candidate.failures = 0
        candidate.call = nil
        lease.call = nil
        calls.reply(call) { result in
            result.append("{\"subscription\":\"")
            result.append(text: candidate.name)
            result.append("\",\"leader\":false}")
        }
    }

    /// Has a candidate that lost its place stand again.
    public func leaseRefused(_ lease: Lease, _ refusal: LeaseRefusal) {
        if let candidate = candidate(of: lease) { standAgain(candidate) }
    }

    /// Ends a candidacy that could not begin; one that had begun is taken up again.
    public func leaseFailed(_ lease: Lease, _ error: RPCError) {
        guard let candidate = candidate(of: lease) else { return }
        guard let call = candidate.call else { return standAgain(candidate) }
        candidate.call = nil
        forget(candidate)
        calls.fail(call, error)
    }

    /// Tells a leader that it leads no longer, and has it stand again.
    public func leaseLost(_ lease: Lease, _ loss: LeaseLoss) {
        guard let candidate = candidate(of: lease) else { return }
        push(candidate, "leader.lost", lease.fence, loss)
        standAgain(candidate)
    }

    private func push(_ candidate: Candidate, _ method: StaticString, _ term: Int64, _ loss: LeaseLoss? = nil) {
        calls.push(candidate.peer, method) { parameters in
            parameters.append("{\"subscription\":\"")
            parameters.append(text: candidate.name)
            parameters.append("\",\"election\":")
            candidate.wish.place.name.withByteView { parameters.append(jsonString: $0) }
            parameters.append(",\"term\":")
            parameters.append(decimal: term)
            if let loss {
                parameters.append(",\"reason\":\"")
                parameters.append(loss.word)
                parameters.append("\"")
            }
            parameters.append(UInt8(ascii: "}"))
        }
    }

    private func standAgain(_ candidate: Candidate) {
        candidate.lease = nil
        candidate.failures += 1
        let delay = min(Duration.milliseconds(10) * (1 << min(candidate.failures, 10)), Leaders.retryDelayMax)
        EventLoop.reactor.timers.schedule(after: delay * Double.random(in: 0.5...1)) {
            guard !candidate.isOver, candidate.lease == nil, !candidate.peer.isClosed else { return }
            var request = candidate.request
            request.call = nil
            request.deadline = Instant.now.advanced(by: .seconds(5))
            do throws(RPCError) {
                let lease = try self.leases.acquire(candidate.wish, for: request, of: candidate.peer, owner: self)
                if !lease.isOver { candidate.lease = lease }
            } catch {
                // The process that stood for the election has ended, or the agent ends.
                self.forget(candidate)
            }
        }
    }
}

extension Leaders: PeerObserver {
    /// Forgets what a connection stood for and wanted to know; its lead is released by whoever keeps the leases.
    public func peerClosed(_ peer: Peer) {
        for candidate in candidates.removeValue(forKey: ObjectIdentifier(peer)) ?? [] { candidate.isOver = true }
        for observer in observers.removeValue(forKey: ObjectIdentifier(peer)) ?? [] { leave(observer) }
    }

    /// Keeps nothing back.
    public func peerDrained(_ peer: Peer) {}

    /// A process that has ended stands for nothing any more.
    public func peerProcessEnded(_ peer: Peer) {
        for candidate in candidates.removeValue(forKey: ObjectIdentifier(peer)) ?? [] { candidate.isOver = true }
    }
}
