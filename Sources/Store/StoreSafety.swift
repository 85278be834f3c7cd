import Contract
public import EventLoop
public import JSONRPC
public import Linux
public import Valkey

/// Whether a store keeps what it was given: it does not where its `maxmemory-policy` lets it evict.
///
/// Features that promise to lose nothing ask before they write, and refuse with `unsafe_store` unless the operator
/// accepts it. The store is asked at the first use and then every few seconds, behind the callers' backs. A server that does
/// not say is taken for one that does not evict.
@EventLoop
public final class StoreSafety {
    /// Age from which the answer is asked for again.
    private static let freshNanoseconds: Int64 = 10_000_000_000
    /// How long the store may take to answer where no caller waits.
    private static let timeout = Duration.seconds(5)

    /// Whether the operator accepts a store that may evict.
    public var acceptsEviction: Bool
    /// What the store evicts, where it may evict; nil where it may not, or that is not known.
    public private(set) var evictionPolicy: String?
    private let link: Link
    private var checked: Instant?
    private var isAsking = false

    /// Judges the store of `link`.
    public init(link: Link, acceptsEviction: Bool) {
        self.link = link
        self.acceptsEviction = acceptsEviction
    }

    /// Whether the store is known to keep what it is given, without asking it.
    ///
    /// - Parameter feature: What needs it, in the plural, for the error.
    /// - Returns: False where it must be asked first: see ``check(for:_:)``.
    /// - Throws: ``RPCError`` `unsafe_store`.
    public func isKnownSafe(for feature: StaticString) throws(RPCError) -> Bool {
        if acceptsEviction { return true }
        guard let checked else { return false }
        let isFresh = EventLoop.reactor.now.nanoseconds(since: checked) < StoreSafety.freshNanoseconds
        guard let evictionPolicy else {
            if !isFresh { refresh() }
            return true
        }
        guard isFresh else { return false }
        throw StoreSafety.refusal(feature, evictionPolicy)
    }

    /// Asks the store unless the answer is known.
    ///
    /// - Throws: ``RPCError`` `unsafe_store`, or why the store cannot be asked.
    public func check(for feature: StaticString, _ deadline: Instant) async throws(RPCError) {
        if try isKnownSafe(for: feature) { return }
        do throws(LinkFailure) {
            try await ask(deadline)
        } catch {
            var failure = RPCError(error)
            failure.outcome = .notApplied
            throw failure
        }
        guard let evictionPolicy, !acceptsEviction else { return }
        throw StoreSafety.refusal(feature, evictionPolicy)
    }

    private static func refusal(_ feature: StaticString, _ policy: String) -> RPCError {
        RPCError(
            .unsafeStore,
            "the state store may evict \(feature): its maxmemory-policy is \(policy); set it to noeviction, "
                + "or accept it by valkey.accept_eviction",
            outcome: .notApplied
        )
    }

    private func refresh() {
        guard !isAsking else { return }
        isAsking = true
        Task { @EventLoop in
            try? await self.ask(Instant.now.advanced(by: StoreSafety.timeout))
            self.isAsking = false
        }
    }

    private func ask(_ deadline: Instant) async throws(LinkFailure) {
        let reply = try await link.call(.read, deadline: deadline, lane: -1) { $0.append(command: "INFO", "memory") }
        let line = reply.text?.split(whereSeparator: \.isNewline).first { $0.hasPrefix("maxmemory_policy:") }
        let policy = line?.split(separator: ":").last.map(String.init)
        evictionPolicy = policy == "noeviction" ? nil : policy
        checked = .now
    }
}
