import Audit
import Bytes
import Cache
import Channels
import Configuration
import Contract
import EventLoop
import JSON
import JSONRPC
import Leases
import Linux
import Observability
import Resilience
import Responses
import Sessions
import Store
import Topics
import Valkey

/// What the agent tells of itself, by `agent.*`, without ever asking or awaiting Valkey.
@EventLoop
final class AgentMethods {
    let calls: CallTable
    let cache: Cache
    let sessions: Sessions
    let channels: Channels
    let leases: Leases
    let topics: Topics
    let responses: Responses
    let stores: Stores
    let log: Log
    /// The configuration in force, for `agent.config`.
    var configuration: Configuration
    private let started = Instant.now
    /// When the agent was made, in Unix time.
    let startedAtMilliseconds = WallClock.milliseconds
    private let events: AgentEvents
    /// Where connections are counted; set once the server is there.
    ///
    /// Both live as long as the process, so the reference is strong: a weak one would make every retain of the server
    /// take the slow way.
    var server: Server?

    init(
        calls: CallTable,
        cache: Cache,
        sessions: Sessions,
        channels: Channels,
        leases: Leases,
        topics: Topics,
        responses: Responses,
        stores: Stores,
        configuration: Configuration,
        log: Log
    ) {
        self.calls = calls
        self.cache = cache
        self.sessions = sessions
        self.channels = channels
        self.leases = leases
        self.topics = topics
        self.responses = responses
        self.stores = stores
        self.configuration = configuration
        self.log = log
        events = AgentEvents(calls: calls)
        for link in [stores.cacheLink, stores.stateLink] {
            link.breakerChanged = { [events] state, reason in events.breakerChanged(link.name, state, reason) }
        }
    }

    /// Answers `agent.ping`.
    func ping(_ context: CallContext) {
        calls.reply(context.call) { $0.append("{\"pong\":true}") }
    }

    /// Answers `agent.health`.
    func health(_ context: CallContext) {
        calls.reply(context.call) { appendHealth(to: &$0) }
    }

    /// Answers `agent.stats`.
    func stats(_ context: CallContext) {
        calls.reply(context.call) { appendStatistics(to: &$0) }
    }

    /// Answers `agent.config`.
    func config(_ context: CallContext) {
        calls.reply(context.call) { appendConfiguration(to: &$0) }
    }

    /// Answers `agent.breaker`.
    func breaker(_ parameters: AgentBreakerParameters, _ context: CallContext) {
        let link = parameters.store == .cache ? stores.cacheLink : stores.stateLink
        switch parameters.action {
        case .open: link.setBreaker(.forcedOpen)
        case .close: link.setBreaker(.forcedClosed)
        case .auto: link.setBreaker(.automatic)
        case nil: break
        }
        calls.reply(context.call) { append(breakerOf: link, to: &$0) }
    }

    private func append(breakerOf link: Link, to result: inout ByteBuffer) {
        let status = link.status
        let counts = status.breaker.counts(at: .now)
        result.append("{\"store\":")
        result.append(jsonString: link.name)
        result.append(",\"state\":")
        result.append(jsonString: status.breaker.state.name)
        result.append(",\"mode\":")
        result.append(jsonString: status.breaker.mode.name)
        result.append(",\"failures\":")
        result.append(decimal: counts.failures)
        result.append(",\"calls\":")
        result.append(decimal: counts.total)
        result.append(",\"openings\":")
        result.append(decimal: status.breaker.openings)
        if let retryAfter = status.retryAfterMilliseconds {
            result.append(",\"retry_after_ms\":")
            result.append(decimal: retryAfter)
        }
        result.append(UInt8(ascii: "}"))
    }

    /// Tells subscribers that the agent ends, and how long running calls have.
    func tellClosing(grace: Duration) {
        events.closing(grace: grace.wholeMilliseconds, to: server?.peers ?? [])
    }

    /// Answers `agent.subscribe`.
    func subscribe(_ context: CallContext) {
        events.subscribe(context.call)
    }

    /// Whether the agent takes calls; a store that is away is told as degraded, and does not count.
    var isReady: Bool { server.map { !$0.dispatcher.isDraining } ?? false }

    /// Appends what `agent.health` answers.
    func appendHealth(to result: inout ByteBuffer) {
        let cache = stores.cacheLink.status
        let state = stores.stateLink.status
        result.append("{\"live\":true,\"ready\":")
        result.append(jsonBoolean: isReady)
        result.append(",\"degraded\":")
        let isWhole = [cache, state].allSatisfy { $0.isConnected && $0.writeRefusal == nil }
        result.append(jsonBoolean: !isWhole)
        result.append(",\"stores\":{\"cache\":")
        append(store: cache, to: &result)
        result.append(",\"state\":")
        append(store: state, to: &result)
        result.append("},\"warnings\":[")
        let warnings = stores.warnings + sessions.warnings + stores.stateSafety.warnings + auditWarnings
        for (index, warning) in warnings.enumerated() {
            if index > 0 { result.append(UInt8(ascii: ",")) }
            result.append(jsonString: warning)
        }
        result.append("]}")
    }

    private func append(store status: Link.Status, to result: inout ByteBuffer) {
        result.append("{\"connected\":")
        result.append(jsonBoolean: status.isConnected)
        result.append(",\"breaker\":")
        result.append(jsonString: status.breaker.state.name)
        result.append(",\"mode\":")
        result.append(jsonString: status.mode)
        result.append(",\"server\":")
        append(known: status.server, to: &result)
        result.append(",\"version\":")
        append(known: status.version, to: &result)
        if let fault = status.fault {
            result.append(",\"fault\":")
            result.append(jsonString: fault)
        }
        result.append(UInt8(ascii: "}"))
    }

    /// Appends what a server said of itself, or null where none has been asked yet.
    private func append(known text: String, to result: inout ByteBuffer) {
        if text.isEmpty {
            result.append("null")
        } else {
            result.append(jsonString: text)
        }
    }

    private func appendConfiguration(to result: inout ByteBuffer) {
        result.append("{\"values\":[")
        for (index, option) in configuration.values.enumerated() {
            if index > 0 { result.append(UInt8(ascii: ",")) }
            result.append("{\"name\":")
            result.append(jsonString: option.name)
            result.append(",\"value\":")
            result.append(text: option.value.text(style: .compact))
            result.append(",\"origin\":")
            result.append(jsonString: option.origin.rawValue)
            result.append(UInt8(ascii: "}"))
        }
        result.append("]}")
    }

    private func appendStatistics(to result: inout ByteBuffer) {
        var groups = StatisticsWriter()
        groups.begin("process", &result)
        groups.add("uptime_ms", UInt64(Instant.now.milliseconds(since: started)), &result)
        groups.add("resident_bytes", ProcessMemory.residentBytes, &result)
        groups.add("log_records_dropped", log.dropped, &result)
        groups.begin("connections", &result)
        groups.add("open", UInt64(server?.openConnections ?? 0), &result)
        groups.add("accepted", server?.counts.accepted ?? 0, &result)
        groups.add("refused", server?.counts.refused ?? 0, &result)
        groups.begin("access", &result)
        groups.add("denied", server?.gatekeeper.counts.denied ?? 0, &result)
        groups.add("over_quota", server?.gatekeeper.counts.overQuota ?? 0, &result)
        if let audit = server?.gatekeeper.audit.status {
            groups.begin("audit", &result)
            groups.add("written", audit.written, &result)
            groups.add("dropped", audit.dropped, &result)
        }
        groups.begin("calls", &result)
        groups.add("running", UInt64(calls.running), &result)
        let counts = calls.counts
        for method in Method.allCases where counts[Int(method.rawValue)].calls > 0 {
            groups.add("\(method.name)", counts[Int(method.rawValue)].calls, &result)
        }
        groups.begin("errors", &result)
        for method in Method.allCases where counts[Int(method.rawValue)].errors > 0 {
            groups.add("\(method.name)", counts[Int(method.rawValue)].errors, &result)
        }
        groups.begin("cache", &result)
        groups.add("hits", cache.counts.hits, &result)
        groups.add("near_hits", cache.counts.nearHits, &result)
        groups.add("misses", cache.counts.misses, &result)
        groups.add("degraded", cache.counts.degraded, &result)
        groups.add("sets", cache.counts.sets, &result)
        groups.add("invalidated", cache.counts.invalidated, &result)
        groups.add("near_entries", UInt64(cache.nearUse.entries), &result)
        groups.add("near_bytes", UInt64(cache.nearUse.bytes), &result)
        groups.add("near_tracked", cache.isTracked ? 1 : 0, &result)
        groups.begin("sessions", &result)
        for count in sessions.counts.all { groups.add(count.name, count.value, &result) }
        appendChannels(to: &groups, &result)
        appendLeases(to: &groups, &result)
        appendTopics(to: &groups, &result)
        appendResponses(to: &groups, &result)
        for link in [stores.cacheLink, stores.stateLink] {
            let status = link.status
            groups.begin("\(link.name)_store", &result)
            groups.add("connections", status.connections, &result)
            groups.add("replies", status.replies, &result)
            groups.add("queued_commands", UInt64(status.queuedCommands), &result)
            groups.add("queued_bytes", UInt64(status.queuedBytes), &result)
        }
        groups.finish(&result)
    }

    private func appendLeases(to groups: inout StatisticsWriter, _ result: inout ByteBuffer) {
        let (counts, use) = (leases.counts, leases.use)
        groups.begin("leases", &result)
        groups.add("held", UInt64(use.held), &result)
        groups.add("waiting", UInt64(use.waiting), &result)
        groups.add("granted", counts.granted, &result)
        groups.add("granted_after_waiting", counts.grantedAfterWaiting, &result)
        groups.add("refused", counts.refused, &result)
        groups.add("released", counts.released, &result)
        groups.add("released_after_end", counts.releasedAfterEnd, &result)
        groups.add("renewals", counts.renewals, &result)
        groups.add("lost", counts.lost, &result)
        groups.add("deadlocks", counts.deadlocks, &result)
    }

    private func appendResponses(to groups: inout StatisticsWriter, _ result: inout ByteBuffer) {
        let counts = responses.counts
        groups.begin("responses", &result)
        groups.add("hits", counts.hits, &result)
        groups.add("misses", counts.misses, &result)
        groups.add("degraded", counts.degraded, &result)
        groups.add("stored", counts.stored, &result)
        groups.add("incomplete", counts.incomplete, &result)
        groups.add("leases", counts.leases, &result)
        groups.add("waiting", UInt64(responses.waiting), &result)
        groups.add("replayed", counts.replayed, &result)
        groups.add("chunks", counts.chunks, &result)
        groups.add("replay_bytes", UInt64(responses.replayBytes), &result)
    }

    private func appendChannels(to groups: inout StatisticsWriter, _ result: inout ByteBuffer) {
        let upstream = stores.cacheLink.subscriber.status
        groups.begin("channels", &result)
        groups.add("subscriptions", UInt64(channels.subscriptionCount), &result)
        groups.add("published", channels.counts.published, &result)
        groups.add("received", upstream.messages, &result)
        groups.add("delivered", channels.counts.delivered, &result)
        groups.add("filtered", channels.counts.filtered, &result)
        groups.add("dropped", channels.counts.dropped, &result)
        groups.add("slow_consumers", channels.counts.slowConsumers, &result)
        groups.add("gaps", upstream.gaps, &result)
        groups.add("queued_bytes", UInt64(channels.queuedBytes), &result)
        groups.add("upstream_subscriptions", UInt64(upstream.targets), &result)
    }

    private func appendTopics(to groups: inout StatisticsWriter, _ result: inout ByteBuffer) {
        groups.begin("topics", &result)
        groups.add("subscriptions", UInt64(topics.subscriptionCount), &result)
        groups.add("outstanding", UInt64(topics.outstanding), &result)
        for count in topics.counts.all { groups.add(count.name, count.value, &result) }
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
