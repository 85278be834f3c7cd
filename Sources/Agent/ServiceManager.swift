import EventLoop
import Linux
import Observability

/// Tells the service manager how the agent is, as far as it wants to know (sd_notify(3)).
///
/// The watchdog is fed by a timer of the loop, at half its period: where a turn does not end, no timer fires, and the
/// manager learns of it.
@EventLoop
final class ServiceManager {
    private let notifications: ServiceNotifications?
    private let log: Log
    /// The agent's state in one line, for people.
    private let status: @EventLoop () -> String
    private var statusSent = ""
    private var unsent: [String] = []
    private var isRetrying = false
    private var isReady = false
    private var hasFailed = false

    /// How often the status is compared with what was told.
    private static let statusPeriod = Duration.seconds(5)
    /// What is asked for at a time while the start takes longer than the manager expects.
    private static let startExtension = Duration.seconds(30)

    /// Begins to feed the watchdog, and to ask for time until ``ready()``.
    init(_ environment: ProcessEnvironment, log: Log, status: @escaping @EventLoop () -> String) {
        notifications = ServiceNotifications(environment)
        self.log = log
        self.status = status
        guard notifications != nil else { return }
        if let period = notifications?.watchdogPeriod { feedWatchdog(every: period / 2) }
        refresh()
    }

    /// The agent serves.
    func ready() {
        isReady = true
        statusSent = status()
        send("READY=1\nSTATUS=\(statusSent)")
    }

    /// The configuration is being read again; ``ready()`` follows.
    func reloading() {
        // The manager tells by the clock whether this belongs to the reload that it asked for.
        send("RELOADING=1\nMONOTONIC_USEC=\(Instant.now.nanoseconds / 1000)\nSTATUS=reading the configuration again")
    }

    /// The agent ends, which may take as long as `limit`.
    func stopping(within limit: Duration) {
        isReady = false
        statusSent = "ending: waiting for running calls"
        let extent = limit.wholeNanoseconds / 1000
        send("STOPPING=1\nSTATUS=\(statusSent)\nEXTEND_TIMEOUT_USEC=\(extent)")
    }

    private func feedWatchdog(every period: Duration) {
        send("WATCHDOG=1")
        EventLoop.reactor.timers.schedule(after: period) { self.feedWatchdog(every: period) }
    }

    /// Tells a status that has changed, or before the agent is ready that it still comes.
    private func refresh() {
        if isReady {
            let current = status()
            if current != statusSent {
                statusSent = current
                send("STATUS=\(current)")
            }
        } else if statusSent.isEmpty {
            let extent = ServiceManager.startExtension.wholeNanoseconds / 1000
            send("STATUS=starting\nEXTEND_TIMEOUT_USEC=\(extent)")
        }
        EventLoop.reactor.timers.schedule(after: ServiceManager.statusPeriod) { self.refresh() }
    }

    private func send(_ state: String) {
        guard notifications != nil else { return }
        unsent.append(state)
        if !isRetrying { sendUnsent() }
    }

    /// Sends what waits, in order; a manager that is busy is asked again soon.
    private func sendUnsent() {
        isRetrying = false
        while let state = unsent.first {
            switch notifications?.send(state) {
            case .full:
                isRetrying = true
                EventLoop.reactor.timers.schedule(after: .milliseconds(20)) { self.sendUnsent() }
                return
            case .failed(let error):
                unsent.removeFirst()
                if !hasFailed { log.warning("the service manager cannot be told", ["reason": error.reason]) }
                hasFailed = true
            case .sent, nil:
                unsent.removeFirst()
            }
        }
    }
}
