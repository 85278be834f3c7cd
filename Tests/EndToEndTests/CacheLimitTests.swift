import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("Reads that ask for more than there may be")
struct CacheLimitTests {
    @Test("of many keys end as soon as the answer would be too large", arguments: ["near+valkey", "near"])
    func many(tier: String) async throws {
        let configuration =
            #"{"cache":{"tier":"\#(tier)"},"limits":{"reply_bytes_max":1048576,"message_bytes_max":1048576}}"#
        try await withAgent(configuration: configuration) { agent in
            let client = try agent.connect()
            let value = String(repeating: "x", count: 300_000)
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":"\#(value)"}"#)
            try await client.becomeNear()
            let three = try await client.result(of: "cache.get_many", #"[["k","k","k"]]"#)["entries"]?.array
            #expect(three?.count == 3 && three?.allSatisfy { $0["hit"] == true } == true)
            let before = try agent.residentBytesPeak
            let keys = [String](repeating: #""k""#, count: 1000).joined(separator: ",")
            let error = try await client.error(of: "cache.get_many", "[[\(keys)]]")
            #expect(error["data"]?["kind"] == "too_large")
            #expect(try agent.residentBytesPeak - before < 16 << 20)
        }
    }

    /// Runs `body` with an agent and the file of its configuration, which may be written anew.
    private func withConfigured(
        _ configuration: String,
        _ body: (RunningAgent, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let file = "\(directory)/squire.json"
            try File.write(configuration, to: file)
            try await withValkeyServer { server in
                let arguments = ["--config", file, "--valkey", "unix://\(server.socketPath)"]
                try await withDaemon(arguments: arguments) {
                    try await body(RunningAgent(daemon: $0, server: server), file)
                }
            }
        }
    }

    @Test("in a namespace that was configured after thousands were named, which is what the configuration says")
    func namespaces() async throws {
        try await withConfigured(#"{"cache":{"tier":"valkey"}}"#) { agent, file in
            let client = try agent.connect()
            for start in stride(from: 0, to: 4300, by: 50) {
                let calls = (start..<(start + 50)).map {
                    #"{"jsonrpc":"2.0","id":\#($0),"method":"cache.get","params":["k","n\#($0)"]}"#
                }
                try await client.send("[\(calls.joined(separator: ","))]")
                _ = try await client.receive()
            }
            try File.write(#"{"cache":{"tier":"valkey"},"namespaces":{"sec":{"encrypt":true}}}"#, to: file)
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the configuration holds") { agent.daemon.log.contains("configuration reloaded") }
            let entry = #"{"namespace":"sec","key":"k","value":"in clear words"}"#
            _ = try await client.result(of: "cache.set", entry)
            let stored = try agent.server.command("GET", "cache@sec:k").text ?? ""
            #expect(!stored.isEmpty && !stored.contains("clear words"))
            #expect(try await client.result(of: "cache.get", #"["k","sec"]"#)["value"] == "in clear words")
        }
    }

    @Test("in memory, where a reload that changes nothing of them leaves copies, and one that encrypts them does not")
    func reload() async throws {
        try await withConfigured(#"{"namespaces":{"n":{"ttl_ms":600000}}}"#) { agent, file in
            let client = try agent.connect()
            let get = #"["k","n"]"#
            _ = try await client.result(of: "cache.set", #"{"namespace":"n","key":"k","value":1}"#)
            try await client.becomeNear(get)
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the file was read again") { agent.daemon.log.contains("configuration reloaded") }
            #expect(try await client.result(of: "cache.get", get)["source"] == "near")
            try File.write(#"{"namespaces":{"n":{"ttl_ms":600000,"encrypt":true}}}"#, to: file)
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("what is in plain text is not read") {
                try await client.result(of: "cache.get", get) == ["hit": false]
            }
        }
    }
}
