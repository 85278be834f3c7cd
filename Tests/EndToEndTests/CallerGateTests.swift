import Bytes
import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("What a caller may use")
struct CallerGateTests {
    /// Runs `body` with an agent that has this policy; its file, and further members of the configuration, are in a directory.
    private func withPolicy(
        _ rules: String,
        _ members: String = "",
        _ body: (RunningAgent, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let policy = "\(directory)/policy.json"
            try File.write(#"{"rules": [\#(rules)]}"#, to: policy)
            let text = #"{"policy": {"file": "\#(policy)"}\#(members.replacing("DIRECTORY", with: directory))}"#
            try File.write(text, to: "\(directory)/squire.json")
            try await withValkeyServer { server in
                let arguments = ["--config", "\(directory)/squire.json", "--valkey", "unix://\(server.socketPath)"]
                try await withDaemon(arguments: arguments, isOperated: false) { daemon in
                    let agent = RunningAgent(daemon: daemon, server: server)
                    try await agent.becomeConnected()
                    try await body(agent, directory)
                }
            }
        }
    }

    @Test("stays what it is, however often it connects anew")
    func reconnecting() async throws {
        let rules = """
            {"name": "bounded", "users": ["@agent"], "methods": ["agent.*"], "quotas": {"requests_per_second": 10}}
            """
        try await withPolicy(rules) { agent, _ in
            let begun = Instant.now
            var passed = 0
            func call(until instant: Instant) async throws {
                while Instant.now < instant {
                    let client = try agent.connect()
                    if try await client.reply(to: "agent.ping").contains("result") { passed += 1 }
                }
            }
            // Accounts that nobody uses are looked at once a second: this one is used when that is about to be done.
            try await call(until: begun.advanced(milliseconds: 400))
            try await Task.sleep(for: .nanoseconds(begun.advanced(milliseconds: 2050).nanoseconds(since: .now)))
            try await call(until: begun.advanced(milliseconds: 2450))
            let seconds = Int(Instant.now.nanoseconds(since: begun) / 1_000_000_000)
            #expect((10...(10 * (seconds + 3))).contains(passed), "\(passed) in \(seconds) s")
        }
    }

    /// An audit file in the directory, for sessions.
    private static func audit(_ whenFull: String) -> String {
        #"""
        , "audit": {"file": "DIRECTORY/audit.ndjson", "key_file": "DIRECTORY/audit.key", "when_full": "\#(whenFull)"},
        "sessions": {"key_files": ["DIRECTORY/session.key"]}
        """#
    }

    /// A caller that may begin sessions in one namespace, and look at the agent.
    private static let tenant = #"""
        {"name": "tenant", "users": ["@agent"], "methods": ["session.*", "agent.*"], "namespaces": ["own"]}
        """#

    private func withAudit(
        _ whenFull: String,
        _ body: (RunningAgent, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { outer in
            try File.write(String(repeating: "5a0f", count: 16), to: "\(outer)/audit.key")
            try File.write((0..<32).map { $0 &* 5 &+ 3 }, to: "\(outer)/session.key")
            let members = Self.audit(whenFull).replacing("DIRECTORY", with: outer)
            try await withPolicy(Self.tenant, members) { agent, _ in try await body(agent, outer) }
        }
    }

    @Test("takes no room from the records of others where it is denied", arguments: ["count", "refuse"])
    func denials(whenFull: String) async throws {
        try await withAudit(whenFull) { agent, directory in
            let (client, flood) = (try agent.connect(), try agent.connect())
            let notes = [String](
                repeating: #"{"jsonrpc":"2.0","method":"session.create","params":{"namespace":"other"}}"# + "\n",
                count: 1000
            )
            let many = Array(notes.joined().utf8)
            var made = 0
            let begun = Instant.now
            for _ in 0..<60 {
                for _ in 0..<3 { try await flood.send(bytes: many) }
                let reply = try await client.reply(to: "session.create", #"{"namespace":"own"}"#)
                if reply.contains("result") { made += 1 }
            }
            #expect(made == 60)
            // A reply behind them all says that they were served.
            _ = try await flood.result(of: "agent.ping")
            let seconds = Int(Instant.now.nanoseconds(since: begun) / 1_000_000_000)
            let audit = try await client.result(of: "agent.stats")["audit"]
            #expect(audit?["dropped"] == 0)
            try await agent.daemon.terminate()
            let lines = try File.text("\(directory)/audit.ndjson").split(separator: "\n")
            let records = try lines.map { try Document.parse(String($0)) }
            #expect(records.count { $0["event"] == "call" && $0["outcome"] == "ok" && $0["namespace"] == "own" } == 60)
            let denied = records.count { $0["event"] == "call" && $0["outcome"] == "forbidden" }
            let more = records.filter { $0["event"] == "refused" && $0["outcome"] == "forbidden" }
            #expect(denied + more.reduce(0) { $0 + Int($1["calls"]?.integer ?? 0) } == 180_000)
            #expect((1...(seconds + 2)).contains(denied), "\(denied) in \(seconds) s")
            #expect(more.allSatisfy { $0["uid"]?.integer == Int64(getuid()) })
        }
    }

    @Test("is recorded where it was let run, though the file cannot be written any more when it ends")
    func promised() async throws {
        try await withAudit("refuse") { agent, directory in
            let (connections, each) = (9, 1000)
            let asking = try agent.connect()
            let clients = try (0..<connections).map { _ in try agent.connect() }
            let params = #"{"namespace":"own","token":"0001\#(String(repeating: "A", count: 43))"}"#
            let calls = (0..<each).map {
                #"{"jsonrpc":"2.0","id":\#($0),"method":"session.touch","params":\#(params)}"# + "\n"
            }
            let bytes = Array(calls.joined().utf8)
            try agent.server.pause()
            for client in clients { try await client.send(bytes: bytes) }
            try await waitUntil("all calls run") {
                try await asking.result(of: "agent.stats")["calls"]?["running"]?.integer ?? 0 >= connections * each
            }
            // Every write to this device fails for want of room.
            let path = "\(directory)/audit.ndjson"
            try FileSystem.rename(path, to: "\(path).1")
            try #require(unsafe symlink("/dev/full", path) == 0)
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the file is another one") { agent.daemon.log.contains("cannot be written") }
            try agent.server.resume()
            for client in clients { _ = try await client.receive(each) }
            #expect(try await asking.result(of: "agent.stats")["audit"]?["dropped"] == 0)
            #expect(try await asking.error(of: "session.create", #"{"namespace":"own"}"#)["code"] == 1001)
            try FileSystem.remove(path)
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the records are written") {
                guard File.exists(path) else { return false }
                let lines = try File.text(path).split(separator: "\n")
                return lines.count { $0.contains("session.touch") } == connections * each
            }
        }
    }

    @Test("ends with the rule that granted it, over connections that are open too")
    func revoked() async throws {
        func rules(_ methods: String) -> String {
            #"{"rules": [{"name": "r", "users": ["@agent"], "methods": ["agent.*"\#(methods)]}]}"#
        }
        let granted = #"{"name": "r", "users": ["@agent"], "methods": ["agent.*", "channel.*", "lock.*"]}"#
        try await withPolicy(granted) { agent, directory in
            let (user, idle, waiting) = (try agent.connect(), try agent.connect(), try agent.connect())
            _ = try await user.result(of: "channel.subscribe", #"{"channel":"news"}"#)
            let lock = #"{"name":"n","ttl_ms":600000}"#
            #expect(try await user.result(of: "lock.acquire", lock)["acquired"] == true)
            let wait = #"{"name":"n","ttl_ms":600000,"wait_ms":600000,"_meta":{"deadline_ms":600000}}"#
            try await waiting.send(#"{"jsonrpc":"2.0","id":1,"method":"lock.acquire","params":\#(wait)}"#)
            #expect(try await idle.result(of: "lock.inspect", #"{"name":"n"}"#)["locked"] == true)
            try await waitUntil("the other one waits") { try await agent.leases("waiting") == 1 }
            #expect(try await agent.leases("held") == 1)
            func adopt(_ rules: String, _ count: Int) async throws {
                try File.write(rules, to: "\(directory)/policy.json")
                try agent.daemon.process.signal(SIGHUP)
                try await waitUntil("the policy holds") {
                    agent.daemon.log.split(separator: "\n").count { $0.contains("configuration reloaded") } == count
                }
            }
            // What grants more takes nothing away.
            try await adopt(rules(#", "channel.*", "lock.*", "cache.*""#), 1)
            _ = try await idle.result(of: "channel.publish", #"{"channel":"news","message":1}"#)
            #expect(try await user.receive().contains("channel.message"))
            try await adopt(rules(""), 2)
            _ = try await user.receiveToEnd()
            _ = try await waiting.receiveToEnd()
            #expect(try await idle.error(of: "channel.publish", #"{"channel":"news","message":2}"#)["code"] == 1004)
            try await waitUntil("nobody holds the lock or waits for it") {
                let (held, waiting) = (try await agent.leases("held"), try await agent.leases("waiting"))
                return held == 0 && waiting == 0
            }
            #expect(try await idle.result(of: "agent.ping") == ["pong": true])
        }
    }

    @Test("passes on what a connection computes, too, with the rule that granted it")
    func computations() async throws {
        func rules(_ methods: String) -> String {
            #"""
            {"name": "r", "users": ["@agent"], "sockets": ["main"], "methods": ["agent.*"\#(methods)]},
            {"name": "s", "users": ["@agent"], "sockets": ["two"], "methods": ["cache.*"]}
            """#
        }
        let sockets = #", "sockets": [{"name": "two", "path": "DIRECTORY/two.sock"}]"#
        try await withPolicy(rules(#", "cache.*""#), sockets) { agent, directory in
            let (computer, waiting) = (try agent.connect(), try AgentClient("\(directory)/two.sock"))
            let lease = #"{"key":"k","lease_ms":600000,"wait_ms":600000,"_meta":{"deadline_ms":600000}}"#
            #expect(try await computer.result(of: "cache.get", lease)["lease"] != nil)
            try await waiting.send(#"{"jsonrpc":"2.0","id":1,"method":"cache.get","params":\#(lease)}"#)
            try File.write(#"{"rules": [\#(rules(""))]}"#, to: "\(directory)/policy.json")
            try agent.daemon.process.signal(SIGHUP)
            _ = try await computer.receiveToEnd()
            #expect(try Document.parse(try await waiting.receive())["result"]?["lease"] != nil)
        }
    }

    @Test("is recorded of an object under one name, however the call writes it")
    func objects() async throws {
        try await withAudit("count") { agent, directory in
            let client = try agent.connect()
            let made = try await client.result(of: "session.create", #"{"namespace":"own","subject":"ada"}"#)
            let (token, handle) = (made["token"]?.string ?? "", made["handle"]?.string ?? "")
            let escaped = token.utf8.map { "\\u00" + Hexadecimal.text(of: [$0]) }.joined()
            _ = try await client.result(of: "session.get", #"{"namespace":"own","token":"\#(token)"}"#)
            _ = try await client.result(of: "session.get", #"{"namespace":"own","token":"\#(escaped)"}"#)
            _ = try await client.result(of: "session.destroy", #"{"namespace":"own","handle":"\#(handle)"}"#)
            _ = try await client.result(of: "session.create", #"{"namespace":"own","subject":"\u0061d\u0061"}"#)
            try await agent.daemon.terminate()
            let lines = try File.text("\(directory)/audit.ndjson").split(separator: "\n")
            let calls = try lines.map { try Document.parse(String($0)) }.filter { $0["event"] == "call" }
            let objects = calls.map { $0["object"]?.string }
            #expect(objects.count == 5)
            #expect(objects[0] != nil && objects[0] == objects[4] && objects[1] != objects[0])
            #expect(objects[1] != nil && Set(objects[1...3]).count == 1)
        }
    }

    @Test("is one quota for all connections of a caller, also where calls ran when the policy changed")
    func changedWhileRunning() async throws {
        func rules(_ name: String) -> String {
            let methods = #""methods": ["agent.*", "lock.*"], "quotas": {"locks": 2}"#
            return #"{"rules": [{"name": "\#(name)", "users": ["@agent"], \#(methods)}]}"#
        }
        let members = #", "sockets": [{"name": "other", "path": "DIRECTORY/other.sock"}]"#
        let first = #"{"name": "one", "users": ["@agent"], "methods": ["agent.*", "lock.*"], "quotas": {"locks": 2}}"#
        try await withPolicy(first, members) { agent, directory in
            let (waiting, other) = (try agent.connect(), try AgentClient("\(directory)/other.sock"))
            let held = try await other.result(of: "lock.acquire", #"{"name":"a"}"#)
            let lease = try #require(held["lease"]?.string)
            let wait = #"{"name":"a","wait_ms":600000,"_meta":{"deadline_ms":600000}}"#
            try await waiting.send(#"{"jsonrpc":"2.0","id":1,"method":"lock.acquire","params":\#(wait)}"#)
            try await waitUntil("it waits") { try await agent.leases("waiting") == 1 }
            try File.write(rules("two"), to: "\(directory)/policy.json")
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the policy holds") { agent.daemon.log.contains("configuration reloaded") }
            try await waitUntil("nothing was lost by it") { try await agent.leases("waiting") == 1 }
            #expect(try await other.result(of: "lock.acquire", #"{"name":"b"}"#)["acquired"] == true)
            // The one that waited has it now, and that is the second again.
            _ = try await other.result(of: "lock.release", #"{"lease":"\#(lease)"}"#)
            #expect(try await waiting.receive().contains(#""acquired":true"#))
            for client in [waiting, other] {
                #expect(try await client.error(of: "lock.acquire", #"{"name":"c"}"#)["data"]?["quota"] == "locks")
            }
        }
    }
}
