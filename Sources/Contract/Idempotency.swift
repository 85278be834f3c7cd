/// What doing a call twice means, which decides whether it may be sent again when its reply is lost.
public enum Idempotency: Sendable {
    /// Nothing is changed.
    case read
    /// The state afterwards is the same as after doing it once.
    case idempotent
    /// The state afterwards is another one.
    case nonIdempotent
}
