package import JSONRPC
package import Linux

/// What a feature is given with each call besides its parameters.
package struct CallContext: Sendable {
    /// The call to be answered.
    package let call: CallID
    /// The lane of the caller's connection: its commands are executed in the order sent.
    package let lane: Int
    /// When the call must have been answered.
    package let deadline: Instant

    /// Describes a call.
    package init(call: CallID, lane: Int, deadline: Instant) {
        self.call = call
        self.lane = lane
        self.deadline = deadline
    }
}
