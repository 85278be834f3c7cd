import JSON
import RPCClient

/// Draws what `lock.list` answers: who holds each lock, and who waits for whom.
///
///     orders  exclusive, fence 1763625600000000
///     ├─ held by nightly report on app-1
///     └─ 1. mailer on app-2 waits (shared), holds invoices
///
/// Parties that wait in one lock and hold another are named again where they hold, so that chains can be followed.
enum LockGraph {
    /// The text for one page.
    static func text(_ result: JSONFragment) -> String {
        let locks = (result["locks"]?.elements ?? []).sorted { name($0) < name($1) }
        guard !locks.isEmpty else { return "nobody holds a lock\n" }
        var held: [String: [String]] = [:]
        for lock in locks {
            for holder in lock["holders"]?.elements ?? [] {
                held[party(holder), default: []].append(name(lock))
            }
        }
        var lines: [String] = []
        for lock in locks {
            lines.append("\(name(lock))  \(lock["mode"]?.string ?? "free"), fence \(lock["fence"]?.integer ?? 0)")
            let holders = lock["holders"]?.elements ?? []
            let waiters = lock["waiters"]?.elements ?? []
            let count = holders.count + waiters.count
            for (index, holder) in holders.enumerated() {
                let branch = index + 1 == count ? "└─" : "├─"
                let revoked = holder["revoked"] == nil ? "" : ", revoked"
                lines.append("\(branch) held by \(who(holder))\(revoked)")
            }
            for (index, waiter) in waiters.enumerated() {
                let branch = holders.count + index + 1 == count ? "└─" : "├─"
                let others = held[party(waiter), default: []].filter { $0 != name(lock) }
                let holds = others.isEmpty ? "" : ", holds \(others.joined(separator: ", "))"
                lines.append("\(branch) \(index + 1). \(who(waiter)) waits (\(waiter["mode"]?.string ?? ""))\(holds)")
            }
        }
        if let cursor = result["cursor"]?.string { lines.append("… more: cursor=\(cursor)") }
        return lines.map { "\($0)\n" }.joined()
    }

    private static func name(_ lock: JSONFragment) -> String { lock["name"]?.string ?? "" }

    private static func party(_ record: JSONFragment) -> String { record["party"]?.string ?? "" }

    private static func who(_ record: JSONFragment) -> String {
        let label = record["label"]?.string ?? party(record)
        return "\(label) on \(record["host"]?.string ?? "?")"
    }
}
