import Linux
import RPCClient

/// Prints what a subscription brings, one line of JSON each, until enough came, the time is over, nobody reads on or it
/// ends.
///
/// It serves every method whose result names a `subscription`. Notifications of that name are its messages, but for
/// those whose method ends with `.gap`, which are said on standard error, and with `.closed`, which end the stream.
/// Ctrl-C ends the program as any other; each line has left by then.
struct SubscriptionStream {
    private let client: RPCClient
    private let name: String
    private let method: String
    private let invocation: Invocation
    private let output: ResultOutput

    /// Prepares to print.
    ///
    /// - Parameters:
    ///   - client: The connection over which the subscription was made.
    ///   - name: What its notifications call it.
    ///   - method: The method that made it, for messages.
    ///   - invocation: How many messages, how long, and what of each is printed.
    ///   - console: Where they are printed.
    init(_ client: RPCClient, _ name: String, method: String, _ invocation: Invocation, _ console: Console) {
        self.client = client
        self.name = name
        self.method = method
        self.invocation = invocation
        output = ResultOutput(invocation, console)
        client.reader = console.output
    }

    /// Prints messages until the stream ends.
    ///
    /// - Returns: ``ExitStatus/done`` where as many came as were asked for, the time is over and none were asked for, or
    ///   whoever read them has gone.
    /// - Throws: ``CommandError`` `.deadlineExceeded` where the time is over before as many came; `.unreachable` where
    ///   the agent went away; `.errorReply` where it ended the subscription, or nothing can be written.
    func run() throws(CommandError) -> ExitStatus {
        let end = invocation.duration.map { Instant.now.advanced(by: $0) } ?? .distantFuture
        var printed = 0
        while printed < invocation.count ?? .max {
            let message: RPCMessage
            do throws(RPCClientError) {
                message = try client.notification(until: end)
            } catch {
                if error.code == .unread { return .done }
                guard error.code == .timedOut else { throw lost(error) }
                guard let count = invocation.count else { return .done }
                throw CommandError(.deadlineExceeded, "\(method): \(printed) of \(count) messages came in time")
            }
            guard let params = message.params, params["subscription"]?.string == name else { continue }
            let method = message.method ?? ""
            if method.hasSuffix(".closed") {
                let status: ExitStatus = params["reason"]?.string == "shutting_down" ? .unreachable : .errorReply
                throw CommandError(status, "\(method): the agent ended the subscription\(reason(params))")
            }
            if method.hasSuffix(".gap") {
                output.console.complain("rpc: \(method): messages may be missing here\(reason(params))\n")
                continue
            }
            try output.printLine(params)
            printed += 1
        }
        return .done
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
