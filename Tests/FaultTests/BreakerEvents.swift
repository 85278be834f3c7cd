import Linux
import RPCClient
import TestSupport

/// What an agent pushes of its circuit breakers to one subscriber, until the agent ends.
final class BreakerEvents: Sendable {
    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var events: [(store: String, state: String)] = []
    nonisolated(unsafe) private var isSubscribed = false

    /// Subscribes.
    init(of daemon: Daemon) async throws {
        let path = daemon.socketPath
        Task { try? await onThread { try self.read(path) } }
        try await waitUntil("the agent has a subscriber") { lock.withLock { unsafe isSubscribed } }
    }

    private func read(_ path: String) throws {
        let end = Instant.now.advanced(by: .seconds(3600))
        let client = try RPCClient(path: path, until: end)
        guard try client.call("agent.subscribe", until: end).result != nil else { return }
        lock.withLock { unsafe isSubscribed = true }
        while true {
            let params = try client.notification(until: end).params
            guard let store = params?["store"]?.string, let state = params?["state"]?.string else { continue }
            lock.withLock { unsafe events.append((store, state)) }
        }
    }

    /// The states of a store's breaker since the subscription, in order.
    func states(of store: String = "cache") -> [String] {
        lock.withLock { unsafe events.filter { $0.store == store }.map(\.state) }
    }

    /// How often a connection or a PING began to probe the cache store.
    var probes: Int { states().count { $0 == "half_open" } }

    /// Whether states follow each other as they may, from a closed breaker to a closed breaker.
    static func isInOrder(_ states: [String]) -> Bool {
        guard states.count >= 3, states.first == "open", states.last == "closed" else { return false }
        let next = ["open": ["half_open"], "half_open": ["open", "closed"], "closed": ["open"]]
        return zip(states, states.dropFirst()).allSatisfy { next[$0]?.contains($1) == true }
    }
}
