import Configuration
import Contract
import EventLoop
import JSONRPC
import Linux
import Observability
import Policy

/// Decides at accept what each connection may do, so that its calls need little more.
@EventLoop
final class Gatekeeper {
    /// Counts since the start.
    struct Counts {
        /// Calls that no rule granted.
        var denied: UInt64 = 0
        /// Calls beyond a quota.
        var overQuota: UInt64 = 0
    }

    let calls: CallTable
    /// The user that the agent runs as.
    let agentUser: UInt32
    let log: Log
    /// Where calls are recorded.
    let audit: AuditTrail
    var counts = Counts()
    private(set) var policy: Policy
    /// The namespaces whose data are more sensitive than others.
    private var classes: [String: DataClass]
    /// Methods whose calls are looked at though they are granted: some are recorded, and some depend on a class.
    private(set) var watched = MethodSet()
    /// A gate for all connections of one caller, as long as it has any.
    private var gates: [Caller: CallerGate] = [:]
    /// What callers have used, until it is settled.
    private var accounts: [CallerAccount.Key: CallerAccount] = [:]
    /// How often it is looked whether an account without a connection is settled.
    private static let settlingPeriod = Duration.seconds(1)

    init(_ policy: Policy, classes: [String: DataClass], calls: CallTable, audit: AuditTrail, log: Log) {
        self.policy = policy
        self.calls = calls
        self.log = log
        self.audit = audit
        agentUser = ProcessIdentity.userID
        self.classes = classes
        watched = methodsToWatch
    }

    private var methodsToWatch: MethodSet {
        var methods = audit.methods
        if classes.isEmpty { return methods }
        for method in Method.allCases where Gatekeeper.hasClass(method) { methods.insert(Int(method.rawValue)) }
        return methods
    }

    private static func hasClass(_ method: Method) -> Bool {
        Scope.hasNamespace(method) || method.group == .response
    }

    /// The class of the data that a call is about; nil where none is configured.
    func dataClass(of method: Method, _ arguments: Arguments) -> DataClass? {
        guard !classes.isEmpty, Gatekeeper.hasClass(method) else { return nil }
        // Stored responses are in the namespace of that name.
        return classes[Scope(method, arguments).namespace ?? Method.Group.response.rawValue]
    }

    /// Decides about a new connection.
    func opened(_ peer: Peer, _ identity: PeerIdentity?, on socket: (name: String, group: UInt32?)) {
        let caller = Caller(
            userID: identity?.userID ?? .max,
            groups: Set(identity?.groups ?? []).union(identity.map { [$0.groupID] } ?? []),
            socket: socket.name,
            socketGroup: socket.group
        )
        let gate = gates[caller] ?? CallerGate(access(of: caller), keeper: self)
        gates[caller] = gate
        gate.add(peer)
    }

    /// Forgets a connection that closed.
    func closed(_ peer: Peer) {
        guard let gate = peer.gate as? CallerGate else { return }
        gate.remove(peer)
        if gate.isIdle { retire(gate) }
    }

    /// Forgets a gate through which nobody comes any more.
    func retire(_ gate: CallerGate) {
        guard gates[gate.access.caller] === gate else { return }
        gates[gate.access.caller] = nil
        gate.account.remove(gate)
        settle(gate.account)
    }

    /// The account of a caller, which is made where it has none.
    func account(of access: Access) -> CallerAccount {
        let key = CallerAccount.Key(access)
        if let known = accounts[key] { return known }
        let account = CallerAccount(access, audit: audit, log: log)
        accounts[key] = account
        return account
    }

    /// Forgets an account as soon as nothing would be lost with it.
    ///
    /// It is looked at by one timer at a time, however often its caller connects and leaves meanwhile. One that was
    /// forgotten already says nothing about the one that its caller has now.
    func settle(_ account: CallerAccount) {
        guard account.isUnused, !account.isSettling, accounts[account.key] === account else { return }
        guard !account.isSettled else {
            accounts[account.key] = nil
            return
        }
        account.isSettling = true
        EventLoop.reactor.timers.schedule(after: Gatekeeper.settlingPeriod) {
            account.isSettling = false
            self.settle(account)
        }
    }

    /// Tells of what callers were refused and was only counted, at the end of the agent.
    func tellRefusals() {
        for account in accounts.values { account.tellRefusals() }
    }

    /// Has another policy and other classes hold, for connections that are open too.
    ///
    /// - Parameters:
    ///   - policy: The policy.
    ///   - classes: The namespaces whose data are more sensitive than others.
    /// - Returns: Connections that are to be closed, as they have something that the policy may not grant any more.
    func adopt(_ policy: Policy, classes: [String: DataClass]) -> [Peer] {
        self.policy = policy
        self.classes = classes
        watched = methodsToWatch
        return gates.values.flatMap { $0.adopt(access(of: $0.access.caller)) }
    }

    private func access(of caller: Caller) -> Access {
        Access(policy, caller, agent: agentUser)
    }
}
