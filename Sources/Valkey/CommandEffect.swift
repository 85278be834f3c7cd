/// What a command does when it is sent twice, which decides what may be done when its reply is lost.
public enum CommandEffect: UInt8, Sendable {
    /// It changes nothing: sent again.
    case read
    /// Twice is the same as once: sent again.
    case idempotentWrite
    /// Twice is not once: never sent again.
    case write
}
