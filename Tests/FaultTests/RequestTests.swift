import Glibc
import Linux
import RPCClient
import TestSupport
import Testing

/// Calls with a `request_id` take effect exactly once, however often they are made.
struct RequestTests {
    private static let durable = ["--appendonly", "yes", "--appendfsync", "always"]

    /// What a run found out.
    struct Figures: Sendable {
        var increments = 0
        var repetitions = 0
        var resets = 0
    }

    /// Crashes Valkey and resets its connections under clients that repeat each increment until it has a result.
    ///
    /// - Parameters:
    ///   - cycles: How often.
    ///   - increments: Results between one harm and the next, at least.
    /// - Returns: How much was counted.
    /// - Throws: `FixtureError` where a part of the fixture fails, or the clients do not get on.
    static func crashes(_ cycles: Int, increments: Int) async throws -> Figures {
        var random = SeededGenerator(seed: 7)
        return try await withAgents { server, proxy, daemon, other in
            let counts = try await RequestLoad.run(clients: 16, on: daemon) { load in
                for cycle in 0..<cycles {
                    try await progress(of: load, by: increments)
                    proxy.reset(afterBytes: Int.random(in: 0...800, using: &random), of: .replies)
                    try await progress(of: load, by: increments)
                    proxy.reset(afterBytes: Int.random(in: 0...800, using: &random), of: .requests)
                    try await progress(of: load, by: increments)
                    if cycle.isMultiple(of: 2) { proxy.resetConnections() }
                    let repetitions = load.repetitions
                    server.kill()
                    try await waitUntil("a client repeats a call", within: .seconds(20)) {
                        load.repetitions > repetitions
                    }
                    try await server.start()
                    try await progress(of: load, by: 1)
                }
            }
            let connection = try server.connect()
            for count in counts {
                #expect(count.wrong.isEmpty, "\(count.key): \(count.wrong)")
                let value = try connection.command("GET", "cache:\(count.key)").integer
                #expect(value == Int64(count.increments), "\(count.key), \(count.repetitions) repetitions")
            }
            try await expectRemembered(counts, by: other)
            return Figures(
                increments: counts.reduce(0) { $0 + $1.increments },
                repetitions: counts.reduce(0) { $0 + $1.repetitions },
                resets: proxy.counters.resets
            )
        }
    }

    private static func progress(of load: RequestLoad, by increments: Int) async throws {
        let goal = load.increments + increments
        try await waitUntil("the clients count on", within: .seconds(60)) { load.increments >= goal }
    }

    /// Waits until an agent reaches Valkey.
    private static func becomeConnected(_ agent: Daemon) async throws {
        let question = #"{"jsonrpc":"2.0","id":2,"method":"cache.exists","params":["n"]}"#
        try await waitUntil("the agent has found Valkey", within: .seconds(20)) {
            try await agent.exchange(question).contains("result")
        }
    }

    /// Expects the last increment of each count to have the same outcome through another agent, and no second effect.
    private static func expectRemembered(_ counts: [RequestLoad.Count], by other: Daemon) async throws {
        try await becomeConnected(other)
        let faults = try await onThread {
            let end = Instant.now.advanced(by: .seconds(20))
            let client = try RPCClient(path: other.socketPath, until: end)
            var faults: [String] = []
            for count in counts {
                let (key, number) = (count.key, count.increments)
                let again = try client.call("cache.increment", params: RequestLoad.params(key, number), until: end)
                if again.result?["value"]?.integer != Int64(number) { faults.append(again.text.text) }
                let changed = RequestLoad.params(key, number, by: 2)
                let conflict = try client.call("cache.increment", params: changed, until: end)
                if conflict.error?.kind != "conflict" { faults.append(conflict.text.text) }
                let value = try client.call("cache.get", params: JSONFragment(#"{"key":"\#(key)"}"#), until: end)
                if value.result?["value"]?.integer != Int64(number) { faults.append(value.text.text) }
            }
            return faults
        }
        #expect(faults.isEmpty)
    }

    /// A durable server, a proxy to it, the agent behind the proxy and one that reaches the server itself.
    private static func withAgents<Result>(
        _ arguments: [String] = durable,
        _ body: (ValkeyServer, FaultProxy, Daemon, Daemon) async throws -> Result
    ) async throws -> Result {
        try await Machine.alone {
            try await withValkeyServer(arguments: arguments) { server in
                try await withFaultProxy(to: .unix(server.socketPath), isRecording: true) { proxy in
                    try await withDaemon(arguments: ["--valkey", proxy.address.url]) { daemon in
                        try await withDaemon(arguments: ["--valkey", "unix://\(server.socketPath)"]) { other in
                            try await body(server, proxy, daemon, other)
                        }
                    }
                }
            }
        }
    }

    @Test("repeated through resets and crashes until they have a result, increments count exactly")
    func crashes() async throws {
        _ = try await Self.crashes(3, increments: 100)
    }

    /// What keeps Valkey from executing a call.
    enum Refusal: CaseIterable, Sendable {
        /// The breaker is open.
        case breaker
        /// Too few replicas.
        case replicas
        /// The server reads its data.
        case loading
    }

    @Test("a call that was refused before it was executed is not remembered", arguments: Refusal.allCases)
    func refusals(_ refusal: Refusal) async throws {
        // Each key takes a millisecond and a half to be read, and the server answers between two.
        let slow = ["--key-load-delay", "1500", "--loading-process-events-interval-bytes", "1024"]
        try await Self.withAgents(refusal == .loading ? slow : Self.durable) { server, _, daemon, other in
            let params = #"{"key":"n","by":5,"request_id":"a","_meta":{"deadline_ms":200}}"#
            let call = #"{"jsonrpc":"2.0","id":1,"method":"cache.increment","params":\#(params)}"#
            switch refusal {
            case .breaker: try await Self.setBreaker("open", of: daemon)
            case .replicas: try server.command("CONFIG", "SET", "min-replicas-to-write", "1")
            case .loading: try await Self.beginLoading(server, under: daemon)
            }
            let error = JSONFragment(try await daemon.exchange(call))?["error"]
            #expect(error?["data"]?["outcome"]?.string == "not_applied", "\(error?.text ?? "a result")")
            #expect(error?["data"]?["retryable"]?.text == "true", "\(error?.text ?? "a result")")
            switch refusal {
            case .breaker: try await Self.setBreaker("close", of: daemon)
            case .replicas: try server.command("CONFIG", "SET", "min-replicas-to-write", "0")
            case .loading:
                try await waitUntil("the server has its data", within: .seconds(60)) {
                    (try? server.command("PING")) == .simple("PONG")
                }
            }
            #expect(try server.command("KEYS", "*request:*").elements?.isEmpty == true)
            for agent in [daemon, other, daemon] {
                try await Self.becomeConnected(agent)
                let reply = JSONFragment(try await agent.exchange(call.replacing(200, with: 5000)))
                #expect(reply?["result"]?["value"]?.integer == 5, "\(reply?.text ?? "nothing")")
            }
        }
    }

    private static func setBreaker(_ action: String, of daemon: Daemon) async throws {
        let params = #"{"action":"\#(action)"}"#
        _ = try await daemon.exchange(#"{"jsonrpc":"2.0","id":1,"method":"agent.breaker","params":\#(params)}"#)
    }

    /// Starts the server anew on so many keys that it refuses commands until they are read, and waits until the agent
    /// was refused.
    private static func beginLoading(_ server: ValkeyServer, under daemon: Daemon) async throws {
        let fill = "for i = 1, 3000 do redis.call('SET', 'k' .. i, string.rep('v', 100)) end"
        try server.command("EVAL", fill, "0")
        try server.command("SAVE")
        server.kill()
        try await server.launch()
        try await waitUntil("the agent was told of the loading", within: .seconds(20)) {
            let health = try await daemon.exchange(#"{"jsonrpc":"2.0","id":1,"method":"agent.health"}"#)
            return health.contains("it is loading its data")
        }
    }

    @Test("the same name for another user is another request")
    func users() async throws {
        guard geteuid() == 0, let setpriv = Executable.find("setpriv") else {
            File.writeToStandardError("skipped: only root with setpriv(1) can call as another user\n")
            return
        }
        try await Machine.alone {
            try await withValkeyServer { server in
                let arguments = ["--valkey", "unix://\(server.socketPath)"]
                try await withDaemon(arguments: arguments) { daemon in
                    let rpc = try Product.path("rpc")
                    let call = ["--socket", daemon.socketPath, "cache.increment", "key=n", "request_id=a"]
                    try await openToOthers(daemon)
                    for (user, value) in [(0, 1), (4321, 2), (0, 1), (4321, 2)] {
                        let options = ["--reuid", "\(user)", "--clear-groups", rpc]
                        let result = try await run(setpriv, options + call)
                        #expect(result.standardOutput.contains(#""value":\#(value)"#), "\(user): \(result)")
                    }
                }
            }
        }
    }

    /// Lets every user of this host get at the agent's socket.
    private func openToOthers(_ daemon: Daemon) async throws {
        var path = daemon.socketPath
        var mode: mode_t = 0o777
        while path != "/tmp" {
            guard unsafe chmod(path, mode) == 0 else { throw SystemError.current("chmod \(path)") }
            path = path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
            mode = 0o711
        }
    }
}

extension String {
    /// The same call with another deadline.
    fileprivate func replacing(_ deadline: Int, with other: Int) -> String {
        replacing(#""deadline_ms":\#(deadline)"#, with: #""deadline_ms":\#(other)"#)
    }
}
