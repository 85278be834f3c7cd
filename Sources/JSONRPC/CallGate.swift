/// Decides about the calls of a connection that ``Peer/ungated`` does not let pass by their method alone, and learns
/// how they end.
public protocol CallGate: AnyObject {
    /// Decides whether a call may run; ``callEnded(_:error:)`` follows in either case.
    ///
    /// - Parameters:
    ///   - call: The call, which was begun.
    ///   - peer: Its connection.
    ///   - method: The method's number.
    ///   - arguments: Its parameters, lent.
    /// - Throws: The error that the call ends with.
    func admit(_ call: CallID, _ peer: Peer, method: Int, _ arguments: Arguments) throws(RPCError)

    /// Takes note that a call was answered.
    ///
    /// - Parameters:
    ///   - call: The call that ``admit(_:_:method:_:)`` was asked about.
    ///   - error: The error that it ended with; nil where it has a result.
    func callEnded(_ call: CallID, error: RPCError?)
}
