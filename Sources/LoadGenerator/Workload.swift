/// What a load consists of.
public struct Workload: Sendable, Equatable {
    /// A call that a load makes, with its counterpart among the commands of Valkey.
    public enum Operation: String, CaseIterable, Sendable {
        /// `cache.get`, `GET`.
        case get
        /// `cache.set`, `SET … PX`.
        case set
        /// `cache.get_many`, `MGET`.
        case getMany = "get_many"
        /// `cache.increment`, `INCR`.
        case increment
        /// `cache.delete`, `DEL`.
        case delete
        /// `agent.ping`, `PING`.
        case ping
    }

    /// An operation and how often it is called beside the others.
    public struct Share: Sendable, Equatable {
        /// The operation.
        public let operation: Operation
        /// Its weight, at least 1.
        public let weight: Int

        /// An operation with its weight.
        public init(_ operation: Operation, weight: Int) {
            self.operation = operation
            self.weight = weight
        }
    }

    /// Most keys that a load may use: their numbers have eight digits.
    public static let keysMax = 99_999_999
    /// Most calls that one connection may have under way: their ids have four digits.
    public static let pipelineMax = 1024

    /// Operations called.
    public var mix = [Share(.get, weight: 1)]
    /// Number of keys, 1...``keysMax``.
    public var keys = 10_000
    /// How often each of them is asked for.
    public var distribution = KeySequence.Distribution.uniform
    /// Bytes of a value as Valkey holds it, at least 2.
    public var valueBytes = 64
    /// Keys that `get_many` asks for, at least 1.
    public var manyKeys = 100
    /// Whether reads pass by the agent's memory (`fresh`).
    public var isFresh = false
    /// Connections that make calls.
    public var connections = 50
    /// Connections that are open and silent meanwhile.
    public var idleConnections = 0
    /// Calls that each connection has under way, 1...``pipelineMax``; with ``rate``, the most that it may have.
    public var pipeline = 1
    /// Calls a second over all connections, begun on schedule whatever becomes of those before; nil for as many as are
    /// answered.
    public var rate: Double?
    /// Time before the counting begins.
    public var warmUp = Duration.seconds(1)
    /// Time over which calls are counted.
    public var duration = Duration.seconds(5)
    /// Life of the entries, in milliseconds.
    public var lifeMilliseconds = 3_600_000
    /// What the name of each key begins with.
    public var keyPrefix = "bench:"
    /// What all choices are drawn from.
    public var seed: UInt64 = 1

    /// The default load.
    public init() {}

    /// Whether any operation reads entries.
    public var readsEntries: Bool {
        mix.contains { $0.operation == .get || $0.operation == .getMany }
    }

    /// One operation for each place of a cycle in which each stands as often as its weight says, evenly spread.
    var cycle: [Operation] {
        var credits = mix.map { _ in 0 }
        let total = mix.reduce(0) { $0 + $1.weight }
        return (0..<total).map { _ in
            for index in mix.indices { credits[index] += mix[index].weight }
            let chosen = credits.indices.max { credits[$0] < credits[$1] } ?? 0
            credits[chosen] -= total
            return mix[chosen].operation
        }
    }
}
