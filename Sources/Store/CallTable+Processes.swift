import Contract
public import JSONRPC

extension CallTable {
    /// Has what is bound to a connection end with the process that made it.
    ///
    /// - Parameter peer: The connection.
    /// - Throws: ``RPCError`` `conflict` where that process has ended.
    public func bind(toProcessOf peer: Peer) throws(RPCError) {
        guard watchProcess(of: peer) else { throw .processEnded }
    }
}

extension RPCError {
    /// The error of a call that would bind something to a process which has ended.
    public static let processEnded = RPCError(
        .conflict,
        "the process that connected has ended; whoever holds its connection now must make its own",
        outcome: .notApplied
    )
}
