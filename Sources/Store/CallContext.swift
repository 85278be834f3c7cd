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

    /// Describes a call.
    public init(call: CallID, lane: Int, deadline: Instant) {
        self.call = call
        self.lane = lane
        self.deadline = deadline
    }
}
