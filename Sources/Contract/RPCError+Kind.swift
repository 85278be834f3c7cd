public import JSONRPC

extension RPCError {
    /// Makes an error reply of a documented kind.
    ///
    /// - Parameters:
    ///   - kind: The kind, which gives the code, the name and, by default, whether trying again may help.
    ///   - message: What happened and what to do about it; no key, value or secret.
    ///   - isRetryable: Whether trying again may help, where that differs from the kind's default.
    ///   - retryAfterMilliseconds: When trying again may help.
    ///   - outcome: What became of the effect.
    ///   - details: Further members of `data`.
    public init(
        _ kind: ErrorKind,
        _ message: String,
        isRetryable: Bool? = nil,
        retryAfterMilliseconds: Int64? = nil,
        outcome: Outcome? = nil,
        details: [(name: StaticString, json: String)] = []
    ) {
        self.init(
            code: kind.code,
            kind: kind.kind,
            message: message,
            isRetryable: isRetryable ?? kind.isRetryable,
            retryAfterMilliseconds: retryAfterMilliseconds,
            outcome: outcome,
            details: details
        )
    }

    /// The error reply of a call that its own caller ended by `$/cancelRequest`.
    ///
    /// - Parameter outcome: ``Outcome/notApplied`` where the call would have changed something.
    /// - Returns: An error of kind `cancelled`.
    public static func cancelled(_ outcome: Outcome? = nil) -> RPCError {
        RPCError(.cancelled, "the caller cancelled the call", outcome: outcome)
    }

    /// Makes the error reply of a parameter that is not what it must be.
    public init(_ fault: InvalidParameters) {
        self = .invalidParams(fault.message, parameter: fault.parameter)
    }
}
