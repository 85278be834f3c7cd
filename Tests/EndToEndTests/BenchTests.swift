import JSON
import Linux
import TestSupport
import Testing

@Suite("rpc bench with a real agent")
struct BenchTests {
    /// What `rpc bench --json` prints, as far as the tests look at it.
    private struct Report {
        private let document: Document

        init(_ result: CommandResult) throws {
            #expect(result.standardError.isEmpty)
            try #require(result.status == .exited(0))
            document = try Document.parse(result.standardOutput)
        }

        /// A figure of the only round of a server.
        func figure(_ name: String, of target: Int = 0) throws -> Double {
            try #require(document[pointer: "/targets/\(target)/rounds/0/\(name)"]?.number, "\(name) of \(target)")
        }

        /// Number of servers that were measured.
        var targets: Int { document["targets"]?.array?.count ?? 0 }
    }

    private static let brief = [
        "--warm-up", "0", "--duration", "1s", "--keys", "50", "--connections", "4", "--json",
    ]

    private func bench(_ agent: RunningAgent, _ options: [String] = []) async throws -> CommandResult {
        try await runRPC(["--socket", agent.daemon.socketPath, "bench"] + Self.brief + options)
    }

    private func remainingKeys(_ agent: RunningAgent) throws -> RESPReply {
        try agent.server.command("DBSIZE")
    }

    @Test("Near hits come from memory, and no entry is left behind")
    func nearHits() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":1}"#)
            try await client.becomeNear()
            _ = try await client.result(of: "cache.delete", #"["k"]"#)
            let report = try Report(try await bench(agent))
            #expect(try report.figure("calls") > 0)
            #expect(try report.figure("hits") == report.figure("calls"))
            // News of the writes that came before may have each key read from Valkey once more, on each connection.
            #expect(try report.figure("calls") - report.figure("memory_hits") <= 200)
            #expect(try report.figure("memory_hits") > 0)
            #expect(try report.figure("errors") == 0)
            #expect(try report.figure("p50_us") <= report.figure("p99_9_us"))
            #expect(try remainingKeys(agent) == .integer(0))
        }
    }

    @Test("Reads that ask Valkey do not come from memory")
    func fresh() async throws {
        try await withAgent { agent in
            let report = try Report(try await bench(agent, ["--fresh"]))
            #expect(try report.figure("hits") > 0)
            #expect(try report.figure("memory_hits") == 0)
        }
    }

    @Test("Every method of a mix is called, on the agent and straight on its Valkey")
    func mixAndComparison() async throws {
        try await withAgent { agent in
            let url = "unix://\(agent.server.socketPath)"
            // Of a single key, so that each round of the mix deletes it, misses it and finds it again.
            let options = ["--mix", "get:4,set,get_many,increment,delete,ping", "--keys", "1"]
            let result = try await bench(agent, options + ["--compare", url, "--rounds", "1", "--pipeline", "3"])
            let report = try Report(result)
            #expect(report.targets == 2)
            for target in 0...1 {
                #expect(try report.figure("calls", of: target) > 0)
                #expect(try report.figure("hits", of: target) > 0)
                #expect(try report.figure("misses", of: target) > 0)
                #expect(try report.figure("errors", of: target) == 0)
            }
            #expect(try remainingKeys(agent) == .integer(0))
        }
    }

    @Test("Large values arrive whole by both ways")
    func largeValues() async throws {
        try await withAgent { agent in
            let url = "unix://\(agent.server.socketPath)"
            let result = try await bench(
                agent,
                ["--mix", "get,set", "--value-bytes", "300KiB", "--compare", url, "--rounds", "1", "--pipeline", "2"]
            )
            let report = try Report(result)
            for target in 0...1 {
                #expect(try report.figure("hits", of: target) > 0)
                #expect(try report.figure("misses", of: target) == 0)
            }
        }
    }

    @Test("With a rate every call that was due is counted, or named as behind")
    func rate() async throws {
        try await withAgent { agent in
            let report = try Report(try await bench(agent, ["--rate", "1000"]))
            // In a second a thousand calls are due, and the one that the time begins with.
            #expect(try report.figure("calls") + report.figure("behind") <= 1001)
            #expect(try report.figure("calls") > 0)
        }
    }

    @Test("The source is asked once for each entry where the cache is used")
    func source() async throws {
        try await withAgent { agent in
            let report = try Report(try await bench(agent, ["--source", "5ms", "--duration", "2s", "--keys", "2"]))
            #expect(report.targets == 2)
            #expect(try report.figure("source_calls", of: 0) == report.figure("calls", of: 0))
            #expect(try report.figure("source_calls", of: 1) == 2)
            #expect(try report.figure("hits", of: 1) > 0)
            #expect(try remainingKeys(agent) == .integer(0))
        }
    }

    @Test("Refusals are counted, shown and end with 1")
    func refusals() async throws {
        try await withAgent { agent in
            try agent.server.command("SET", "cache:bench:n:00000000", "no number")
            let result = try await agent.daemon.rpc("bench", "--mix", "increment", "--keys", "1", "--duration", "1s")
            #expect(result.status == .exited(1))
            #expect(result.standardOutput.contains("refused"))
            #expect(result.standardOutput.contains("conflict"))
        }
    }
}
