import Linux

/// When a group asks Valkey for messages: one question at a time, and none that nothing calls for.
///
/// It is asked when consumers are woken, when one takes messages again, and when something is due; else every few
/// seconds, as the channel that wakes promises nothing. Pure: it is told what happened and says what to do.
struct FetchSchedule {
    /// What to do next.
    enum Step: Equatable {
        /// Ask now.
        case fetch
        /// Ask at this moment, unless something calls for it earlier.
        case wait(until: Instant)
    }

    /// Time between two questions that nothing calls for, in milliseconds.
    static let pollMilliseconds: Int64 = 5000
    /// Longest time before a question that got no answer is asked again, in milliseconds.
    static let retryMillisecondsMax: Int64 = 1000

    /// Whether a question is on its way.
    private(set) var isRunning = false
    private var isWanted = false
    private var failures = 0

    /// Something calls for a question.
    ///
    /// - Returns: Whether to ask now; else it is asked when the running one is answered.
    mutating func want() -> Bool {
        guard isRunning else { return true }
        isWanted = true
        return false
    }

    /// A question is sent.
    mutating func began() {
        isRunning = true
        isWanted = false
    }

    /// It was answered.
    ///
    /// - Parameters:
    ///   - due: In how many milliseconds something can be delivered, negative for nothing.
    ///   - hasMore: Whether the answer was cut short.
    ///   - takesMessages: Whether a consumer takes more.
    ///   - now: The present moment.
    /// - Returns: What to do.
    mutating func succeeded(due: Int64, hasMore: Bool, takesMessages: Bool, at now: Instant) -> Step {
        isRunning = false
        failures = 0
        if takesMessages, isWanted || hasMore || due == 0 { return .fetch }
        let poll = FetchSchedule.pollMilliseconds
        return .wait(until: now.advanced(milliseconds: due > 0 && takesMessages ? min(due, poll) : poll))
    }

    /// It was not answered.
    ///
    /// - Returns: When to ask again.
    mutating func failed(at now: Instant) -> Step {
        isRunning = false
        failures += 1
        let delay = min(50 << min(Int64(failures), 8), FetchSchedule.retryMillisecondsMax)
        return .wait(until: now.advanced(milliseconds: delay))
    }
}
