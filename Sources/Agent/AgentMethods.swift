import Bytes
import Cache
import Contract
import EventLoop
import JSON
import JSONRPC
import Linux
import Observability
import Valkey

/// The methods `agent.*` and `rpc.discover`: what the agent knows of itself. None of them asks or awaits Valkey.
@EventLoop
final class AgentMethods {
    /// What the methods tell of.
    struct Sources {
        var cacheLink: Link
        var stateLink: Link
        var cache: Cache
        var log: Log
        /// Appends the configuration as `agent.config` lists it.
        var appendConfiguration: @EventLoop (inout ByteBuffer) -> Void
        /// Warnings for the operator, one sentence each.
        var warnings: @EventLoop () -> [String]
    }

    private let calls: CallTable
    private let sources: Sources
    private let started = Instant.now
    /// Where connections are counted; set once the server is there. Both live as long as the process, so the reference
    /// is strong: a weak one would make every retain of the server take the slow way.
    var server: Server?

    init(calls: CallTable, sources: Sources) {
        self.calls = calls
        self.sources = sources
    }

    /// Answers a call of one of these methods.
    func answer(_ method: Method, _ call: CallID) {
        calls.reply(call) { result in
            switch method {
            case .agentPing: result.append("{\"pong\":true}")
            case .agentHealth: appendHealth(to: &result)
            case .agentStats: appendStatistics(to: &result)
            case .agentConfig: sources.appendConfiguration(&result)
            case .rpcDiscover: result.append(OpenRPC.document)
            default: preconditionFailure("\(method.name) is not a method of the agent")
            }
        }
    }

    private func appendHealth(to result: inout ByteBuffer) {
        let cache = sources.cacheLink.status
        let state = sources.stateLink.status
        result.append("{\"live\":true,\"ready\":true,\"degraded\":")
        result.append(jsonBoolean: !cache.isConnected || !state.isConnected)
        result.append(",\"stores\":{\"cache\":")
        append(store: cache, to: &result)
        result.append(",\"state\":")
        append(store: state, to: &result)
        result.append("},\"warnings\":[")
        for (index, warning) in sources.warnings().enumerated() {
            if index > 0 { result.append(UInt8(ascii: ",")) }
            result.append(jsonString: warning)
        }
        result.append("]}")
    }

    private func append(store status: Link.Status, to result: inout ByteBuffer) {
        result.append("{\"connected\":")
        result.append(jsonBoolean: status.isConnected)
        result.append(status.isConnected ? ",\"breaker\":\"closed\",\"mode\":" : ",\"breaker\":\"open\",\"mode\":")
        result.append(jsonString: status.mode)
        result.append(",\"server\":")
        result.append(jsonString: status.server)
        result.append(",\"version\":")
        result.append(jsonString: status.version)
        if let fault = status.fault {
            result.append(",\"fault\":")
            result.append(jsonString: fault)
        }
        result.append(UInt8(ascii: "}"))
    }

    private func appendStatistics(to result: inout ByteBuffer) {
        var groups = StatisticsWriter()
        groups.begin("process", &result)
        groups.add("uptime_ms", UInt64(Instant.now.milliseconds(since: started)), &result)
        groups.add("resident_bytes", ProcessMemory.residentBytes, &result)
        groups.add("log_records_dropped", sources.log.dropped, &result)
        groups.begin("connections", &result)
        groups.add("open", UInt64(server?.openConnections ?? 0), &result)
        groups.add("accepted", server?.counts.accepted ?? 0, &result)
        groups.add("refused", server?.counts.refused ?? 0, &result)
        groups.begin("calls", &result)
        groups.add("running", UInt64(calls.running), &result)
        for method in Method.allCases where calls.counts[Int(method.rawValue)].calls > 0 {
            groups.add("\(method.name)", calls.counts[Int(method.rawValue)].calls, &result)
        }
        groups.begin("errors", &result)
        for method in Method.allCases where calls.counts[Int(method.rawValue)].errors > 0 {
            groups.add("\(method.name)", calls.counts[Int(method.rawValue)].errors, &result)
        }
        groups.begin("cache", &result)
        groups.add("hits", sources.cache.counts.hits, &result)
        groups.add("misses", sources.cache.counts.misses, &result)
        groups.add("degraded", sources.cache.counts.degraded, &result)
        groups.add("sets", sources.cache.counts.sets, &result)
        groups.add("invalidated", sources.cache.counts.invalidated, &result)
        for link in [sources.cacheLink, sources.stateLink] {
            let status = link.status
            groups.begin("\(link.name)_store", &result)
            groups.add("connections", status.connections, &result)
            groups.add("replies", status.replies, &result)
            groups.add("queued_commands", UInt64(status.queuedCommands), &result)
            groups.add("queued_bytes", UInt64(status.queuedBytes), &result)
        }
        groups.finish(&result)
    }
}

/// Writes groups of counters as an object of objects.
private struct StatisticsWriter {
    private var hasGroup = false
    private var hasMember = false

    mutating func begin(_ name: String, _ result: inout ByteBuffer) {
        result.append(hasGroup ? "}," : "{")
        result.append(jsonString: name)
        result.append(":{")
        hasGroup = true
        hasMember = false
    }

    mutating func add(_ name: String, _ value: UInt64, _ result: inout ByteBuffer) {
        if hasMember { result.append(UInt8(ascii: ",")) }
        hasMember = true
        result.append(jsonString: name)
        result.append(UInt8(ascii: ":"))
        result.append(decimal: value)
    }

    func finish(_ result: inout ByteBuffer) {
        result.append(hasGroup ? "}}" : "{}")
    }
}
