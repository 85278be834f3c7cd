/// Why a load could not be run.
public struct LoadError: Error, Equatable, Sendable {
    /// What went wrong, without a full stop.
    public let message: String

    /// An error with its words.
    public init(_ message: String) {
        self.message = message
    }
}
