public import Bytes
public import JSONRPC
public import Linux
public import Valkey

extension Link {
    /// Sends a command and waits for what is no error, as a step of a call has it.
    ///
    /// - Parameters:
    ///   - effect: What the command does, which decides about repetition and about what an error says of it.
    ///   - deadline: When there must be a reply.
    ///   - lane: Commands of one lane are executed in the order sent; -1 for one that nothing depends on.
    ///   - encode: Appends the command.
    /// - Returns: The reply, which is no error.
    /// - Throws: ``RPCError`` of the link or of Valkey.
    public func result(
        _ effect: CommandEffect,
        deadline: Instant,
        lane: Int = -1,
        _ encode: (inout ByteBuffer) -> Void
    ) async throws(RPCError) -> ReplyValue {
        let reply: ReplyValue
        do throws(LinkFailure) {
            reply = try await call(effect, deadline: deadline, lane: lane, encode)
        } catch {
            throw RPCError(error)
        }
        if case .error(let text) = reply { throw text.withByteView { RPCError(refusal: $0, effect) } }
        return reply
    }
}
