/// Why a command has no reply of Valkey.
public struct LinkFailure: Error, Equatable, Sendable {
    /// What happened.
    public enum Code: Sendable {
        /// Valkey cannot be reached; the command was not sent.
        case unavailable
        /// The deadline passed first.
        case deadlineExceeded
        /// The link broke after the command may have left.
        case ambiguous
        /// A bound on queued commands or bytes is reached; the command was not sent.
        case overloaded
        /// The reply is larger than the agent takes in.
        case replyTooLarge
        /// The agent is ending; the command was not sent.
        case closing
        /// Valkey refused the command or a part of it, in the words of ``LinkFailure/refusal``.
        case refused
        /// Valkey answered something else than the command's reply.
        case unexpected
    }

    /// What became of the command's effect.
    public enum Outcome: Sendable {
        /// The command had no effect to have: it only reads.
        case none
        /// It was not applied and will not be.
        case notApplied
        /// Nobody can tell.
        case unknown
    }

    /// What happened.
    public let code: Code
    /// What became of the effect.
    public let outcome: Outcome
    /// When another attempt may succeed, in milliseconds from now, where that is known.
    public let retryAfterMilliseconds: Int64?
    /// Valkey's error, where it refused what was asked; only reads fail so.
    public let refusal: String?

    /// A reply larger than the agent takes in, to a command that only reads.
    public static let tooLarge = LinkFailure(.replyTooLarge, .none)

    /// The agent is ending, and what was asked only reads.
    public static let closing = LinkFailure(.closing, .none)

    /// Something else than the reply to what was asked, which only reads.
    public static let unexpected = LinkFailure(.unexpected, .none)

    init(_ code: Code, _ outcome: Outcome, retryAfterMilliseconds: Int64? = nil) {
        self.code = code
        self.outcome = outcome
        self.retryAfterMilliseconds = retryAfterMilliseconds
        refusal = nil
    }

    /// Valkey's error to a command that only reads.
    init(refusal: String) {
        code = .refused
        outcome = .none
        retryAfterMilliseconds = nil
        self.refusal = refusal
    }
}
