public import JSONRPC
public import Linux

/// What a feature is given with each call besides its parameters.
public struct CallContext: Sendable {
    /// The call to be answered.
    public let call: CallID
    /// The lane of the caller's connection: its commands are executed in the order sent.
    public let lane: Int
    /// When the call must have been answered.
    public let deadline: Instant
    /// Who calls, by the kernel's word.
    public let userID: UInt32
    /// Whether the caller set the deadline; one that it did not set leaves room for the call's own wait.
    public let isDeadlineGiven: Bool

    /// Where the call belongs in its caller's trace, for logs and audit; nil where the caller did not say.
    public let trace: TraceContext?

    /// Describes a call.
    public init(
        call: CallID,
        lane: Int,
        deadline: Instant,
        userID: UInt32,
        isDeadlineGiven: Bool = false,
        trace: TraceContext? = nil
    ) {
        self.call = call
        self.lane = lane
        self.deadline = deadline
        self.userID = userID
        self.isDeadlineGiven = isDeadlineGiven
        self.trace = trace
    }
}
