import JSON
import Linux
import RPCClient
import TestSupport

/// A message of a topic as it was delivered.
struct DeliveredMessage: Sendable {
    let subscription: String
    let id: String
    /// The message's text, whatever member carried it.
    let content: String
    let orderKey: String?
    let deliveries: Int64
    let params: JSONFragment

    init(_ message: RPCMessage) throws {
        guard message.method == "topic.message", let params = message.params,
            let subscription = params["subscription"]?.string, let id = params["id"]?.string,
            let deliveries = params["deliveries"]?.integer
        else { throw FixtureError("\(message.text.text) is no message of a topic") }
        self.subscription = subscription
        self.id = id
        self.deliveries = deliveries
        self.params = params
        orderKey = params["order_key"]?.string
        let content = params["message"] ?? params["message_text"] ?? params["message_base64"] ?? params["fields"]
        self.content = content?.text ?? "nothing"
    }
}

extension ChannelClient {
    /// Publishes a message, which is JSON, and gives its id.
    @discardableResult
    func put(_ topic: String, _ message: String, key: String? = nil, _ more: String = "") throws -> String {
        let orderKey = key.map { #","order_key":"\#($0)""# } ?? ""
        let params = #"{"topic":"\#(topic)","message":\#(message)\#(orderKey)\#(more)}"#
        guard let id = try call("topic.publish", params)["id"]?.string else { throw FixtureError("no id is named") }
        return id
    }

    /// Takes part in a group and gives the subscription's name.
    func consume(_ topic: String, _ group: String, _ more: String = "") throws -> String {
        let params = #"{"topic":"\#(topic)","group":"\#(group)"\#(more)}"#
        guard let name = try call("topic.subscribe", params)["subscription"]?.string else {
            throw FixtureError("no subscription is named")
        }
        return name
    }

    /// The next message of any topic; other notifications fail.
    func take() throws -> DeliveredMessage { try DeliveredMessage(try next()) }

    /// The contents of the next messages.
    func take(_ count: Int) throws -> [String] { try (0..<count).map { _ in try take().content } }

    /// Settles messages.
    ///
    /// - Returns: The ids that were still the subscription's, and those that were not.
    @discardableResult
    func settle(
        _ method: String,
        _ subscription: String,
        _ ids: [String],
        _ more: String = ""
    ) throws -> (acked: [String], lost: [String]) {
        let list = ids.map { "\"\($0)\"" }.joined(separator: ",")
        let params = #"{"subscription":"\#(subscription)","ids":[\#(list)]\#(more)}"#
        let result = try call("topic.\(method)", params)
        func strings(_ name: String) -> [String] { result[name]?.elements.compactMap(\.string) ?? [] }
        return (strings("acked"), strings("lost"))
    }

    /// Acks a message that must still be the client's.
    func ack(_ message: DeliveredMessage, line: Int = #line) throws {
        let verdict = try settle("ack", message.subscription, [message.id])
        try expect(verdict.acked, [message.id], line: line)
        try expect(verdict.lost, [], line: line)
    }

    /// What `topic.inspect` says: the length, and of each group pending, lag and consumers.
    func inspect(_ topic: String) throws -> String {
        let result = try call("topic.inspect", #"{"topic":"\#(topic)"}"#)
        let groups = (result["groups"]?.elements ?? []).map { group in
            let numbers = ["pending", "lag", "consumers"].map { group[$0]?.text ?? "?" }.joined(separator: " ")
            return "\(group["group"]?.string ?? "?"): \(numbers)"
        }
        return ([result["length"]?.text ?? "?"] + groups).joined(separator: "; ")
    }

    /// Expects that nothing more comes: what Valkey was asked for before the answer to a call has arrived.
    func expectNothing(line: Int = #line) throws {
        _ = try call("topic.inspect", #"{"topic":"nothing"}"#)
        let next = try? client.notification(until: Instant.now)
        try expect(next?.text.text, nil, line: line)
    }
}
