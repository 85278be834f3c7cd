import Configuration
import Contract
import EventLoop
import JSONRPC
import Linux
import Observability
import Policy

/// The gate of all connections of one caller: what it may do, and what it has used of its quota.
@EventLoop
final class CallerGate {
    /// What the caller may do.
    private(set) var access: Access
    // The keeper lives as long as the agent.
    private unowned let keeper: Gatekeeper
    private var peers: [Peer] = []
    private(set) var account: CallerAccount
    /// Whether other rules may speak to the caller than those of its account.
    private var isAccountOld = false
    /// Calls that run and count against the quota.
    private var counted: Set<CallID> = []
    /// Records of calls that run.
    private var records: [CallID: PendingRecord] = [:]

    init(_ access: Access, keeper: Gatekeeper) {
        self.access = access
        self.keeper = keeper
        account = keeper.account(of: access)
        account.add(self)
    }

    /// Whether no connection is open and no call runs that is to be seen to its end.
    var isIdle: Bool { peers.isEmpty && counted.isEmpty && records.isEmpty }

    /// Locks, permits and terms that are held through the gate.
    var leases: Int { peers.reduce(0) { $0 + $1.leases } }

    /// What its connections are bound to: leases, and subscriptions.
    var bindings: Int { peers.reduce(0) { $0 + $1.bindings } }

    /// Takes a connection in.
    func add(_ peer: Peer) {
        peer.gatePosition = peers.count
        peers.append(peer)
        peer.gate = self
        peer.ungated = ungated
    }

    /// Lets a connection go; calls of it that still run end here.
    func remove(_ peer: Peer) {
        let position = peer.gatePosition
        guard position < peers.count, peers[position] === peer else { return }
        // The last one takes its place: however many there are, one that closes costs the same.
        let last = peers.removeLast()
        guard last !== peer else { return }
        peers[position] = last
        last.gatePosition = position
    }

    /// Has another policy hold, or other methods be watched.
    ///
    /// - Parameter access: What the caller may do from now on.
    /// - Returns: Connections that are to be closed: it may do less, and they have something that was granted before.
    func adopt(_ access: Access) -> [Peer] {
        let isLess = !access.covers(self.access)
        self.access = access
        isAccountOld = true
        if !counted.isEmpty { account.usage.quota = access.quota }
        changeAccount()
        for peer in peers { peer.ungated = ungated }
        guard isLess else { return [] }
        return peers.filter { $0.bindings > 0 || $0.computations > 0 || $0.runningCalls > 0 || $0.waitingCalls > 0 }
    }

    /// Goes over to the account of the rules that speak to the caller by now, once no call runs that counts against the
    /// one before: calls end where they began.
    private func changeAccount() {
        guard isAccountOld, counted.isEmpty else { return }
        isAccountOld = false
        account.remove(self)
        keeper.settle(account)
        account = keeper.account(of: access)
        account.add(self)
    }

    /// Methods whose calls need no look: those of which no parameter, no quota and no record depends.
    private var ungated: MethodSet {
        access.quota.isUnbounded ? access.unrestricted.subtracting(keeper.watched) : MethodSet()
    }

    /// Takes note of a denial; every one is recorded, of whatever class, and a caller's many together.
    private func deny(
        _ call: CallID,
        _ peer: Peer,
        _ method: Method,
        _ arguments: Arguments,
        _ reason: String
    ) -> RPCError {
        keeper.counts.denied += 1
        let fields: Log.Fields = [
            "method": "\(method.name)", "uid": "\(access.caller.userID)", "socket": access.caller.socket,
            "reason": reason,
        ]
        if account.refuse(.denied, fields) {
            records[call] = keeper.audit.begin(method, arguments, peer, access, isRefused: true)
        }
        return RPCError(.forbidden, reason, outcome: .notApplied)
    }

    /// Why a call is beyond the quota, which it counts against where it is not; nil there.
    private func overQuota(_ method: Method, _ arguments: Arguments) -> RPCError? {
        guard !access.quota.isUnbounded else { return nil }
        if let (bound, limit) = heldTooMuch(method) {
            return .overQuota(bound, limit, retryAfterMilliseconds: nil)
        }
        guard let refusal = account.usage.begin(bytes: arguments.byteCount, now: EventLoop.reactor.now) else {
            return nil
        }
        return .overQuota(refusal.bound, refusal.limit, retryAfterMilliseconds: refusal.retryAfterMilliseconds)
    }

    /// The bound on what a caller holds that a call would exceed.
    private func heldTooMuch(_ method: Method) -> (bound: StaticString, limit: Int)? {
        let quota = access.quota
        if quota.subscriptions == nil, quota.locks == nil { return nil }
        let leases = account.leases
        if let limit = quota.locks, method.acquires, leases >= limit { return ("locks", limit) }
        guard let limit = quota.subscriptions, method.subscribes else { return nil }
        return account.bindings - leases >= limit ? ("subscriptions", limit) : nil
    }
}

extension CallerGate: CallGate {
    func admit(_ call: CallID, _ peer: Peer, method number: Int, _ arguments: Arguments) throws(RPCError) {
        guard let method = Method(rawValue: UInt8(number)) else { preconditionFailure("there is no method \(number)") }
        let dataClass = keeper.dataClass(of: method, arguments)
        if !access.unrestricted.contains(number) {
            let scope = access.granted.contains(number) ? Scope(method, arguments) : nil
            if case .refused(let reason) = access.decide(method, scope) {
                throw deny(call, peer, method, arguments, reason)
            }
        }
        let isRecorded = keeper.audit.methods.contains(number) || dataClass?.records(method) == true
        if isRecorded { try keeper.audit.checkRoom() }
        if let error = overQuota(method, arguments) {
            keeper.counts.overQuota += 1
            if isRecorded, account.refuse(.overQuota) {
                records[call] = keeper.audit.begin(method, arguments, peer, access, isRefused: true)
            }
            throw error
        }
        if !access.quota.isUnbounded { counted.insert(call) }
        if isRecorded { records[call] = keeper.audit.begin(method, arguments, peer, access) }
        if let fault = dataClass?.fault(of: method, arguments) { throw fault }
    }

    func callEnded(_ call: CallID, error: RPCError?) {
        if let record = records.removeValue(forKey: call) { keeper.audit.end(record, error: error) }
        if counted.remove(call) != nil {
            account.usage.end()
            changeAccount()
        }
        if isIdle { keeper.retire(self) }
    }
}

extension Method {
    /// Whether the method takes a lock, a permit or a term.
    fileprivate var acquires: Bool {
        "\(name)".hasSuffix(".acquire") || "\(name)" == "leader.campaign"
    }

    /// Whether the method subscribes its connection to something.
    fileprivate var subscribes: Bool {
        "\(name)".hasSuffix(".subscribe") || ["leader.campaign", "leader.observe"].contains("\(name)")
    }
}

extension RPCError {
    /// A caller has used up what a rule of the policy gives it.
    fileprivate static func overQuota(
        _ bound: StaticString,
        _ limit: Int,
        retryAfterMilliseconds: Int64?
    ) -> RPCError {
        RPCError(
            .overloaded,
            "the policy bounds \(bound) to \(limit) for this caller, over all its connections",
            retryAfterMilliseconds: retryAfterMilliseconds,
            outcome: .notApplied,
            details: [("quota", "\"\(bound)\"")]
        )
    }
}
