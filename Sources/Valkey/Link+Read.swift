public import Bytes
public import Linux

extension Link {
    /// Sends a command that only reads and waits for what is no error, for who must not take an error for nothing.
    ///
    /// - Parameters: As of ``call(_:deadline:lane:replies:_:)``.
    /// - Returns: The reply, which is no error; none of its elements is one.
    /// - Throws: ``LinkFailure``: also where Valkey refuses what is asked, or answers more than the agent takes in.
    public func read(
        deadline: Instant,
        lane: Int = 0,
        replies: Int = 1,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(LinkFailure) -> ReplyValue {
        let reply = try await call(.read, deadline: deadline, lane: lane, replies: replies, encode)
        if let refusal = reply.refusal { throw refusal }
        return reply
    }
}

extension ReplyValue {
    /// Why the reply to a read is none: it is an error, or one of its elements is; nil where it is what was asked for.
    fileprivate var refusal: LinkFailure? {
        switch self {
        case .error(let text):
            text.withByteView { ReplyValue.isTooLarge($0) } ? .tooLarge : LinkFailure(refusal: text)
        case .array(let elements): elements.lazy.compactMap(\.refusal).first
        case .status, .integer, .bulk, .null: nil
        }
    }
}
