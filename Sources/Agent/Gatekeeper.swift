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
    /// A gate for all connections of one caller, as long as it has any.
    private var gates: [Caller: CallerGate] = [:]

    init(_ policy: Policy, calls: CallTable, audit: AuditTrail, log: Log) {
        self.policy = policy
        self.calls = calls
        self.log = log
        self.audit = audit
        agentUser = ProcessIdentity.userID
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
        gates[gate.access.caller] = nil
    }

    /// Has another policy hold, for connections that are open too.
    func adopt(_ policy: Policy) {
        self.policy = policy
        for gate in gates.values { gate.adopt(access(of: gate.access.caller)) }
    }

    private func access(of caller: Caller) -> Access {
        Access(policy, caller, agent: agentUser)
    }
}
