import Contract
import EventLoop
import JSONRPC
import Linux
import Observability
import Policy

/// What one caller has used of its quota and been denied, over all its connections, and for a while after the last.
///
/// A caller is a user to whom the same rules speak: another group of the same user, or another connection, is the same
/// one. Whoever connects anew for each call goes on where it was.
@EventLoop
final class CallerAccount {
    /// What tells callers apart.
    struct Key: Hashable {
        /// The user, by the kernel's word.
        let userID: UInt32
        /// The rules that speak to it.
        let rules: [String]

        init(_ access: Access) {
            userID = access.caller.userID
            rules = access.ruleNames
        }
    }

    /// Why a call was refused that cost its caller nothing.
    enum Refusal: CaseIterable {
        /// No rule grants it.
        case denied
        /// It is beyond a quota.
        case overQuota

        /// What the call ended with.
        var kind: ErrorKind { self == .denied ? .forbidden : .overloaded }
    }

    /// How long refusals are counted before they are told of.
    private static let refusalPeriod = Duration.seconds(1)

    /// What was used of rates.
    let usage: QuotaAccount
    let key: Key
    private let log: Log
    private let audit: AuditTrail
    private var gates: [CallerGate] = []
    /// Whether a timer will look whether the account is settled.
    var isSettling = false
    /// Refusals since the first one that was told of; none where there was none for a while.
    private var untold: [Refusal: Int] = [:]

    init(_ access: Access, audit: AuditTrail, log: Log) {
        key = Key(access)
        usage = QuotaAccount(access.quota, now: EventLoop.reactor.now)
        self.audit = audit
        self.log = log
    }

    /// Whether the caller has no connection.
    var isUnused: Bool { gates.isEmpty }

    /// Whether nothing would be lost with the account.
    var isSettled: Bool {
        isUnused && untold.isEmpty && usage.inFlight == 0 && usage.isSettled(at: EventLoop.reactor.now)
    }

    /// Takes a gate in, through which the caller comes.
    func add(_ gate: CallerGate) {
        gates.append(gate)
        usage.quota = gate.access.quota
    }

    /// Lets a gate go.
    func remove(_ gate: CallerGate) {
        gates.removeAll { $0 === gate }
    }

    /// Locks, permits and terms that the caller holds.
    var leases: Int { gates.reduce(0) { $0 + $1.leases } }

    /// What its connections are bound to: leases, and subscriptions.
    var bindings: Int { gates.reduce(0) { $0 + $1.bindings } }

    /// Takes note that a call was refused which nothing bounds: of many, one in a second is told of, and how many more.
    ///
    /// - Parameters:
    ///   - refusal: Why.
    ///   - fields: What the log is told of the first one; nil for nothing.
    /// - Returns: Whether it is the first in a second, which gets a record of its own.
    func refuse(_ refusal: Refusal, _ fields: Log.Fields? = nil) -> Bool {
        if let count = untold[refusal] {
            untold[refusal] = count + 1
            return false
        }
        untold[refusal] = 0
        if let fields { log.warning("a call was denied", fields) }
        EventLoop.reactor.timers.schedule(after: CallerAccount.refusalPeriod) { self.tell(refusal) }
        return true
    }

    /// Tells of refusals that were only counted.
    func tellRefusals() {
        for refusal in Refusal.allCases { tell(refusal) }
    }

    private func tell(_ refusal: Refusal) {
        guard let count = untold.removeValue(forKey: refusal), count > 0 else { return }
        if refusal == .denied {
            log.warning("more calls of a caller were denied", ["uid": "\(key.userID)", "calls": "\(count)"])
        }
        audit.recordRefused(count, refusal.kind.kind, key.userID)
    }
}
