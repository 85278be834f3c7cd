import JSON
import Linux
import RPCClient

/// How the messages of a subscription are settled that wants to know what became of each, as those of topics do.
struct Settlement {
    /// Time that a subscriber has each message, where the call does not say.
    private static let standardLease: Int64 = 30_000
    /// Most messages at once where nothing else bounds them.
    private static let creditMax: Int64 = 64
    /// Longest delay before a message that was not handled comes again, in milliseconds.
    private static let delayMax: Int64 = 60_000
    /// How long the agent may take to answer.
    private static let limit = Duration.seconds(10)

    /// What the methods' names begin with, such as `topic.`.
    private let group: String
    /// Time after which a message that is still being handled is to be kept by another call.
    let extendAfter: Duration

    /// Prepares for a subscription, and has it bring no more messages at once than will be handled.
    ///
    /// - Returns: nil where the method's messages need not be settled: those have no credit.
    init?(_ method: MethodDescription, _ params: inout CallParams, _ invocation: Invocation) {
        guard method.isSubscription, method.parameter("credit") != nil, let dot = method.name.firstIndex(of: ".") else {
            return nil
        }
        group = String(method.name[...dot])
        let lease = params["ack_ms"]?.integer ?? Self.standardLease
        extendAfter = .milliseconds(max(lease / 3, 1))
        // A message that waits in this program is in nobody else's hands, and its time passes.
        let most = invocation.command == nil ? Int64(invocation.count ?? .max) : 1
        params.addDefault("credit", min(most, Self.creditMax))
    }

    /// Says that a message was handled.
    ///
    /// - Returns: Whether it was still this subscription's.
    func ack(_ message: JSONFragment, _ client: RPCClient) throws(CommandError) -> Bool {
        try settle("ack", message, client)
    }

    /// Gives a message back, to come again later and later.
    func nack(_ message: JSONFragment, _ client: RPCClient) throws(CommandError) -> Bool {
        let deliveries = max(message["deliveries"]?.integer ?? 1, 1)
        let delay = min(1000 << min(deliveries - 1, 10), Self.delayMax)
        return try settle("nack", message, client, ",\"delay_ms\":\(delay)")
    }

    /// Keeps a message that is still being handled.
    func extend(_ message: JSONFragment, _ client: RPCClient) throws(CommandError) -> Bool {
        try settle("extend", message, client)
    }

    private func settle(
        _ verb: String,
        _ message: JSONFragment,
        _ client: RPCClient,
        _ more: String = ""
    ) throws(CommandError) -> Bool {
        guard let subscription = message["subscription"], let id = message["id"] else { return false }
        let params = JSONFragment("{\"subscription\":\(subscription.text),\"ids\":[\(id.text)]\(more)}")
        let reply: RPCMessage
        do throws(RPCClientError) {
            reply = try client.call(group + verb, params: params, until: .now.advanced(by: Self.limit))
        } catch {
            throw CommandError(error, calling: group + verb)
        }
        if let error = reply.error { throw ErrorExplanation.explain(error, method: group + verb) }
        return reply.result?["lost"]?.elements.isEmpty == true
    }
}
