import JSON
import RPCClient
import RPCUsage

/// Prints results: whole or one member, for a person or for a program.
struct ResultOutput {
    /// Path of the member to print, such as `value.items.0`; nil prints the whole.
    let field: String?
    /// Whether a string is printed without its quotes.
    let isRaw: Bool
    /// Where it is printed.
    let console: Console

    init(_ invocation: Invocation, _ console: Console) {
        field = invocation.field
        isRaw = invocation.isRaw
        self.console = console
    }

    /// Prints what a call returned.
    ///
    /// - Returns: ``ExitStatus/answerIsNo`` where the answer is no, else ``ExitStatus/done``.
    /// - Throws: ``CommandError`` `.errorReply` where the result lacks the member to print; `.answerIsNo` where that is
    ///   because the answer is no.
    func print(result: JSONFragment) throws(CommandError) -> ExitStatus {
        let answer = result.members.first { ExitStatus.answers.contains($0.name) && $0.value.kind == .false }?.name
        do throws(CommandError) {
            try print(result)
        } catch {
            guard let answer, error.status == .errorReply, field != nil else { throw error }
            throw CommandError(.answerIsNo, "\(error.message), because \(answer) is false")
        }
        return answer == nil ? .done : .answerIsNo
    }

    /// Prints a value, or its member that is asked for.
    ///
    /// - Throws: ``CommandError`` `.errorReply` where there is no such member, or nothing can be written.
    func print(_ value: JSONFragment) throws(CommandError) {
        let chosen = try pick(value)
        if isRaw, let string = chosen.string {
            try console.write("\(string)\n")
        } else {
            try console.write((console.isTerminal ? JSONLayout.indented(chosen) : [UInt8](chosen.bytes)) + [0x0A])
        }
    }

    /// Prints one message of a stream on a line of its own, or its member that is asked for.
    ///
    /// A message that lacks the member is passed over, which is said on standard error.
    ///
    /// - Throws: ``CommandError`` `.errorReply` where nothing can be written.
    func printLine(_ message: JSONFragment) throws(CommandError) {
        let chosen: JSONFragment
        do throws(CommandError) {
            chosen = try pick(message)
        } catch {
            return console.complain(error.text)
        }
        if isRaw, let string = chosen.string {
            try console.write("\(string)\n")
        } else {
            try console.write([UInt8](chosen.bytes) + [0x0A])
        }
    }

    /// A message, or its member that is asked for, as a line.
    ///
    /// - Throws: ``CommandError`` `.errorReply` where there is no such member.
    func line(_ message: JSONFragment) throws(CommandError) -> [UInt8] {
        let chosen = try pick(message)
        if isRaw, let string = chosen.string { return Array("\(string)\n".utf8) }
        return [UInt8](chosen.bytes) + [0x0A]
    }

    private func pick(_ value: JSONFragment) throws(CommandError) -> JSONFragment {
        guard let field else { return value }
        let parts = field.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if let found = find(parts[...], in: value) { return found }
        let there = value.members.map(\.name).joined(separator: ", ")
        throw CommandError(
            .errorReply,
            "the answer has no member \(field)",
            advice: there.isEmpty ? [] : ["It has: \(there)."]
        )
    }

    /// Follows a path.
    ///
    /// A member whose name holds dots is found as well, where no shorter name leads on.
    private func find(_ path: ArraySlice<String>, in value: JSONFragment) -> JSONFragment? {
        guard let first = path.first else { return value }
        if value.kind == .array {
            let elements = value.elements
            guard let index = Int(first), elements.indices.contains(index) else { return nil }
            return find(path.dropFirst(), in: elements[index])
        }
        for length in 1...path.count {
            if let member = value[path.prefix(length).joined(separator: ".")],
                let found = find(path.dropFirst(length), in: member)
            {
                return found
            }
        }
        return nil
    }
}
