import Contract
import RPCClient
import RPCUsage

/// Says in plain words what an error of the agent means and what to do next.
enum ErrorExplanation {
    /// How the program ends where the agent answers with an error of `kind`.
    private static func status(of kind: ErrorKind?) -> ExitStatus {
        switch kind {
        case .forbidden: .forbidden
        case .unavailable: .unavailable
        case .deadlineExceeded: .deadlineExceeded
        default: .errorReply
        }
    }

    /// What somebody at a prompt can do about an error of `kind`.
    private static func advice(on kind: ErrorKind?, of method: String) -> String? {
        switch kind {
        case .methodNotFound: "rpc list shows the methods."
        case .invalidParams: "rpc \(method) --help shows what it takes."
        case .internalError: "That is a fault of the agent; its log says more."
        case .unavailable: "The agent runs and cannot do it now; 'rpc agent.health' says more."
        case .deadlineExceeded: "--timeout allows more time."
        case .overloaded: "The agent has too much to do; try again later."
        case .forbidden: "Who runs the agent decides what is allowed: its policy, and the classes of its namespaces."
        case .ambiguous: "Look before you repeat it."
        case .shuttingDown: "The agent is going down; try again when it is back."
        case .unsafeStore: "Its operator gives the agent a state store whose maxmemory-policy is noeviction."
        default: nil
        }
    }

    /// Turns the agent's error into the end of the command.
    ///
    /// - Parameters:
    ///   - error: What the agent answered.
    ///   - method: The method that was called.
    /// - Returns: The message, with the method, the code and what to do next.
    static func explain(_ error: RPCErrorReply, method: String) -> CommandError {
        let kind = ErrorKind.allCases.first { Int64($0.code) == error.code }
        let word = error.kind ?? kind.map { "\($0.kind)" }
        let label = [word, String(error.code)].compactMap(\.self).joined(separator: ", ")
        let advice = facts(error.data) + [Self.advice(on: kind, of: method)].compactMap(\.self)
        return CommandError(status(of: kind), "\(method): \(error.message) (\(label))", advice: advice)
    }

    /// What the error's data adds to its message.
    private static func facts(_ data: JSONFragment?) -> [String] {
        guard let data else { return [] }
        var facts: [String] = []
        switch data["outcome"]?.string {
        case "unknown": facts.append("Whether it was carried out is not known.")
        case "not_applied": facts.append("Nothing was changed.")
        default: break
        }
        for (name, words) in [("param", "Parameter"), ("valkey", "Valkey's word"), ("limit_bytes", "Limit in bytes")] {
            if let value = data[name] { facts.append("\(words): \(value.string ?? value.text).") }
        }
        if let pause = data["retry_after_ms"]?.integer {
            facts.append("Try again in \(pause) ms.")
        }
        return facts
    }
}
