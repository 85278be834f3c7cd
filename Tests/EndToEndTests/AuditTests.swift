import Bytes
import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("What is recorded of who did what")
struct AuditTests {
    /// Runs `body` with an agent that keeps an audit file in a directory, beside `key`.
    private func withAuditedAgent(
        _ members: String = "",
        file: String = "audit.ndjson",
        _ body: (RunningAgent, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            try File.write(String(repeating: "5a0f", count: 16), to: "\(directory)/audit.key")
            try File.write((0..<32).map { $0 &* 5 &+ 3 }, to: "\(directory)/session.key")
            let text = #"""
                {"audit": {"file": "\#(directory)/\#(file)", "key_file": "\#(directory)/audit.key"\#(members)
                """#
            try await withAgent(configuration: text.replacing("DIRECTORY", with: directory) + "}") { agent in
                try await body(agent, directory)
            }
        }
    }

    private static func records(_ path: String) throws -> [Document] {
        try File.text(path).split(separator: "\n").map { try Document.parse(String($0)) }
    }

    private static func verify(_ directory: String, _ words: String...) async throws -> CommandResult {
        try await runRPC(["audit.verify"] + words.map { $0.replacing("DIRECTORY", with: directory) })
    }

    @Test("sessions, operators and the agent's own life, without a token or a name, in a chain that can be verified")
    func standard() async throws {
        try await withAuditedAgent("}") { agent, directory in
            let client = try agent.connect()
            let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            let made = try await client.result(
                of: "session.create",
                #"{"subject":"lovelace","namespace":"web","_meta":{"traceparent":"\#(trace)"}}"#
            )
            let token = try #require(made["token"]?.string)
            _ = try await client.result(of: "session.get", #"{"token":"\#(token)","namespace":"web"}"#)
            _ = try await client.error(of: "session.touch", #"{"token":"none"}"#)
            _ = try await client.result(of: "agent.breaker")
            _ = try await client.error(of: "valkey.call", #"{"args":["PING"]}"#)
            _ = try await client.result(of: "cache.set", #"["k",1]"#)
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the reload is told") { agent.daemon.log.contains("configuration reloaded") }
            try await agent.daemon.terminate()

            let path = "\(directory)/audit.ndjson"
            let records = try Self.records(path)
            #expect(records.compactMap { $0["event"]?.string }.first == "start")
            #expect(records.compactMap { $0["event"]?.string }.suffix(2) == ["reload", "stop"])
            let calls = records.filter { $0["event"] == "call" }
            #expect(
                calls.compactMap { $0["method"]?.string } == [
                    "session.create", "session.get", "session.touch", "agent.breaker", "valkey.call",
                ]
            )
            #expect(calls.compactMap { $0["outcome"]?.string } == ["ok", "ok", "session_not_found", "ok", "forbidden"])
            #expect(calls.allSatisfy { $0["uid"]?.integer == Int64(getuid()) && $0["socket"] == "main" })
            #expect(calls[0]["namespace"] == "web")
            #expect(calls[0]["traceparent"]?.string == trace)
            #expect(calls[1]["object"]?.string?.count == 32)
            let text = try File.text(path)
            #expect(!text.contains(token) && !text.contains("lovelace") && !text.contains("\"none\""))

            let good = try await Self.verify(directory, "DIRECTORY/audit.ndjson", "key=DIRECTORY/audit.key")
            #expect(good.status == .exited(0), "\(good.standardError)")
            #expect(good.standardOutput.contains("\(records.count) lines, 1 to \(records.count), as written"))
            let head = try #require(good.standardOutput.split(separator: " ").last).dropLast()
            // Whatever is done to the file is found.
            let lines = text.split(separator: "\n").map(String.init)
            let changes: [(name: String, lines: [String], line: String)] = [
                ("edited", lines.map { $0.replacing("forbidden", with: "oknowfine") }, "line 6: "),
                ("deleted", Array(lines[..<2] + lines[3...]), "line 3: "),
                ("reordered", [lines[0], lines[2], lines[1]] + lines[3...], "line 2: "),
                ("truncated", Array(lines.dropLast()), "before line \(lines.count)"),
            ]
            for (name, changed, place) in changes {
                try File.write(changed.map { $0 + "\n" }.joined(), to: "\(directory)/changed")
                let bad = try await Self.verify(
                    directory,
                    "DIRECTORY/changed",
                    "key=DIRECTORY/audit.key",
                    "head=\(head)"
                )
                #expect(bad.status == .exited(1), "\(name): \(bad.standardOutput)")
                #expect(bad.standardError.contains(place), "\(name): \(bad.standardError)")
            }
        }
    }

    @Test("calls of restricted data, which are kept sealed only; the rest of the namespace's calls as its class says")
    func classes() async throws {
        let members = #"""
            , "classes": ["denials"]}, "sessions": {"key_files": ["DIRECTORY/session.key"]},
            "namespaces": {"ward": {"class": "restricted"}}
            """#
        try await withAuditedAgent(members) { agent, directory in
            let client = try agent.connect()
            let refused = try await client.error(of: "cache.increment", #"{"key":"k","namespace":"ward"}"#)
            #expect(refused["code"] == 1004)
            #expect(try agent.server.command("EXISTS", "cache@ward:k").integer == 0)
            let entry = #"{"key":"k","value":"in clear words","namespace":"ward","ttl_ms":null,"stale_ms":1000}"#
            #expect(try await client.result(of: "cache.set", entry)["stored"] == true)
            let life = try #require(try agent.server.command("PTTL", "cache@ward:k").integer)
            #expect((1...86_400_000).contains(life))
            guard case .bulk(let stored) = try agent.server.command("GET", "cache@ward:k") else { return }
            #expect(!stored.withByteView { $0.contains("clear words") })
            let read = try await client.result(of: "cache.get", #"{"key":"k","namespace":"ward"}"#)
            #expect(read["value"] == "in clear words" && read["source"] == "valkey")
            let tooLong = #"{"namespace":"ward","lifetime_ms":86400001}"#
            let long = try await client.error(of: "session.create", tooLong)
            #expect(long["data"]?["param"] == "lifetime_ms")
            // What the call does not name is shortened.
            let short = try await client.result(of: "session.create", #"{"namespace":"ward"}"#)
            let shortToken = try #require(short["token"]?.string)
            let ask = #"{"token":"\#(shortToken)","namespace":"ward"}"#
            let ends = try await client.result(of: "session.get", ask)["expires_at_ms"]?.integer ?? 0
            #expect(abs(ends - Int64(WallClock.milliseconds) - 86_400_000) < 60_000)
            let params = #"{"namespace":"ward","lifetime_ms":86400000,"data":{"a":1}}"#
            let made = try await client.result(of: "session.create", params)
            let token = try #require(made["token"]?.string)
            _ = try await client.result(of: "session.get", #"{"token":"\#(token)","namespace":"ward"}"#)
            _ = try await client.result(of: "session.create")
            #expect(try await client.result(of: "cache.set", #"["k",1]"#)["stored"] == true)
            try await agent.daemon.terminate()
            let calls = try Self.records("\(directory)/audit.ndjson").filter { $0["event"] == "call" }
            #expect(
                calls.compactMap { $0["method"]?.string } == [
                    "cache.increment", "cache.set", "cache.get", "session.create", "session.create", "session.get",
                    "session.create", "session.get",
                ]
            )
            #expect(
                calls.compactMap { $0["outcome"]?.string } == [
                    "forbidden", "ok", "ok", "invalid_params", "ok", "ok", "ok", "ok",
                ]
            )
        }
    }

    @Test("why a session could not be read, which its caller is not told")
    func unreadable() async throws {
        try await withAuditedAgent("}, \"sessions\": {\"key_files\": [\"DIRECTORY/session.key\"]}") {
            agent,
            directory in
            let client = try agent.connect()
            let server = try agent.server.connect()
            var names: Set<String> = []
            for damage in [
                "short", "a long text that is nothing that anybody sealed " + String(repeating: "x", count: 100),
            ] {
                let token = try #require(try await client.result(of: "session.create")["token"]?.string)
                let keys = try server.command("KEYS", "session:{*").elements ?? []
                let name = try #require(Set(keys.compactMap(\.text)).subtracting(names).first)
                names.insert(name)
                try server.command("SET", name, damage)
                #expect(try await client.result(of: "session.get", #"["\#(token)"]"#)["found"] == false)
            }
            try await agent.daemon.terminate()
            let records = try Self.records("\(directory)/audit.ndjson").filter { $0["event"] == "session_unreadable" }
            #expect(records.compactMap { $0["cause"]?.string } == ["truncated", "newer_version"])
        }
    }

    @Test("or calls are refused that must be recorded, while the disk is full and that is configured")
    func full() async throws {
        try await withTemporaryDirectory { outer in
            let link = "\(outer)/audit.ndjson"
            try #require(unsafe symlink("/dev/full", link) == 0)
            let members = #", "when_full": "refuse"}"#
            try await withAuditedAgent(members, file: "../\(outer.split(separator: "/").last ?? "")/audit.ndjson") {
                agent,
                _ in
                let client = try agent.connect()
                try await waitUntil("calls are refused") {
                    try await client.reply(to: "session.create").contains(#""code":1001"#)
                }
                #expect(try await client.error(of: "session.create")["data"]?["outcome"] == "not_applied")
                #expect(try await client.result(of: "cache.set", #"["k",1]"#)["stored"] == true)
                try FileSystem.remove(link)
                try agent.daemon.process.signal(SIGHUP)
                try await waitUntil("calls are recorded again") {
                    try await client.reply(to: "session.create").contains(#""result""#)
                }
                try await waitUntil("the record is written") {
                    try File.exists(link) && File.text(link).contains("session.create")
                }
            }
        }
    }
}
