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

    /// How long denials are counted before they are told of.
    private static let denialPeriod = Duration.seconds(1)

    /// What was used of rates.
    let usage: QuotaAccount
    let key: Key
    private let log: Log
    private var gates: [CallerGate] = []
    /// Whether a timer will look whether the account is settled.
    var isSettling = false
    /// Denials since the last one that the log has; nil where there was none for a while.
    private var untold: Int?

    init(_ access: Access, log: Log) {
        key = Key(access)
        usage = QuotaAccount(access.quota, now: EventLoop.reactor.now)
        self.log = log
    }

    /// Whether the caller has no connection.
    var isUnused: Bool { gates.isEmpty }

    /// Whether nothing would be lost with the account.
    var isSettled: Bool {
        isUnused && untold == nil && usage.inFlight == 0 && usage.isSettled(at: EventLoop.reactor.now)
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

    /// Takes note of a denial: the log has the first, and how many more there were in the second behind it.
    func deny(_ fields: Log.Fields) {
        if let count = untold {
            untold = count + 1
            return
        }
        untold = 0
        log.warning("a call was denied", fields)
        EventLoop.reactor.timers.schedule(after: CallerAccount.denialPeriod) { self.tellDenials() }
    }

    private func tellDenials() {
        let count = untold ?? 0
        untold = nil
        guard count > 0 else { return }
        log.warning("more calls of a caller were denied", ["uid": "\(key.userID)", "calls": "\(count)"])
    }
}
