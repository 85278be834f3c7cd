import JSON
import RPCClient

/// Says in plain words what an error of the agent means and what to do next.
enum ErrorExplanation {
    private struct Entry {
        let kind: String
        var status = ExitStatus.errorReply
        var advice: String?
    }

    /// What each code of the contract means to somebody at a prompt.
    private static func entry(for code: Int64) -> Entry? {
        switch code {
        case -32700: Entry(kind: "parse_error")
        case -32600: Entry(kind: "invalid_request")
        case -32601: Entry(kind: "method_not_found", advice: "rpc list shows the methods.")
        case -32602: Entry(kind: "invalid_params")
        case -32603: Entry(kind: "internal_error", advice: "That is a fault of the agent; its log says more.")
        case 1001:
            Entry(
                kind: "unavailable",
                status: .unavailable,
                advice: "The agent runs but cannot reach its Valkey; 'rpc agent.health' says more."
            )
        case 1002: Entry(kind: "deadline_exceeded", status: .deadlineExceeded, advice: "--timeout allows more time.")
        case 1003: Entry(kind: "overloaded", advice: "Nothing was done; try again later.")
        case 1004:
            Entry(kind: "forbidden", status: .forbidden, advice: "The agent's policy does not allow it to this user.")
        case 1005: Entry(kind: "too_large")
        case 1006: Entry(kind: "ambiguous", advice: "Look before you repeat it.")
        case 1007: Entry(kind: "valkey_error")
        case 1008: Entry(kind: "conflict")
        case 1009: Entry(kind: "shutting_down", advice: "The agent is going down; try again when it is back.")
        case 1010: Entry(kind: "cancelled")
        case 1011:
            Entry(kind: "unsafe_store", advice: "The store may evict what must be kept: it needs noeviction.")
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
        let entry = entry(for: error.code)
        let kind = error.kind ?? entry?.kind
        let label = [kind, String(error.code)].compactMap(\.self).joined(separator: ", ")
        var advice = facts(error.data)
        if error.code == -32602 {
            advice.append("rpc \(method) --help shows what it takes.")
        }
        if let line = entry?.advice { advice.append(line) }
        return CommandError(entry?.status ?? .errorReply, "\(method): \(error.message) (\(label))", advice: advice)
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
