import Audit
import Cache
import Channels
import Configuration
import Contract
import JSONRPC
import Leases
import Linux
import Observability
import Resilience
import Responses
import Sessions
import Topics
import Valkey

extension AgentMethods {
    /// Everything that is counted and measured, as text.
    ///
    /// Each family has as many values as there are methods, errors, stores or the like: labels never hold what a client
    /// chose.
    func metrics(_ form: MetricsText.Form) -> [UInt8] {
        var text = MetricsText(form)
        appendProcess(to: &text)
        appendCalls(to: &text)
        appendConnections(to: &text)
        appendStores(to: &text)
        appendCache(to: &text)
        appendResponses(to: &text)
        appendLeases(to: &text)
        appendSessions(to: &text)
        appendChannels(to: &text)
        appendTopics(to: &text)
        return text.finished()
    }

    private func appendProcess(to text: inout MetricsText) {
        text.family("squire_build", .info, "Which agent this is.")
        text.value(1, ["version": "\(OpenRPC.version)"])
        text.family("squire_ready", .gauge, "Whether the agent takes calls: 0 while it ends.")
        text.value(isReady)
        text.family("squire_log_records_dropped", .counter, "Log records that nobody took.")
        text.value(log.dropped)
        text.family("process_cpu_seconds", .counter, unit: "seconds", "Time on processors.")
        text.value(nanoseconds: ProcessUsage.processorNanoseconds)
        text.family("process_resident_memory_bytes", .gauge, unit: "bytes", "Memory that is present.")
        text.value(ProcessMemory.residentBytes)
        text.family("process_start_time_seconds", .gauge, unit: "seconds", "When the agent started, in Unix time.")
        text.value(nanoseconds: UInt64(startedAtMilliseconds) * 1_000_000)
        text.family("process_open_fds", .gauge, "Descriptors that are open.")
        text.value(UInt64(ProcessUsage.openDescriptors))
    }

    private func appendCalls(to text: inout MetricsText) {
        text.family("squire_rpc_requests", .counter, "Calls answered, by method and outcome.")
        for method in Method.allCases {
            let number = Int(method.rawValue)
            let all = calls.meter.count(of: number)
            guard all > 0 else { continue }
            text.value(all - calls.meter.failureCount(of: number), ["method": "\(method.name)", "code": "ok"])
        }
        let failures = calls.meter.failures.map { failure, count in
            (
                name: failure.method.map { "\(Method.allCases[$0].name)" } ?? "_other",
                kind: ErrorKind.allCases.first { $0.code == failure.code }.map { "\($0.kind)" } ?? "_other",
                count: count
            )
        }
        for (name, kind, count) in failures.sorted(by: { ($0.name, $0.kind) < ($1.name, $1.kind) }) {
            text.value(count, ["method": name, "code": kind])
        }
        // Always there, from 0 on: of a value that begins with 1 nobody sees the rise.
        text.family("squire_rpc_internal_errors", .counter, "Calls in which the agent itself failed.")
        text.value(failures.reduce(0) { $0 + ($1.kind == "internal_error" ? $1.count : 0) })
        text.family(
            "squire_rpc_request_duration_seconds",
            .histogram,
            unit: "seconds",
            "Time from the arrival of a call to the leaving of its answer, by method."
        )
        for method in Method.allCases where calls.meter.durations[Int(method.rawValue)].count > 0 {
            text.histogram(calls.meter.durations[Int(method.rawValue)], ["method": "\(method.name)"])
        }
        text.family("squire_rpc_requests_in_flight", .gauge, "Calls that were not answered yet.")
        text.value(UInt64(calls.running))
        text.family(
            "squire_loop_turn_duration_seconds",
            .histogram,
            unit: "seconds",
            "Length of the turns of the event loop in which calls were answered: nobody is served meanwhile."
        )
        text.histogram(calls.meter.turns)
    }

    private func appendConnections(to text: inout MetricsText) {
        text.family("squire_connections", .gauge, "Client connections that are open.")
        text.value(UInt64(server?.openConnections ?? 0))
        text.family("squire_connections_accepted", .counter, "Client connections accepted.")
        text.value(server?.counts.accepted ?? 0)
        text.family("squire_connections_refused", .counter, "Client connections refused because there were too many.")
        text.value(server?.counts.refused ?? 0)
        text.family("squire_calls_denied", .counter, "Calls that no rule of the policy granted.")
        text.value(server?.gatekeeper.counts.denied ?? 0)
        text.family("squire_calls_over_quota", .counter, "Calls beyond a quota of the policy.")
        text.value(server?.gatekeeper.counts.overQuota ?? 0)
        if let audit = server?.gatekeeper.audit.status {
            text.family("squire_audit_records", .counter, "Records in the audit file.")
            text.value(audit.written)
            text.family("squire_audit_records_dropped", .counter, "Records lost because the file could not be written.")
            text.value(audit.dropped)
        }
        text.family("squire_connection_output_bytes", .gauge, unit: "bytes", "Output that clients have not read yet.")
        text.value(UInt64(server?.outputBytes ?? 0))
    }

    private func appendStores(to text: inout MetricsText) {
        let stores = [stores.cacheLink, stores.stateLink].map { ($0.name, $0.status) }
        text.family("squire_store_up", .gauge, "Whether commands flow to a store.")
        for (name, status) in stores { text.value(status.isConnected, ["store": name]) }
        text.family("squire_store_connections", .counter, "Connections to a store that became ready.")
        for (name, status) in stores { text.value(status.connections, ["store": name]) }
        text.family("squire_store_replies", .counter, "Commands that a store answered.")
        for (name, status) in stores { text.value(status.replies, ["store": name]) }
        text.family("squire_store_queued_commands", .gauge, "Commands that wait for a store.")
        for (name, status) in stores { text.value(UInt64(status.queuedCommands), ["store": name]) }
        text.family("squire_store_queued_bytes", .gauge, unit: "bytes", "Bytes of the commands that wait for a store.")
        for (name, status) in stores { text.value(UInt64(status.queuedBytes), ["store": name]) }
        text.family("squire_breaker_state", .gauge, "Which state the circuit breaker of a store is in.")
        for (name, status) in stores {
            for state in [CircuitBreaker.State.closed, .open, .halfOpen] {
                text.value(status.breaker.state == state, ["store": name, "state": state.name])
            }
        }
        text.family("squire_breaker_openings", .counter, "Times that the circuit breaker of a store opened.")
        for (name, status) in stores { text.value(UInt64(status.breaker.openings), ["store": name]) }
        text.family("squire_breaker_rejections", .counter, "Commands turned away by the circuit breaker of a store.")
        for (name, status) in stores { text.value(status.rejections, ["store": name]) }
    }

    private func appendCache(to text: inout MetricsText) {
        let counts = cache.counts
        text.family("squire_cache_hits", .counter, "Reads that found an entry, by where it was found.")
        text.value(counts.nearHits, ["tier": "near"])
        text.value(counts.hits - counts.nearHits, ["tier": "valkey"])
        text.family("squire_cache_misses", .counter, "Reads that found no entry.")
        text.value(counts.misses)
        text.family("squire_cache_degraded", .counter, "Reads answered as misses because Valkey was away.")
        text.value(counts.degraded)
        text.family("squire_cache_sets", .counter, "Entries written.")
        text.value(counts.sets)
        text.family("squire_cache_invalidated_entries", .counter, "Entries and hashes removed by cache.invalidate.")
        text.value(counts.invalidated)
        // Without a near cache there is nothing that could be tracked.
        guard configuration.cache.nearBytes > 0 else { return }
        text.family("squire_near_cache_entries", .gauge, "Entries of which a copy is in the agent's memory.")
        text.value(UInt64(cache.nearUse.entries))
        text.family("squire_near_cache_bytes", .gauge, unit: "bytes", "Memory of these copies.")
        text.value(UInt64(cache.nearUse.bytes))
        text.family("squire_near_cache_tracked", .gauge, "Whether Valkey tells of changes, so that copies may be used.")
        text.value(cache.isTracked)
    }

    private func appendResponses(to text: inout MetricsText) {
        let counts = responses.counts
        text.family("squire_response_hits", .counter, "Requests to language models that were answered from the store.")
        text.value(counts.hits)
        text.family("squire_response_misses", .counter, "Requests to language models that were not.")
        text.value(counts.misses)
        text.family("squire_response_degraded", .counter, "Of these, requests that came while Valkey was away.")
        text.value(counts.degraded)
        text.family("squire_response_stored", .counter, "Responses of language models stored.")
        text.value(counts.stored)
        text.family("squire_response_leases", .counter, "Leases given to those who ask a model.")
        text.value(counts.leases)
        text.family("squire_response_waiting", .gauge, "Calls that wait for a response that another one asks for.")
        text.value(UInt64(responses.waiting))
        text.family("squire_response_replayed", .counter, "Recorded streams that were replayed to their end.")
        text.value(counts.replayed)
        text.family("squire_response_replay_bytes", .gauge, unit: "bytes", "Recorded streams that are being replayed.")
        text.value(UInt64(responses.replayBytes))
    }

    private func appendLeases(to text: inout MetricsText) {
        let (counts, use) = (leases.counts, leases.use)
        text.family("squire_leases_held", .gauge, "Leases of locks, semaphores and leaders that clients hold.")
        text.value(UInt64(use.held))
        text.family("squire_leases_waiting", .gauge, "Calls that wait for such a lease.")
        text.value(UInt64(use.waiting))
        text.family("squire_lease_events", .counter, "What happened to leases of locks, semaphores and leaders.")
        text.value(counts.granted, ["event": "granted"])
        text.value(counts.grantedAfterWaiting, ["event": "granted_after_waiting"])
        text.value(counts.refused, ["event": "refused"])
        text.value(counts.released, ["event": "released"])
        text.value(counts.releasedAfterEnd, ["event": "released_after_end"])
        text.value(counts.renewals, ["event": "renewed"])
        text.value(counts.lost, ["event": "lost"])
        text.value(counts.deadlocks, ["event": "deadlock"])
    }

    private func appendSessions(to text: inout MetricsText) {
        text.family("squire_session_events", .counter, "What happened to sessions.")
        for (name, count) in sessions.counts.all { text.value(count, ["event": name]) }
    }

    private func appendChannels(to text: inout MetricsText) {
        let upstream = stores.cacheLink.subscriber.status
        text.family("squire_channel_subscriptions", .gauge, "Subscriptions of clients to channels.")
        text.value(UInt64(channels.subscriptionCount))
        text.family("squire_channel_upstream_subscriptions", .gauge, "Channels and patterns that Valkey is asked for.")
        text.value(UInt64(upstream.targets))
        text.family("squire_channel_messages", .counter, "Messages of channels, by what became of them.")
        text.value(channels.counts.published, ["event": "published"])
        text.value(upstream.messages, ["event": "received"])
        text.value(channels.counts.delivered, ["event": "delivered"])
        text.value(channels.counts.filtered, ["event": "filtered"])
        text.value(channels.counts.dropped, ["event": "dropped"])
        text.family(
            "squire_channel_slow_consumers",
            .counter,
            "Subscriptions ended because nobody read their messages."
        )
        text.value(channels.counts.slowConsumers)
        text.family("squire_channel_gaps", .counter, "Times that messages may have been lost on the way from Valkey.")
        text.value(upstream.gaps)
        text.family("squire_channel_queued_bytes", .gauge, unit: "bytes", "Messages that wait for clients to read.")
        text.value(UInt64(channels.queuedBytes))
    }
    private func appendTopics(to text: inout MetricsText) {
        text.family("squire_topic_subscriptions", .gauge, "Subscriptions of clients to topics.")
        text.value(UInt64(topics.subscriptionCount))
        text.family("squire_topic_outstanding", .gauge, "Messages that clients were given and have not settled.")
        text.value(UInt64(topics.outstanding))
        text.family("squire_topic_messages", .counter, "Messages of topics, by what became of them.")
        for count in topics.counts.all where count.name != "gaps" { text.value(count.value, ["event": count.name]) }
        text.family("squire_topic_gaps", .counter, "Times that subscribers were told of messages lost or begun anew.")
        text.value(topics.counts.gaps)
    }
}
