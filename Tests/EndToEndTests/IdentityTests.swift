import Glibc
import JSON
import Linux
import TestSupport
import Testing

@testable import DevTools

@Suite("Who may call what", .enabled(if: CallerProcess.obstacle == nil, "only root can start processes of other users"))
struct IdentityTests {
    private static let owner: UInt32 = 43_001
    private static let group: UInt32 = 43_002
    private static let member = CallerProcess(user: 43_003, groups: [group])
    private static let stranger = CallerProcess(user: 43_004, groups: [43_005])
    private static let unmapped = CallerProcess(user: 65_534, groups: [group])
    private static let root = CallerProcess(user: 0)

    /// Runs `body` with an agent of the user ``owner`` on a socket of the group ``group`` that everybody may connect to.
    private func withOpenAgent(
        policy: String? = nil,
        configuration: String = "",
        _ body: (ActivatedAgent, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            try await withValkeyServer { server in
                // The agent's user must get at its own directory, and everybody at the sockets.
                try #require(unsafe chmod(directory, 0o755) == 0)
                let state = "\(directory)/state"
                try #require(unsafe mkdir(state, 0o700) == 0 && chown(state, Self.owner, Self.owner) == 0)
                let server = try await reachable(server)
                var members = #""log": {"level": "debug"}"#
                if let policy {
                    try File.write(policy, to: "\(directory)/policy.json", mode: 0o644)
                    try #require(unsafe chmod("\(directory)/policy.json", 0o644) == 0)
                    members += #", "policy": {"file": "\#(directory)/policy.json"}"#
                }
                if !configuration.isEmpty { members += ", " + configuration.replacing("DIRECTORY", with: state) }
                try File.write("{\(members)}", to: "\(directory)/squire.json")
                try #require(unsafe chmod("\(directory)/squire.json", 0o644) == 0)
                let arguments = ["--config", "\(directory)/squire.json", "--valkey", "unix://\(server)"]
                let agent = try ActivatedAgent(directory, arguments: arguments, user: Self.owner)
                try #require(unsafe chmod(agent.socketPath, 0o666) == 0 && chown(agent.socketPath, 0, Self.group) == 0)
                defer { agent.kill() }
                try await agent.start()
                try await body(agent, directory)
                try await agent.stop()
            }
        }
    }

    /// The server's socket, which the agent's user may use.
    private func reachable(_ server: ValkeyServer) async throws -> String {
        let path = server.socketPath
        let directory = path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        try #require(unsafe chmod(directory, 0o755) == 0 && chmod(path, 0o777) == 0)
        return path
    }

    /// Every method, with no parameters.
    private static func methods() throws -> [MethodFile] { try ContractFiles(try Project()).methods }

    @Test("by the standard policy: every method, called by root, owner, group member, stranger and unmapped user")
    func standard() async throws {
        let methods = try Self.methods()
        let calls = methods.map { (method: $0.name, params: "{}") }
        try await withOpenAgent { agent, _ in
            let callers: [(name: String, process: CallerProcess, mayCall: (MethodFile) -> Bool)] = [
                ("root", Self.root, { !$0.isOperator }),
                ("owner", CallerProcess(user: Self.owner), { !$0.isOperator }),
                ("member", Self.member, { !$0.isOperator }),
                ("stranger", Self.stranger, { _ in false }),
                ("unmapped", Self.unmapped, { _ in false }),
            ]
            for (name, process, mayCall) in callers {
                let replies = try await process.replies(to: calls, on: agent.socketPath)
                for (method, reply) in zip(methods, replies) {
                    #expect(reply.isForbidden == !mayCall(method), "\(name): \(method.name)")
                }
                let all = try await process.reply(to: "cache.invalidate", #"{"all":true}"#, on: agent.socketPath)
                #expect(all.isForbidden, "\(name)")
            }
            #expect(agent.log.contains("a call was denied"))
        }
    }

    @Test("by a policy: in its namespaces and for its names, also after it changed while they were connected")
    func policy() async throws {
        let rules = #"""
            {"rules": [
              {"name": "tenant", "users": [43004], "methods": ["cache.*", "channel.*", "agent.whoami", "auth.*"],
               "namespaces": ["shop"], "names": ["shop.*"]},
              {"name": "raw", "users": ["root"], "methods": ["*", "valkey.call"]}]}
            """#
        try await withOpenAgent(policy: rules) { agent, directory in
            let socket = agent.socketPath
            func isForbidden(_ method: String, _ params: String) async throws -> Bool {
                try await Self.stranger.reply(to: method, params, on: socket).isForbidden
            }
            #expect(try await !isForbidden("cache.set", #"{"key":"k","value":1,"namespace":"shop"}"#))
            #expect(try await isForbidden("cache.set", #"["k",1]"#))
            #expect(try await isForbidden("cache.get", #"{"key":"k","namespace":"other"}"#))
            #expect(try await isForbidden("cache.invalidate", #"{"all":true}"#))
            #expect(try await !isForbidden("channel.publish", #"{"channel":"shop.news","message":1}"#))
            #expect(try await isForbidden("channel.publish", #"{"channel":"news","message":1}"#))
            #expect(try await isForbidden("channel.subscribe", #"{"pattern":"*"}"#))
            #expect(try await isForbidden("agent.ping", "{}"))
            #expect(try await isForbidden("valkey.call", #"{"args":["PING"]}"#))
            let raw = try await Self.root.reply(to: "valkey.call", #"{"args":["ECHO","é"]}"#, on: socket)
            #expect(raw["result"] == ["reply": "é"])
            let list = try await Self.root.reply(to: "valkey.call", #"{"args":["MGET","no","no"]}"#, on: socket)
            #expect(list["result"] == ["reply": [.null, .null]])
            let fault = try await Self.root.reply(to: "valkey.call", #"{"args":["NOSUCH"]}"#, on: socket)
            #expect(fault["error"]?["data"]?["kind"] == "valkey_error")
            _ = try await Self.root.reply(
                to: "valkey.call",
                #"{"args":["SETRANGE","large","12000000","x"]}"#,
                on: socket
            )
            let much = #"{"args":["MGET","large","large","large"]}"#
            let large = try await Self.root.reply(to: "valkey.call", much, on: socket)
            #expect(large["error"]?["data"]?["kind"] == "too_large")
            let blocking = try await Self.root.reply(to: "valkey.call", #"{"args":["blpop","k","0"]}"#, on: socket)
            #expect(blocking["error"]?["data"]?["param"] == "args")

            let who = try await Self.stranger.reply(to: "agent.whoami", on: socket)
            #expect(who["result"]?["uid"] == 43_004)
            #expect(who["result"]?["groups"] == [43_005])
            #expect(who["result"]?["user"] == .null)
            #expect(who["result"]?["socket"] == "main")
            #expect(who["result"]?["rules"] == ["tenant"])
            let why = try await Self.stranger.reply(to: "auth.explain", #"{"method":"cache.get"}"#, on: socket)
            #expect(why["result"]?["allowed"] == true)
            #expect(why["result"]?["restricted"] == true)
            let params = #"{"method":"cache.get","params":{"key":"k","namespace":"x"}}"#
            let refusal = try await Self.stranger.reply(to: "auth.explain", params, on: socket)
            #expect(refusal["result"]?["allowed"] == false)
            #expect(refusal["result"]?["reason"]?.string?.contains("namespace") == true)

            let connection = try AgentClient(socket)
            #expect(try await connection.result(of: "agent.ping") == ["pong": true])
            _ = try await connection.result(of: "cache.set", #"["usual",1]"#)
            try await connection.becomeUsual(#"{"key":"usual"}"#)
            try File.write(#"{"rules": []}"#, to: "\(directory)/policy.json")
            try agent.process?.signal(SIGHUP)
            // Asked over another connection: on this one the next call is to be the usual one.
            let asking = try AgentClient(socket)
            try await waitUntil("the other policy holds") {
                try await asking.reply(to: "agent.ping").contains(#""code":1004"#)
            }
            #expect(try await connection.error(of: "cache.get", #"{"key":"usual"}"#)["code"] == 1004)
            try File.write("{", to: "\(directory)/policy.json")
            try agent.process?.signal(SIGHUP)
            try await waitUntil("the faulty policy is told of") { agent.log.contains("the old one stays") }
            #expect(try await connection.error(of: "agent.ping")["code"] == 1004)
        }
    }

    @Test("within the quota of the rule, over all connections of the caller")
    func quotas() async throws {
        let rules = #"""
            {"rules": [
              {"name": "slow", "users": [43004], "methods": ["*"],
               "quotas": {"requests_per_second": 5, "subscriptions": 2}},
              {"name": "all", "users": ["root"], "methods": ["*"]}]}
            """#
        try await withOpenAgent(policy: rules) { agent, _ in
            let pings = [(method: String, params: String)](repeating: ("agent.ping", "{}"), count: 20)
            let replies = try await Self.stranger.replies(to: pings, on: agent.socketPath)
            let refused = replies.filter { $0["error"] != nil }
            #expect(!refused.isEmpty && refused.count <= 15)
            #expect(refused.allSatisfy { $0["error"]?["data"]?["quota"] == "requests_per_second" })
            #expect(refused.allSatisfy { ($0["error"]?["data"]?["retry_after_ms"]?.integer ?? 0) > 0 })
            #expect(try await Self.root.replies(to: pings, on: agent.socketPath).allSatisfy { $0["result"] != nil })
        }
    }

    @Test("by the socket that they come to")
    func sockets() async throws {
        let rules = #"""
            {"rules": [
              {"name": "tenant", "sockets": ["tenant-a"], "methods": ["cache.*", "agent.whoami"], "namespaces": ["a"]},
              {"name": "all", "sockets": ["main"], "users": ["root"], "methods": ["*"]}]}
            """#
        let sockets = #""sockets": [{"name": "tenant-a", "path": "DIRECTORY/a.sock", "mode": "0660"}]"#
        try await withOpenAgent(policy: rules, configuration: sockets) { agent, directory in
            let tenant = "\(directory)/state/a.sock"
            try await waitUntil("the socket is there") { File.exists(tenant) }
            let owner = CallerProcess(user: Self.owner)
            let who = try await owner.reply(to: "agent.whoami", on: tenant)
            #expect(who["result"]?["socket"] == "tenant-a")
            #expect(who["result"]?["rules"] == ["tenant"])
            let own = #"{"key":"k","namespace":"a"}"#
            #expect(try await !owner.reply(to: "cache.get", own, on: tenant).isForbidden)
            #expect(try await owner.reply(to: "cache.get", #"{"key":"k"}"#, on: tenant).isForbidden)
            #expect(try await owner.reply(to: "agent.ping", on: tenant).isForbidden)
            #expect(try await owner.reply(to: "cache.get", own, on: agent.socketPath).isForbidden)
            #expect(try await !Self.root.reply(to: "agent.ping", on: agent.socketPath).isForbidden)
        }
    }

    @Test("by rules of which the log says where they name a socket that is not there")
    func unknownSockets() async throws {
        func rules(_ socket: String) -> String {
            #"{"rules": [{"name": "tenant", "sockets": ["main", "\#(socket)"], "methods": ["agent.*"]}]}"#
        }
        try await withOpenAgent(policy: rules("tenant-a")) { agent, directory in
            func isTold(_ socket: String) -> Bool {
                agent.log.split(separator: "\n").contains { $0.contains("names sockets") && $0.contains(socket) }
            }
            try await waitUntil("the unknown socket is told of") { isTold("tenant-a") }
            #expect(try await !Self.stranger.reply(to: "agent.ping", on: agent.socketPath).isForbidden)
            try File.write(rules("tenant-b"), to: "\(directory)/policy.json")
            try agent.process?.signal(SIGHUP)
            try await waitUntil("the other one is told of") { isTold("tenant-b") }
        }
    }

    @Test("by a quota that connecting anew does not renew, and the log says how often they were denied")
    func reconnecting() async throws {
        let rules = """
            {"rules": [
              {"name": "bounded", "users": [\(Self.member.user)], "methods": ["agent.*"],
               "quotas": {"requests_per_second": 2}}
            ]}
            """
        try await withOpenAgent(policy: rules) { agent, _ in
            // Another group of the same user, and another connection, are the same caller.
            let others = [Self.member, CallerProcess(user: Self.member.user, groups: [Self.group + 1])]
            var passed = 0
            let begun = Instant.now
            for number in 0..<12 {
                let reply = try await others[number % 2].reply(to: "agent.ping", "{}", on: agent.socketPath)
                if reply["error"] == nil { passed += 1 }
            }
            let seconds = Int(Instant.now.nanoseconds(since: begun) / 1_000_000_000)
            #expect((2...(2 + 2 * (seconds + 1))).contains(passed), "\(passed) in \(seconds) s")
            for _ in 0..<5 {
                #expect(try await Self.stranger.reply(to: "agent.ping", "{}", on: agent.socketPath).isForbidden)
            }
            try await waitUntil("the log has the denials") {
                let lines = agent.log.split(separator: "\n")
                let first = lines.count { $0.contains("a call was denied") }
                let more = lines.filter { $0.contains("more calls of a caller were denied") }
                    .compactMap { $0.split(separator: "calls=").last?.split(separator: " ").first.flatMap { Int($0) } }
                return first + more.reduce(0, +) == 5
            }
        }
    }
}
