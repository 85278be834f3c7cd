package import JSONRPC

/// The parameters of a method that has none: anything but `_meta` is refused.
package struct NoParameters {
    /// Checks that there are none.
    ///
    /// - Throws: ``InvalidParameters`` for the first one.
    package init(_ arguments: Arguments) throws(InvalidParameters) {
        try arguments.checkCount(atMost: 0)
        for index in 0..<arguments.count { try arguments[index].checkMetadata() }
    }
}
