/// How `rpc` ends, for scripts.
///
/// The numbers are part of the contract.
enum ExitStatus: Int32 {
    case done = 0
    /// The agent answered with an error, or the answer has no such member.
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
}
