import Bytes
import Configuration
import Contract
import EventLoop
import Glibc
import JSON
import JSONRPC
import Leaders
import Leases
import Linux
import Locks
import Observability
import Policy
import Sealing
import Sessions
import Store
import Valkey

/// The agent: everything that is built once, wired together, started and ended in one place.
@EventLoop
final class Agent {
    var configuration: Configuration
    let log: Log
    let stores: Stores
    let calls: CallTable
    let features: Features
    let dispatcher: Dispatcher
    let server: Server
    let gatekeeper: Gatekeeper
    private let telemetry: TelemetryServer
    private let sockets: [ListeningSocket]
    var service: ServiceManager?
    private var signals: SignalWatcher?
    private(set) var isStopping = false
    /// Whether the configuration is being read again, and whether it is to be read once more after that.
    var isReloading = false
    /// Whether clients are served.
    private(set) var isServing = false
    var isReloadWanted = false
    private var exitStatus: Int32 = 0

    /// The signals that the agent reads; no thread of the process may take them otherwise.
    nonisolated static let signalsRead = [SIGTERM, SIGINT, SIGHUP]

    /// Builds an agent that listens, but serves nobody before ``start()``.
    ///
    /// - Parameters:
    ///   - configuration: What holds.
    ///   - keys: The keys of sessions.
    ///   - policy: Who may call what.
    ///   - audit: Where it is recorded who did what.
    ///   - log: Where records go.
    /// - Throws: ``ListeningSocket/Fault`` where the socket cannot be served.
    init(
        _ configuration: Configuration,
        keys: SessionKeys,
        policy: Policy,
        audit: AuditTrail,
        log: Log
    ) throws(ListeningSocket.Fault) {
        self.configuration = configuration
        self.log = log
        sockets = try ListeningSocket.all(configuration, environment: .current)
        stores = Stores(configuration, log: log)
        calls = CallTable(
            limits: configuration.limits.connection,
            methods: Method.allCases.count,
            clock: EventLoop.reactor.clock
        )
        calls.observer = CallLog(log: log)
        calls.slowNanoseconds = configuration.log.slowNanoseconds
        features = Features(configuration, stores, calls: calls, keys: keys, log: log)
        keys.report(to: log, configuration)
        gatekeeper = Gatekeeper(
            policy,
            classes: configuration.cache.classes,
            calls: calls,
            audit: audit,
            log: log
        )
        dispatcher = Dispatcher(
            calls: calls,
            features: features,
            deadlines: Dispatcher.Deadlines(configuration.limits)
        )
        server = Server(
            sockets,
            connectionsMax: configuration.limits.connectionsMax,
            calls: calls,
            dispatcher: dispatcher,
            gatekeeper: gatekeeper,
            log: log
        )
        features.agent.server = server
        features.session.onUnreadable = { event, fault in audit.record(event, ["cause": fault.name]) }
        telemetry = TelemetryServer(features.agent)
        service = ServiceManager(.current, log: log) { [stores] in stores.summary }
    }

    /// Watches for signals, starts the stores, then serves.
    func start() async {
        do throws(SystemError) {
            signals = try SignalWatcher(Agent.signalsRead) { self.received($0) }
        } catch {
            return fail("signals cannot be received", error.reason)
        }
        do throws(EmbeddedServerError) {
            try await stores.start()
        } catch {
            return fail("the embedded Valkey cannot be started", error.message)
        }
        guard !isStopping else { return }
        features.start()
        stores.stateSafety.start()
        do throws(SystemError) {
            try server.start()
        } catch {
            return fail("clients cannot be accepted", error.reason)
        }
        if let address = configuration.telemetry.listen {
            do throws(TelemetryServer.Fault) {
                try telemetry.start(address, socketMode: configuration.socket.mode)
            } catch {
                return fail("metrics cannot be served", error.description)
            }
        }
        EventLoop.reactor.timers.schedule(after: .seconds(1)) {
            ProcessMemory.releaseStartupCode()
            self.releaseSpareMemory()
        }
        isServing = true
        service?.ready()
        let paths = sockets.map { $0.path ?? $0.name }.joined(separator: ",")
        gatekeeper.audit.record("start", ["version": "\(OpenRPC.version)"])
        log.notice("squired serves", ["socket": paths, "version": "\(OpenRPC.version)"])
        warnOfUnheardRules()
        if isReloadWanted {
            isReloadWanted = false
            reload()
        }
    }

    /// Says which rules of the policy name sockets that nobody can come by.
    func warnOfUnheardRules() {
        let names = Set(sockets.map(\.name))
        for rule in gatekeeper.policy.rules {
            guard let unknown = rule.sockets?.subtracting(names), !unknown.isEmpty else { continue }
            log.warning(
                "a rule of the policy names sockets that the agent does not have",
                ["rule": rule.name, "sockets": unknown.sorted().joined(separator: ",")]
            )
        }
    }

    /// Gives memory back that was needed for a moment; every ten seconds.
    private func releaseSpareMemory() {
        ProcessMemory.releaseSpare()
        EventLoop.reactor.timers.schedule(after: .seconds(10)) { self.releaseSpareMemory() }
    }

    /// Status for the process to exit with, once the loop has ended.
    var status: Int32 { exitStatus }

    private func fail(_ message: StaticString, _ reason: String) {
        log.error(message, ["reason": reason])
        exitStatus = ExitStatus.unavailable
        stop()
    }

    private func received(_ signal: Int32) {
        switch signal {
        case SIGHUP: reload()
        case SIGINT where isStopping:
            // Somebody at a terminal asks twice: enough of waiting for others.
            finish()
        default: stop()
        }
    }

    /// Ends in order, within the grace or by force: nobody new, running calls to their end, then the stores.
    private func stop() {
        guard !isStopping else { return }
        isStopping = true
        log.notice("squired stops", ["running_calls": String(calls.running)])
        server.stopAccepting()
        dispatcher.isDraining = true
        let grace = configuration.shutdown.grace
        service?.stopping(within: grace + Agent.storesGrace + .seconds(5))
        features.agent.tellClosing(grace: grace)
        features.close()
        Task { @EventLoop in
            let deadline = Instant.now.advanced(by: grace)
            await self.drain(until: deadline)
            self.features.handOver()
            self.server.closeAll()
            // What is left of the grace, and a moment at least: a cache store saves its snapshot in it.
            let left = Duration.nanoseconds(deadline.nanoseconds(since: .now))
            await self.stores.stop(grace: max(left, Agent.storesGrace))
            self.gatekeeper.tellRefusals()
            await self.gatekeeper.audit.stop()
            self.finish()
        }
    }

    /// What stores have at least to end in order.
    private static let storesGrace = Duration.seconds(1)

    /// Waits until running calls have ended and clients have taken their replies; then takes no more from anybody, and
    /// waits for the replies to what had come.
    private func drain(until deadline: Instant) async {
        await pause(until: deadline) {
            self.calls.running == 0 && !self.server.hasOutput && !self.features.isReleasing
        }
        server.finishReceiving()
        await pause(until: deadline) { self.calls.running == 0 && !self.server.hasOutput }
    }

    private func pause(until deadline: Instant, _ condition: @EventLoop () -> Bool) async {
        while !condition(), Instant.now < deadline {
            await EventLoop.reactor.timers.sleep(for: .milliseconds(5))
        }
    }

    private func finish() {
        telemetry.close()
        for socket in sockets { socket.removeFile() }
        EventLoop.stop()
    }
}

extension Configuration.Log {
    /// From which duration on a call is slow, in nanoseconds.
    var slowNanoseconds: Int64 { slow == .zero ? .max : slow.wholeNanoseconds }
}

extension Dispatcher.Deadlines {
    /// The deadlines that a configuration sets.
    init(_ limits: Configuration.Limits) {
        standardMilliseconds = limits.deadline.wholeMilliseconds
        sweepMilliseconds = limits.sweepDeadline.wholeMilliseconds
    }
}
