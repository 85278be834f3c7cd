import Bytes
import Contract
public import EventLoop
public import JSONRPC
public import Linux
public import Observability
public import Valkey

/// Whether the state store keeps what it is given: what must not be forgotten asks before it is written.
///
/// A store that may evict would drop a lock that somebody holds. So it refuses, unless the operator accepts that; a
/// store that writes nothing to its disk is only warned about. The answer is learned when it is first needed, and again
/// when a connection was made anew or ten seconds have passed.
@EventLoop
public final class StoreSafety {
    /// Age from which the answer is learned again.
    private static let ageMax: Int64 = 10_000_000_000
    /// How long the server may take.
    private static let timeout = Duration.seconds(5)
    /// Time between two attempts to learn it at the agent's start.
    private static let startInterval = Duration.milliseconds(500)

    /// Whether what may be evicted is accepted.
    public var acceptsEviction: Bool
    private let link: Link
    private let log: Log
    private var generation: UInt64 = 0
    private var checked: Instant?
    private var running: Task<Void, Never>?
    private var evictionPolicy: String?
    private var hasPersistence = true

    /// Looks after the store behind `link`.
    ///
    /// - Parameters:
    ///   - link: Link to the state store.
    ///   - acceptsEviction: Whether the operator accepts that it may evict.
    ///   - log: Where warnings go.
    public init(link: Link, acceptsEviction: Bool, log: Log) {
        self.link = link
        self.acceptsEviction = acceptsEviction
        self.log = log
    }

    /// Learns the answer as soon as the store can be reached, so that the operator is warned at the start.
    public func start() {
        Task { @EventLoop in
            while self.checked == nil, !self.link.isEnded {
                if self.link.isConnected { await self.check() }
                if self.checked == nil { await EventLoop.reactor.timers.sleep(for: StoreSafety.startInterval) }
            }
        }
    }

    /// Whether an answer is there; one that is old is learned anew behind the caller's back.
    public var isKnown: Bool {
        guard let checked, generation == link.generation else { return false }
        if running == nil, EventLoop.reactor.now.nanoseconds(since: checked) > StoreSafety.ageMax {
            Task { @EventLoop in await self.check() }
        }
        return true
    }

    /// Why nothing may be written that must not be forgotten, or nil.
    ///
    /// What is not known is not held against a store.
    public var error: RPCError? {
        guard let evictionPolicy, !acceptsEviction else { return nil }
        return RPCError(
            .unsafeStore,
            "the state store may evict what must not be forgotten: its maxmemory-policy is \(evictionPolicy); set it to "
                + "noeviction, give the agent another store with --state, or set valkey.accept_eviction",
            outcome: .notApplied
        )
    }

    /// What the operator should know, one sentence each.
    public var warnings: [String] {
        var warnings: [String] = []
        if let evictionPolicy {
            warnings.append(
                acceptsEviction
                    ? "locks and topics may be evicted from the state store, which was accepted: its maxmemory-policy is \(evictionPolicy)"
                    : "locks, semaphores, elections and topics are refused: the state store's maxmemory-policy is \(evictionPolicy)"
            )
        }
        if !hasPersistence {
            warnings.append("the state store keeps no append-only file: when it ends, what it holds is lost")
        }
        return warnings
    }

    /// Whether the store is known to keep what it is given, without asking it.
    ///
    /// - Returns: False where it must be asked first: see ``ensure(until:)``.
    /// - Throws: ``RPCError`` `unsafe_store`.
    public func isKnownSafe() throws(RPCError) -> Bool {
        guard isKnown || acceptsEviction else { return false }
        if let error { throw error }
        return true
    }

    /// Asks the store where the answer is not known; a store that cannot be asked is found out by the caller's command.
    ///
    /// - Parameter deadline: When the caller stops waiting.
    /// - Throws: ``RPCError`` `unsafe_store` or `deadline_exceeded`.
    public func ensure(until deadline: Instant) async throws(RPCError) {
        if try isKnownSafe() { return }
        let task = beginCheck()
        while running == task, Instant.now < deadline {
            await EventLoop.reactor.timers.sleep(for: .milliseconds(2))
        }
        guard Instant.now < deadline else {
            throw RPCError(.deadlineExceeded, "the deadline passed before Valkey answered", outcome: .notApplied)
        }
        if let error { throw error }
    }

    /// Asks the store; where it cannot be asked, what was known stays.
    public func check() async {
        await beginCheck().value
    }

    /// Begins to ask the store; whoever asks meanwhile waits for the same answer.
    private func beginCheck() -> Task<Void, Never> {
        if let running { return running }
        let task = Task { @EventLoop in
            await self.learn()
            self.running = nil
        }
        running = task
        return task
    }

    private func learn() async {
        let generation = link.generation
        let deadline = Instant.now.advanced(by: StoreSafety.timeout)
        guard let memory = await section("memory", deadline), let disk = await section("persistence", deadline) else {
            return
        }
        let policy = memory["maxmemory_policy"]
        let before = warnings
        evictionPolicy = policy == "noeviction" ? nil : policy
        hasPersistence = disk["aof_enabled"] != "0"
        self.generation = generation
        checked = .now
        for warning in warnings where !before.contains(warning) {
            log.warning("the state store is not fit for what must be kept", ["reason": warning])
        }
    }

    /// A section of the server's `INFO`; empty where it does not tell, nil where it cannot be asked, or not now.
    private func section(_ name: String, _ deadline: Instant) async -> [String: String]? {
        guard
            let reply = try? await link.call(
                .read,
                deadline: deadline,
                lane: -1,
                { command in
                    command.append(commandOf: 2)
                    command.append(word: "INFO")
                    command.append(word: name)
                }
            )
        else { return nil }
        if case .error(let text) = reply, text.withByteView({ RPCError(refusal: $0, .read).isRetryable }) { return nil }
        var fields: [String: String] = [:]
        for line in (reply.text ?? "").split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
        return fields
    }
}
