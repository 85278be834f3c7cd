import JSON
import Linux
import RPCClient
import TestSupport

/// A client of an agent's channels, for a thread that may block.
final class ChannelClient {
    /// How long an answer or a message may take.
    private static let limit = Duration.seconds(15)

    let client: RPCClient

    /// Connects.
    init(_ socketPath: String) throws {
        client = try RPCClient(path: socketPath, until: Self.end)
    }

    private static var end: Instant { Instant.now.advanced(by: limit) }

    /// Calls a method with params, which are JSON.
    func reply(_ method: String, _ params: String) throws -> RPCMessage {
        try client.call(method, params: JSONFragment(params), until: Self.end)
    }

    /// What a call returns.
    ///
    /// - Throws: `FixtureError` where it is an error.
    @discardableResult
    func call(_ method: String, _ params: String) throws -> JSONFragment {
        let reply = try reply(method, params)
        guard let result = reply.result else { throw FixtureError("\(method): \(reply.text.text)") }
        return result
    }

    /// The kind of error that a call ends with.
    func fault(_ method: String, _ params: String) throws -> String? { try reply(method, params).error?.kind }

    /// Subscribes and gives the subscription's name.
    func subscribe(_ params: String) throws -> String {
        guard let name = try call("channel.subscribe", params)["subscription"]?.string else {
            throw FixtureError("no subscription is named")
        }
        return name
    }

    /// Publishes a message, which is JSON, and gives the number of receivers.
    @discardableResult
    func publish(_ channel: String, _ message: String) throws -> Int64? {
        try call("channel.publish", #"{"channel":"\#(channel)","message":\#(message)}"#)["receivers"]?.integer
    }

    /// The next notification.
    func next() throws -> RPCMessage { try client.notification(until: Self.end) }

    /// The next `count` notifications: of each its method without `channel.`, and what it carries in few words.
    func news(_ count: Int) throws -> [String] {
        var news: [String] = []
        for _ in 0..<count { news.append(Self.words(try next())) }
        return news
    }

    private static func words(_ message: RPCMessage) -> String {
        let params = message.params
        let method = message.method?.split(separator: ".").last ?? ""
        guard method == "message" else { return "\(method) \(params?["reason"]?.string ?? "")" }
        let content = params?["message"] ?? params?["message_text"] ?? params?["message_base64"]
        return "\(params?["channel"]?.string ?? "?") \(content?.text ?? "?")"
    }
}

/// Checks on a thread that does not know its test, which learns of a fault by the error.
///
/// - Throws: `FixtureError` with both values and the line where `value` is not what is expected.
func expect<Value: Equatable>(_ value: Value, _ expected: Value, line: Int = #line) throws {
    guard value != expected else { return }
    throw FixtureError("line \(line): \(value) instead of \(expected)")
}

/// Runs `body` with a server and `count` agents of it, all of which have found it.
func withAgents(
    _ count: Int = 1,
    _ kind: ServerKind = .preferred,
    environment: [String: String] = [:],
    _ body: (ValkeyServer, [Daemon]) async throws -> Void
) async throws {
    try await withValkeyServer(kind) { server in
        try await withAgents(count, of: server, environment, [], body)
    }
}

private func withAgents(
    _ count: Int,
    of server: ValkeyServer,
    _ environment: [String: String],
    _ agents: [Daemon],
    _ body: (ValkeyServer, [Daemon]) async throws -> Void
) async throws {
    guard agents.count < count else { return try await body(server, agents) }
    let url = "unix://\(server.socketPath)"
    try await withDaemon(arguments: ["--valkey", url], environment: environment) { agent in
        try await agent.becomeConnected()
        try await withAgents(count, of: server, environment, agents + [agent], body)
    }
}
