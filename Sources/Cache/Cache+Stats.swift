import Bytes
public import Contract
import JSONRPC
public import Store

extension Cache {
    /// What the agent's memory holds of all namespaces: entries and bytes.
    public var nearUse: (entries: Int, bytes: Int) { (near.count + local.count, near.bytes + local.bytes) }

    /// Whether Valkey tells of changes, so that copies may be kept.
    public var isTracked: Bool { near.isTracked }

    /// Answers `cache.stats`, without asking Valkey.
    public func stats(_ parameters: CacheStatsParameters, _ context: CallContext) {
        let number = register.known(parameters.namespace)
        let counts = number.map { register.counts[Int($0)] } ?? NamespaceRegister.Counts()
        let share = number.map { isLocal($0) ? local.share(of: $0) : near.share(of: $0) } ?? NearTable.Share()
        calls.reply(context.call) { result in
            result.append("{\"hits\":")
            result.append(decimal: counts.hits)
            result.append(",\"near_hits\":")
            result.append(decimal: counts.nearHits)
            result.append(",\"stale_hits\":")
            result.append(decimal: counts.staleHits)
            result.append(",\"misses\":")
            result.append(decimal: counts.misses)
            result.append(",\"unreadable\":")
            result.append(decimal: counts.unreadable)
            result.append(",\"sets\":")
            result.append(decimal: counts.sets)
            result.append(",\"invalidations\":")
            result.append(decimal: counts.invalidations)
            result.append(",\"evictions\":")
            result.append(decimal: share.evictions)
            result.append(",\"near\":{\"entries\":")
            result.append(decimal: share.entries)
            result.append(",\"bytes\":")
            result.append(decimal: share.bytes)
            result.append("},\"leases\":{\"granted\":")
            result.append(decimal: leases.granted)
            result.append(",\"running\":")
            result.append(decimal: leases.all.count { $0.holder != nil })
            result.append(",\"waiting\":")
            result.append(decimal: leases.all.reduce(0) { $0 + $1.waiters.count })
            result.append("}}")
        }
    }
}
