/// A fixture could not do its part; the test says nothing about the product.
public struct FixtureError: Error, CustomStringConvertible {
    /// What happened, with the end of the log where there is one.
    public let description: String

    /// A failure told in `description`.
    public init(_ description: String) {
        self.description = description
    }

    /// A failure told in `description`, with the last lines of the file at `log`.
    init(_ description: String, log: String) {
        let tail = File.tail(of: log)
        self.description = tail.isEmpty ? description : "\(description); the end of its log:\n\(tail)"
    }
}
