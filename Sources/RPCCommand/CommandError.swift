import RPCUsage

/// Why a command ended without doing what was asked: one line for a person, and what to do next.
struct CommandError: Error, Equatable {
    /// How the program ends.
    let status: ExitStatus
    /// What is wrong, without a full stop.
    let message: String
    /// What to do next, a line each.
    let advice: [String]

    init(_ status: ExitStatus, _ message: String, advice: [String] = []) {
        self.status = status
        self.message = message
        self.advice = advice
    }

    /// The command line is wrong.
    static func usage(_ message: String, _ advice: String...) -> CommandError {
        CommandError(.usage, message, advice: advice)
    }

    /// The text for standard error.
    var text: String {
        (["rpc: \(message)"] + advice.map { "  \($0)" }).map { "\($0)\n" }.joined()
    }
}
