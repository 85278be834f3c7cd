/// What a load consists of, and what may happen to the data meanwhile.
public struct LoadPlan: Sendable {
    /// What the test does to the store while the load runs, which decides what a reply may say.
    public enum Durability: Sendable {
        /// Every write that was acknowledged is there; one whose outcome is unknown took effect at once or never.
        case durable
        /// As ``durable``, but what was sent to a server that stood still may take effect at any later time.
        case delayed
        /// The store may lose its data, or the latest part of it.
        case forgetful
    }

    /// Connections to the agent.
    public var connections: Int
    /// Calls that each connection has under way at once.
    public var depth = 4
    /// Threads that serve the connections.
    public var threads = 2
    /// The deadline that each call names.
    public var deadline = Duration.seconds(5)
    /// Time between the reply to a call and the next call in its place; `zero` for none.
    public var pause = Duration.zero
    /// Time that an error adds to ``pause``, so that a load does not spin while Valkey is away.
    public var pauseAfterError = Duration.milliseconds(10)
    /// Keys that all connections read and none writes.
    public var sharedKeys = 16
    /// Calls made, each as often as it stands here.
    public var calls = LoadCall.allCases
    /// What may happen to the data.
    public var durability = Durability.durable
    /// Whether errors and misses for want of Valkey are expected; otherwise each of them is a wrong reply.
    public var expectsFailures = false
    /// What the choice of calls is drawn from.
    public var seed: UInt64 = 1

    /// A load of mixed calls on so many connections.
    public init(connections: Int) {
        self.connections = connections
    }
}

/// What a load does in one place of a connection, on keys that only this place writes.
public enum LoadCall: CaseIterable, Sendable {
    /// Writes an entry.
    case set
    /// Reads it.
    case get
    /// Writes it and, without waiting for the reply, reads it.
    case setAndGet
    /// Counts up.
    case increment
    /// Reads the counter.
    case counter
    /// Writes a hash of two fields that belong together.
    case hashSet
    /// Reads one of them.
    case hashGet
    /// Reads both.
    case hashGetAll
    /// Reads the entry and two of the shared keys at once.
    case getMany
    /// Reads a shared key.
    case shared
}
