import Linux
import RPCClient
import TestSupport
import Testing

/// Valkey refuses commands before it executes them, and says so.
struct RefusalTests {
    /// Why it refuses.
    enum Reason: CaseIterable, Sendable {
        /// A script runs too long.
        case busy
        /// Too few replicas would get the write.
        case replicas

        /// The first word of the refusal.
        var word: String {
            switch self {
            case .busy: "BUSY"
            case .replicas: "NOREPLICAS"
            }
        }
    }

    /// An agent that reaches its server through a proxy, with one client.
    private struct Rig: Sendable {
        let server: ValkeyServer
        let proxy: FaultProxy
        let daemon: Daemon

        /// Has the server refuse writes.
        func begin(_ reason: Reason) async throws {
            switch reason {
            case .busy:
                let path = server.socketPath
                Task {
                    try? await onThread {
                        let connection = try RESPClient(unixPath: path, limit: .seconds(60))
                        try connection.command("EVAL", "while true do end", "0")
                    }
                }
                try await waitUntil("the server is busy") { try server.command("PING").errorWord == "BUSY" }
            case .replicas: try server.command("CONFIG", "SET", "min-replicas-to-write", "1")
            }
        }

        /// Has the server execute them again.
        func end(_ reason: Reason) async throws {
            switch reason {
            case .busy:
                try server.command("SCRIPT", "KILL")
                try await waitUntil("the server is free") { try server.command("PING") == .simple("PONG") }
            case .replicas: try server.command("CONFIG", "SET", "min-replicas-to-write", "0")
            }
        }

        /// How often a command that names `key` passed.
        func passed(_ key: String) -> Int {
            proxy.commands.count { $0.words.contains { $0 == "cache:\(key)" } }
        }
    }

    private func withRig(_ body: (Rig) async throws -> Void) async throws {
        try await Machine.alone {
            try await withValkeyServer(arguments: ["--busy-reply-threshold", "1"]) { server in
                try await withFaultProxy(to: .unix(server.socketPath), isRecording: true) { proxy in
                    try await withDaemon(arguments: ["--valkey", proxy.address.url]) { daemon in
                        let rig = Rig(server: server, proxy: proxy, daemon: daemon)
                        let warm = try await calls(["cache.set": "warm"], of: daemon)
                        #expect(warm.first?.contains("stored") == true)
                        try await body(rig)
                    }
                }
            }
        }
    }

    /// Makes calls one behind the other on one connection without waiting between them, and returns their replies.
    private func calls(_ calls: KeyValuePairs<String, String>, of daemon: Daemon) async throws -> [String] {
        let texts = calls.enumerated().map { index, call in
            (call.key, Self.params(call.key, call.value, value: index + 1))
        }
        return try await onThread {
            let end = Instant.now.advanced(by: .seconds(30))
            let client = try RPCClient(path: daemon.socketPath, until: end)
            let numbers = texts.map { client.send($0.0, params: JSONFragment($0.1)) }
            return try numbers.map { try client.reply(to: $0, until: end).text.text }
        }
    }

    private static func params(_ method: String, _ key: String, value: Int) -> String {
        let member = method == "cache.set" ? #","value":\#(value)"# : ""
        return #"{"key":"\#(key)"\#(member),"_meta":{"deadline_ms":10000}}"#
    }

    private func expectRefused(_ reply: String, _ reason: Reason, _ location: SourceLocation = #_sourceLocation) {
        let data = JSONFragment(reply)?["error"]?["data"]
        #expect(data?["outcome"]?.string == "not_applied", "\(reply)", sourceLocation: location)
        #expect(data?["retryable"]?.text == "true", "\(reply)", sourceLocation: location)
        #expect(data?["valkey"]?.string == reason.word, "\(reply)", sourceLocation: location)
    }

    @Test("an increment that is refused for a moment is made again, and counts once", arguments: Reason.allCases)
    func moment(_ reason: Reason) async throws {
        try await withRig { rig in
            try await rig.begin(reason)
            async let replies = calls(["cache.increment": "n"], of: rig.daemon)
            try await waitUntil("the increment was refused and passes again") { rig.passed("n") >= 2 }
            try await rig.end(reason)
            let reply = try await replies[0]
            #expect(JSONFragment(reply)?["result"]?["value"]?.integer == 1, "\(reply)")
            #expect(try rig.server.command("GET", "cache:n").integer == 1)
        }
    }

    @Test("an increment that is refused for long ends as not applied", arguments: Reason.allCases)
    func long(_ reason: Reason) async throws {
        try await withRig { rig in
            try await rig.begin(reason)
            expectRefused(try await calls(["cache.increment": "n"], of: rig.daemon)[0], reason)
            #expect(rig.passed("n") > 1)
            try await rig.end(reason)
            #expect(try rig.server.command("EXISTS", "cache:n").integer == 0)
        }
    }

    @Test("a write that another one of the same client follows is not moved behind it", arguments: Reason.allCases)
    func order(_ reason: Reason) async throws {
        try await withRig { rig in
            try await rig.begin(reason)
            async let replies = calls(["cache.set": "k", "cache.set": "k"], of: rig.daemon)
            try await waitUntil("the second was refused and passes again") { rig.passed("k") >= 3 }
            try await rig.end(reason)
            let (first, second) = (try await replies[0], try await replies[1])
            expectRefused(first, reason)
            #expect(JSONFragment(second)?["result"]?["stored"]?.text == "true", "\(second)")
            #expect(try rig.server.command("GET", "cache:k").text == "2")
            let values = rig.proxy.commands.filter { $0.words.contains("cache:k") }.map { $0.words[2] }
            #expect(values.filter { $0 == "1" }.count == 1, "\(values)")
        }
    }

    @Test("a write that waits to be made again is not sent behind one that came meanwhile", arguments: Reason.allCases)
    func overtaken(_ reason: Reason) async throws {
        try await withRig { rig in
            try await rig.begin(reason)
            let (first, second) = try await twoWrites(rig)
            try await rig.end(reason)
            let replies = (try await first.value, try await second.value)
            expectRefused(replies.0, reason)
            // Up to the second, the first was made again as often as it liked; since then it was not.
            let values = rig.proxy.commands.filter { $0.words.contains("cache:k") }.map { $0.words[2] }
            let last = try #require(values.firstIndex(of: "2"))
            #expect(!values[last...].contains("1"), "\(values)")
            #expect(try rig.server.command("GET", "cache:k").text == "2", "\(replies.1)")
        }
    }

    /// Two writes of one client, the second made once the first was refused.
    private func twoWrites(_ rig: Rig) async throws -> (first: Task<String, any Error>, second: Task<String, any Error>)
    {
        let path = rig.daemon.socketPath
        let proxy = rig.proxy
        let both = Task {
            try await onThread {
                let end = Instant.now.advanced(by: .seconds(30))
                let client = try RPCClient(path: path, until: end)
                let first = client.send("cache.set", params: JSONFragment(Self.params("cache.set", "k", value: 1)))
                while !proxy.commands.contains(where: { $0.words.contains("cache:k") }), Instant.now < end {
                    _ = client.exchange(until: Instant.now.advanced(by: .milliseconds(1)))
                }
                let second = client.send("cache.set", params: JSONFragment(Self.params("cache.set", "k", value: 2)))
                let replies = [first, second].map { id in Result { try client.reply(to: id, until: end).text.text } }
                return try replies.map { try $0.get() }
            }
        }
        try await waitUntil("the second passed") {
            proxy.commands.contains { $0.words.contains("cache:k") && $0.words.contains("2") }
        }
        return (Task { try await both.value[0] }, Task { try await both.value[1] })
    }

    @Test("a write that is refused when it is made again may have been done before: its outcome is unknown")
    func repeated() async throws {
        try await withRig { rig in
            rig.proxy.faults = .blackHole
            async let replies = calls(["cache.set": "k"], of: rig.daemon)
            try await waitUntil("the write left") { rig.passed("k") == 1 }
            try await rig.begin(.replicas)
            // The connection that lost bytes is reset, and the write made again over the next.
            rig.proxy.faults = .none
            let reply = try await replies[0]
            let error = JSONFragment(reply)?["error"]?["data"]
            #expect(error?["kind"]?.string == "ambiguous", "\(reply)")
            #expect(error?["outcome"]?.string == "unknown", "\(reply)")
            #expect(error?["retryable"]?.text == "false", "\(reply)")
            #expect(rig.passed("k") >= 2)
        }
    }
}
