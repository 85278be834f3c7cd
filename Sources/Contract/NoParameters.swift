public import JSONRPC

/// The parameters of a method that has none: anything but `_meta` is refused.
public struct NoParameters {
    /// Checks that there are none.
    ///
    /// - Throws: ``InvalidParameters`` for the first one.
    public init(_ arguments: Arguments) throws(InvalidParameters) {
        try arguments.checkCount(atMost: 0)
        for index in 0..<arguments.count { try arguments[index].checkMetadata() }
    }
}
