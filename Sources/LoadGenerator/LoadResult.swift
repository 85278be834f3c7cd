/// What a load found out.
public struct LoadResult: Sendable {
    /// Calls answered while it was counted, errors included.
    public internal(set) var calls = 0
    /// Calls of each operation among them.
    public internal(set) var callsByOperation: [Workload.Operation: Int] = [:]
    /// Reads of one entry that found it.
    public internal(set) var hits = 0
    /// Those of them that came from the agent's memory.
    public internal(set) var memoryHits = 0
    /// Reads of one entry that did not find it.
    public internal(set) var misses = 0
    /// Calls that the server refused.
    public internal(set) var errors = 0
    /// What the server said when it refused for the first time.
    public internal(set) var refusal: String?
    /// How often the source was asked; only of a ``SourceRun``.
    public internal(set) var sourceCalls = 0
    /// Calls that were due while it was counted and had not begun when it ended; only with a rate.
    public internal(set) var behind = 0
    /// How long calls took, from their sending to the reply, with a rate from the moment when they were due.
    public internal(set) var latency = LatencyHistogram()
    /// How long it was counted, in nanoseconds.
    public internal(set) var nanoseconds: Int64 = 0
    /// Time that the load itself computed meanwhile, in nanoseconds: near the whole, it is the load that is measured.
    public internal(set) var processorNanoseconds: Int64 = 0

    /// Nothing found out.
    public init() {}

    /// Calls a second.
    public var rate: Double {
        nanoseconds == 0 ? 0 : Double(calls) * 1e9 / Double(nanoseconds)
    }

    mutating func count(_ answer: LoadConnection.Answer, at now: Int64) {
        calls += 1
        latency.record(now - answer.begun)
        switch answer.reply {
        case .done: if answer.operation == .get { hits += 1 }
        case .doneFromMemory:
            hits += 1
            memoryHits += 1
        case .missed: misses += 1
        case .refused: errors += 1
        }
    }
}
