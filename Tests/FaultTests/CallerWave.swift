import Linux
import RPCClient
import TestSupport

/// Calls of many callers at once over few connections, each connection with a hundred under way.
struct CallerWave: Sendable {
    private static let callsPerConnection = 100

    /// What the keys of the calls begin with.
    let name: String
    /// Calls of the wave: by turns an increment and a read.
    var calls = 1000
    /// The deadline that each call names.
    var deadline = Duration.seconds(10)

    /// Makes the calls and waits for all of their replies.
    ///
    /// - Returns: How many ended in each way, such as `result`, `degraded` or `unavailable/not_applied`.
    /// - Throws: `RPCClientError` where a call is not answered.
    func run(on daemon: Daemon) async throws -> [String: Int] {
        try await onThread {
            let limit = Instant.now.advanced(by: .seconds(30))
            var running: [(RPCClient, Int64)] = []
            for start in stride(from: 0, to: calls, by: Self.callsPerConnection) {
                let client = try RPCClient(path: daemon.socketPath, until: limit)
                for index in start..<min(start + Self.callsPerConnection, calls) {
                    running.append((client, send(index, client)))
                }
                _ = client.exchange(until: limit)
            }
            var endings: [String: Int] = [:]
            for (client, id) in running {
                endings[Self.ending(try client.reply(to: id, until: limit)), default: 0] += 1
            }
            return endings
        }
    }

    private func send(_ index: Int, _ client: RPCClient) -> Int64 {
        let method = index.isMultiple(of: 2) ? "cache.increment" : "cache.get"
        let meta = #""_meta":{"deadline_ms":\#(deadline.wholeMilliseconds)}"#
        return client.send(method, params: JSONFragment(#"{"key":"\#(name):\#(index)",\#(meta)}"#))
    }

    private static func ending(_ reply: RPCMessage) -> String {
        guard let error = reply.error else { return reply.result?["degraded"] == nil ? "result" : "degraded" }
        let words = [error.kind, error.data?["outcome"]?.string].compactMap { $0 }
        let hasDelay = error.kind != "unavailable" || error.data?["retry_after_ms"]?.integer ?? 0 > 0
        return words.joined(separator: "/") + (hasDelay ? "" : " without retry_after_ms")
    }

    /// How a wave ends that is turned away.
    static func turnedAway(_ calls: Int = 1000) -> [String: Int] {
        ["unavailable/not_applied": (calls + 1) / 2, "degraded": calls / 2]
    }
}
