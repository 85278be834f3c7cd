public import Bytes
import Contract
public import JSONRPC
public import Valkey

extension RPCError {
    /// The error reply for a command that has no reply of Valkey.
    public init(_ failure: LinkFailure) {
        if let refusal = failure.refusal {
            self = refusal.withByteView { RPCError(refusal: $0, .read) }
            return
        }
        let outcome: Outcome? =
            switch failure.outcome {
            case .none: nil
            case .notApplied: .notApplied
            case .unknown: .unknown
            }
        let (kind, message) = RPCError.words(failure.code)
        self.init(
            kind,
            message,
            // Where nobody knows what became of the effect, the same call again may apply it twice.
            isRetryable: outcome == .unknown ? false : nil,
            retryAfterMilliseconds: failure.retryAfterMilliseconds,
            outcome: outcome
        )
    }

    private static func words(_ code: LinkFailure.Code) -> (ErrorKind, String) {
        switch code {
        case .unavailable: (.unavailable, "Valkey cannot be reached; the agent keeps trying")
        case .deadlineExceeded: (.deadlineExceeded, "the deadline passed before Valkey answered")
        case .ambiguous: (.ambiguous, "the link to Valkey broke; it is not known whether the call took effect")
        case .overloaded: (.overloaded, "too many commands wait for Valkey")
        case .replyTooLarge: (.tooLarge, "Valkey's reply is larger than the agent accepts")
        case .closing: (.shuttingDown, "the agent is shutting down")
        case .refused: (.valkeyError, "Valkey refused the command")
        case .unexpected: (.internalError, "Valkey answered something else than was asked for")
        }
    }

    /// The error reply for an error of Valkey.
    ///
    /// A command on a value of another kind is a `conflict`; everything else is a `valkey_error` that names Valkey's
    /// own word. Valkey's text may repeat a key, so only the word is handed on.
    ///
    /// - Parameters:
    ///   - reply: A reply of kind `error` or `tooLarge`.
    ///   - effect: What the command does, which tells whether its effect is known not to have happened.
    public init(refusal reply: Reply, _ effect: CommandEffect) {
        if reply.kind == .tooLarge {
            self.init(LinkFailure.tooLarge)
        } else {
            self.init(refusal: reply.bytes, effect)
        }
    }

    /// The error reply for the text of an error of Valkey.
    public init(refusal text: ByteView, _ effect: CommandEffect) {
        if ReplyValue.isTooLarge(text) {
            self.init(LinkFailure.tooLarge)
            return
        }
        let outcome: Outcome? = effect == .read ? nil : .notApplied
        if text.hasPrefix(RememberedRequest.mismatch) {
            self.init(.conflict, "the request of this name was made with other parameters", outcome: outcome)
            return
        }
        if text.hasPrefix(RPCError.fenceMark) {
            let seen = text.dropFirst(RPCError.fenceMark.utf8CodeUnitCount)
            self.init(
                .conflict,
                "a higher fence was seen: another holder of the lock has written since; give up what this one protects",
                outcome: outcome,
                details: [("fence", seen.text())]
            )
            return
        }
        if text.isValueConflict {
            self.init(.conflict, "the stored value is of another kind", outcome: outcome)
            return
        }
        let word = text.prefix(text.firstIndex(of: UInt8(ascii: " ")) ?? text.count).text()
        self.init(
            .valkeyError,
            "Valkey refused the command: \(word)\(RPCError.advice(word))",
            isRetryable: RPCError.passingRefusals.contains(word),
            outcome: outcome,
            details: [("valkey", "\"\(word.filter { $0.isASCII && ($0.isLetter || $0.isNumber) })\"")]
        )
    }
}

extension RPCError {
    /// What the error begins with by which a script says that a fence is lower than one that was seen, which follows.
    public static let fenceMark: StaticString = "SQUIREFENCE "

    /// Refusals that pass by themselves, or once the operator has seen to the server.
    private static let passingRefusals = [
        "LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS", "READONLY", "NOSCRIPT", "OOM",
        "MISCONF",
    ]

    /// What an operator can do about a refusal.
    ///
    /// - Parameter word: The first word of Valkey's error.
    /// - Returns: Words that follow the refusal's; empty where its name says it all.
    public static func advice(_ word: String) -> String {
        switch word {
        case "NOPERM": "; the agent's user lacks a permission that config/valkey.acl gives it"
        case "NOAUTH", "WRONGPASS": "; the agent's user or password is not the server's (valkey.password_file)"
        case "MISCONF": "; the server cannot write to its disk: see its log, and whether the disk is full"
        case "OOM": "; the server is at its maxmemory"
        default: ""
        }
    }
}

extension ByteView {
    /// Whether Valkey's error says that the stored value is not of the kind that the command works on.
    fileprivate var isValueConflict: Bool {
        hasPrefix("WRONGTYPE ") || contains("not an integer") || contains("would overflow")
    }
}
