import Bytes
import JSON
import Linux
import RPCClient
import RPCUsage

/// A shell command that handles messages: one process for each, with the message on its standard input.
///
/// Its output is this program's. What the message says of itself is in its environment
/// (``CommandUsage/messageVariables``).
struct MessageCommand {
    private let text: String
    private let output: ResultOutput

    /// Prepares a command.
    ///
    /// - Parameters:
    ///   - text: What the shell is given.
    ///   - output: Picks the member of the message that is handed over, where one is asked for.
    init(_ text: String, _ output: ResultOutput) {
        self.text = text
        self.output = output
    }

    /// Handles a message.
    ///
    /// - Parameters:
    ///   - message: The notification's parameters.
    ///   - interval: Time between two calls of `keep` while the command runs.
    ///   - keep: Sees to it that the message stays this program's.
    /// - Returns: Whether the command ended with 0.
    /// - Throws: ``CommandError`` `.errorReply` where it cannot be started, or what `keep` throws.
    func handle(
        _ message: JSONFragment,
        every interval: Duration,
        _ keep: () throws(CommandError) -> Void
    ) throws(CommandError) -> Bool {
        let content = try content(of: message)
        var status: ChildProcess.ExitStatus?
        do throws(SystemError) {
            let input = try MemoryFile.make(holding: content)
            var process = try ChildProcess.start(command(message, input: input.number))
            while status == nil {
                status = try process.wait(until: .now.advanced(by: interval))
                if status == nil {
                    do throws(CommandError) { try keep() } catch {
                        output.console.complain(error.text)
                    }
                }
            }
        } catch {
            throw CommandError(.errorReply, "the command cannot be run: \(error.reason)")
        }
        guard let status, status != .exited(0) else { return true }
        output.console.complain("rpc: the command ended with \(status)\n")
        return false
    }

    private func command(_ message: JSONFragment, input: Int32) -> ChildProcess.Command {
        let values = CommandUsage.messageVariables.compactMap { member, variable, _ in
            message[member].map { "\(variable)=\($0.string ?? $0.text)" }
        }
        // A text with a NUL cannot be handed to a program.
        let environment = values.filter { !$0.utf8.contains(0) }
        var command = ChildProcess.Command(executable: "/usr/bin/env")
        command.arguments = environment + ["/bin/sh", "-c", text]
        command.input = input
        return command
    }

    /// What the command reads: the member that is asked for, else the message as it was published.
    private func content(of message: JSONFragment) throws(CommandError) -> [UInt8] {
        if output.field != nil { return try output.line(message) }
        if let text = message["message_text"]?.string { return Array(text.utf8) }
        if let text = message["message_base64"]?.string {
            return Array(text.utf8).withByteView { encoded in
                var decoded = ByteBuffer()
                return Base64.decode(encoded, to: &decoded) ? decoded.view.copy() : []
            }
        }
        let content = message["message"] ?? message["fields"] ?? message
        return [UInt8](content.bytes) + [0x0A]
    }
}
