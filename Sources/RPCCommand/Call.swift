import JSON
import Linux
import RPCClient
import RPCUsage

/// One call of a method, from its words to its printed result.
struct Call {
    /// How long the client waits beyond the time that the agent was given, for the agent's own answer to arrive.
    private static let grace = Duration.milliseconds(500)
    /// How long the client waits for methods whose deadline is unknown; no method of the contract takes longer.
    private static let patience = Duration.seconds(60)
    /// How long connecting may take.
    static let connectLimit = Duration.seconds(5)

    let invocation: Invocation
    let catalogue: Catalogue
    let console: Console
    let connection: AgentConnection

    /// Calls `method` with the parameters in `words`, once or until the agent goes away (`--watch`).
    ///
    /// - Returns: How the program ends.
    /// - Throws: ``CommandError``.
    func run(method: String, words: [String]) throws(CommandError) -> ExitStatus {
        var arguments: [Argument] = []
        for word in words { arguments.append(try Argument(word)) }
        var description = catalogue.method(method)
        var client: RPCClient?
        let isKnown = description.map { known in arguments.allSatisfy { known.parameter($0.name) != nil } } ?? false
        if !isKnown {
            // An agent that is newer than this program may know more.
            client = try Discovery(catalogue, connection).resolve(method, &description, arguments)
        }
        if invocation.isForSubscription, description?.isSubscription != true {
            throw .usage("--count, --for and --exec go with subscriptions, which \(method) is none of")
        }
        var params = try params(arguments, description)
        let settlement = description.flatMap { Settlement($0, &params, invocation) }
        let limit = limit(params, description)
        guard let watch = invocation.watch else {
            return try call(method, params, limit, client, description, settlement)
        }
        var rates = invocation.field == nil ? RateWatch(method, every: watch, console) : nil
        while true {
            let next = Instant.now.advanced(by: watch)
            try repeatCall(method, params, limit, client, description, &rates)
            client = nil
            Polling.sleep(until: next)
        }
    }

    private func open() throws(CommandError) -> RPCClient {
        try connection.open(until: .now.advanced(by: Self.connectLimit))
    }

    /// Puts the params together and checks what can be checked without the agent.
    func params(_ arguments: [Argument], _ description: MethodDescription?) throws(CommandError) -> CallParams {
        let baseSource = invocation.params.map { Argument.source($0) }
        let sources = [baseSource].compactMap(\.self) + arguments.map(\.source)
        guard sources.count(where: { $0 == .standardInput }) <= 1 else {
            throw .usage("standard input can be read only once")
        }
        var base: JSONFragment?
        if let baseSource {
            base = try Argument.json(try Argument.read(baseSource, console), of: "--params")
        }
        var params = try CallParams(base: base)
        for argument in arguments {
            let parameter = description?.parameter(argument.name) ?? Parameter(name: argument.name)
            try params.add(argument.name, try argument.value(for: parameter, console))
        }
        if let description, !params.isByPosition {
            let given = params.names
            let missing = description.parameters.filter { $0.isRequired && !given.contains($0.name) }
            guard missing.isEmpty else {
                throw .usage(
                    "\(description.name) needs \(missing.map(\.name).joined(separator: " and "))",
                    "rpc \(description.name) --help shows what it takes."
                )
            }
        }
        if let timeout = invocation.timeout { params.bound(milliseconds: timeout.wholeMilliseconds) }
        return params
    }

    /// How long the client waits for a reply: as long as the agent may work, and a little longer.
    func limit(_ params: CallParams, _ description: MethodDescription?) -> Duration {
        let work = invocation.timeout ?? (description?.deadline ?? Self.patience) + params.ownWait
        return work + Self.grace
    }

    /// Calls once, over `client` or else over a connection of its own.
    private func call(
        _ method: String,
        _ params: CallParams,
        _ limit: Duration,
        _ client: RPCClient?,
        _ description: MethodDescription?,
        _ settlement: Settlement? = nil
    ) throws(CommandError) -> ExitStatus {
        let client = if let client { client } else { try open() }
        let result = try result(of: method, params, limit, client)
        if invocation.watch == nil, let subscription = result["subscription"]?.string {
            let stream = SubscriptionStream(client, subscription, method: method, invocation, console, settlement)
            return try stream.run(from: tellsState(method, result) ? result : nil)
        }
        defer {
            if let complaint = ConnectionLease.complaint(method, params, description, result) {
                console.complain(complaint)
            }
        }
        if invocation.isGraph {
            try console.write(LockGraph.text(result))
            return .done
        }
        return try ResultOutput(invocation, console).print(result: result)
    }

    /// Whether an answer is news already: who leads now is the first that an observer is told, and a candidate that leads
    /// at once is told so by nothing else.
    private func tellsState(_ method: String, _ result: JSONFragment) -> Bool {
        method == "leader.observe" || (method == "leader.campaign" && result["leader"]?.kind == .true)
    }

    /// What a call returns; with `stream`, what the agent sends before it is printed a line each.
    private func result(
        of method: String,
        _ params: CallParams,
        _ limit: Duration,
        _ client: RPCClient
    ) throws(CommandError) -> JSONFragment {
        let isStream = params.names.contains("stream")
        let end = isStream && invocation.timeout == nil ? .distantFuture : Instant.now.advanced(by: limit)
        let id = client.send(method, params: params.text)
        let reply: RPCMessage
        do throws(RPCClientError) {
            var message = try isStream ? client.receive(until: end) : client.reply(to: id, until: end)
            while !message.isReply {
                print(message, of: id)
                message = try client.receive(until: end)
            }
            reply = message
        } catch {
            throw CommandError(error, calling: method)
        }
        if let error = reply.error { throw ErrorExplanation.explain(error, method: method) }
        guard let result = reply.result else {
            throw CommandError(.unreachable, "\(method): the reply holds neither a result nor an error")
        }
        return result
    }

    /// Prints a notification that belongs to a call; where that fails, printing the result will say so.
    private func print(_ notification: RPCMessage, of id: Int64) {
        guard let params = notification.params, params["request"]?.integer == id else { return }
        try? ResultOutput(invocation, console).printLine(params)
    }

    /// One turn of `--watch`: what the agent refuses is said, and the next turn comes.
    private func repeatCall(
        _ method: String,
        _ params: CallParams,
        _ limit: Duration,
        _ client: RPCClient?,
        _ description: MethodDescription?,
        _ rates: inout RateWatch?
    ) throws(CommandError) {
        do throws(CommandError) {
            if rates == nil {
                _ = try call(method, params, limit, client, description)
            } else {
                let client = if let client { client } else { try open() }
                try rates?.show(try result(of: method, params, limit, client))
            }
        } catch {
            guard error.status != .unreachable else { throw error }
            console.complain(error.text)
        }
    }
}
