/// How `rpc` ends, for scripts.
///
/// The numbers are part of the contract.
public enum ExitStatus: Int32, CaseIterable, Sendable {
    case done = 0
    /// The agent answered with an error, the answer has no such member, or a message's command failed.
    case errorReply = 1
    /// No agent could be reached, or it went away.
    case unreachable = 2
    /// The command line is wrong.
    case usage = 3
    /// The call was carried out and its answer is no.
    case answerIsNo = 4
    /// Policy forbids the call.
    case forbidden = 5
    /// The agent runs, and its Valkey cannot be reached.
    case unavailable = 6
    /// No answer in time.
    case deadlineExceeded = 7

    /// Members of an answer that are its yes or no.
    public static let answers = ["hit", "found", "acquired", "allowed", "stored"]

    /// What it says.
    public var summary: String {
        switch self {
        case .done: "done"
        case .errorReply: "error reply"
        case .unreachable: "no agent can be reached"
        case .usage: "usage"
        case .answerIsNo: "the answer is no"
        case .forbidden: "forbidden"
        case .unavailable: "Valkey unavailable"
        case .deadlineExceeded: "deadline exceeded"
        }
    }

    /// When the program ends so: a sentence.
    public var meaning: String {
        switch self {
        case .done: "The call was carried out, and its answer is not no."
        case .errorReply:
            "The agent answered with an error, the answer has no such member, or a command of `--exec` ended with another "
                + "status than 0."
        case .unreachable: "No agent can be reached, or it went away."
        case .usage: "The command line makes no sense."
        case .answerIsNo:
            "The answer is no: "
                + Self.answers.map { "`\($0)`" }.joined(separator: ", ") + " is false."
        case .forbidden: "The agent's policy forbids the call."
        case .unavailable: "The agent runs, but its Valkey cannot be reached."
        case .deadlineExceeded: "There was no answer in time."
        }
    }
}
