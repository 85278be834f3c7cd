import Linux
import RPCClient
import RPCUsage

/// Prints what a subscription brings, one line of JSON each, until enough came, the time is over, nobody reads on or it
/// ends.
///
/// It serves every method whose result names a `subscription`. Notifications of that name are its messages, but for
/// those whose method ends with `.gap`, which are said on standard error, and with `.closed`, which end the stream.
/// Ctrl-C ends the program as any other; each line has left by then. With a command each message is handled by it instead.
/// Where messages are to be settled, one is acked when its line has left or its command ended with 0, and given back where
/// the command did not.
struct SubscriptionStream {
    private let client: RPCClient
    private let name: String
    private let method: String
    private let invocation: Invocation
    private let output: ResultOutput
    private let command: MessageCommand?
    private let settlement: Settlement?

    /// Prepares to print.
    ///
    /// - Parameters:
    ///   - client: The connection over which the subscription was made.
    ///   - name: What its notifications call it.
    ///   - method: The method that made it, for messages.
    ///   - invocation: How many messages, how long, and what of each is printed.
    ///   - console: Where they are printed.
    ///   - settlement: How they are settled; nil where they need not be.
    init(
        _ client: RPCClient,
        _ name: String,
        method: String,
        _ invocation: Invocation,
        _ console: Console,
        _ settlement: Settlement? = nil
    ) {
        self.client = client
        self.name = name
        self.method = method
        self.invocation = invocation
        let output = ResultOutput(invocation, console)
        self.output = output
        self.settlement = settlement
        command = invocation.command.map { MessageCommand($0, output) }
        client.reader = console.output
    }

    /// Prints messages until the stream ends.
    ///
    /// - Parameter state: What there is already, which counts as the first message; nil where the answer tells nothing.
    /// - Returns: ``ExitStatus/done`` where as many came as were asked for, the time is over and none were asked for, or
    ///   whoever read them has gone; ``ExitStatus/errorReply`` where a command ended with something else than 0.
    /// - Throws: ``CommandError`` `.deadlineExceeded` where the time is over before as many came; `.unreachable` where
    ///   the agent went away; `.errorReply` where it ended the subscription, or nothing can be written.
    func run(from state: JSONFragment? = nil) throws(CommandError) -> ExitStatus {
        let end = invocation.duration.map { Instant.now.advanced(by: $0) } ?? .distantFuture
        var printed = 0
        var status = ExitStatus.done
        if let state {
            if try !handle(state) { status = .errorReply }
            printed += 1
        }
        while printed < invocation.count ?? .max {
            let message: RPCMessage
            do throws(RPCClientError) {
                message = try client.notification(until: end)
            } catch {
                if error.code == .unread { return .done }
                guard error.code == .timedOut else { throw lost(error) }
                guard let count = invocation.count else { return status }
                throw CommandError(.deadlineExceeded, "\(method): \(printed) of \(count) messages came in time")
            }
            guard let params = message.params, params["subscription"]?.string == name else { continue }
            let method = message.method ?? ""
            if method.hasSuffix(".closed") {
                let status: ExitStatus = params["reason"]?.string == "shutting_down" ? .unreachable : .errorReply
                throw CommandError(status, "\(method): the agent ended the subscription\(reason(params))")
            }
            if method.hasSuffix(".gap") {
                let again = settlement == nil ? "" : ", or come again"
                output.console.complain("rpc: \(method): messages may be missing here\(again)\(reason(params))\n")
                continue
            }
            if try !handle(params) { status = .errorReply }
            printed += 1
        }
        return status
    }

    /// Prints a message, or has the command handle it, and settles it.
    ///
    /// - Returns: Whether it was handled.
    private func handle(_ message: JSONFragment) throws(CommandError) -> Bool {
        var isHandled = true
        if let command {
            // Without a settlement there is nothing to be kept: the wait is only cut into pieces.
            let interval = settlement?.extendAfter ?? .seconds(60)
            isHandled = try command.handle(message, every: interval) { () throws(CommandError) in
                _ = try settlement?.extend(message, client)
            }
        } else {
            try output.printLine(message)
        }
        guard let settlement else { return isHandled }
        let id = message["id"]?.string ?? "?"
        do throws(CommandError) {
            let isOurs = try isHandled ? settlement.ack(message, client) : settlement.nack(message, client)
            if !isOurs { output.console.complain("rpc: the time of message \(id) was over: it is delivered again\n") }
        } catch {
            // Other messages can be handled still; this one comes again when its time is over.
            guard error.status != .unreachable else { throw error }
            output.console.complain("rpc: message \(id) may be delivered again\n\(error.text)")
        }
        return isHandled
    }

    private func reason(_ params: JSONFragment) -> String {
        params["reason"]?.string.map { " (\($0))" } ?? ""
    }

    private func lost(_ error: RPCClientError) -> CommandError {
        CommandError(
            .unreachable,
            "\(method): \(error.message)",
            advice: ["Messages that were published since are lost to this subscription; subscribe again."]
        )
    }
}
