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

    /// The status of a command that was run and has ended; its own, and no error of this program.
    private(set) var commandStatus: Int32?

    /// A command that was run has ended.
    static func ended(_ status: Int32) -> CommandError {
        var error = CommandError(.done, "")
        error.commandStatus = status
        return error
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
