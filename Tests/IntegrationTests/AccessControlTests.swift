import Glibc
import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@Suite("The rights in config/valkey.acl")
struct AccessControlTests {
    private static let password = "squire's own"
    private static let unknown = String(repeating: "0", count: 64)
    /// The channel by which the server tells of changes.
    private static let tracking = "&__redis__:invalidate"

    /// The text of the file as the server's configuration, with the user's password.
    private static func configuration() async throws -> String {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = try File.text("\(root)/config/valkey.acl")
        let openssl = try #require(Executable.find("openssl"))
        let digest = try await run(openssl, ["dgst", "-sha256", "-r"], input: Array(password.utf8)).standardOutput
        #expect(text.contains("#\(unknown) "))
        return text.replacing(unknown, with: String(digest.prefix(64)))
    }

    /// The commands that the file allows.
    private static func commands() async throws -> [String] {
        let line = try await configuration().split(separator: "\n").first { $0.hasPrefix("user ") }
        return (line ?? "").split(separator: " ").filter { $0.hasPrefix("+") }.map { String($0.dropFirst()) }
    }

    /// The channels that the file says to name, beside those of clients, where not all are granted.
    private static func agentChannels() async throws -> [String] {
        let line = try await configuration().split(separator: "\n").first { $0.hasPrefix("# &__") }
        return try #require(line).split(separator: " ").dropFirst().map(String.init)
    }

    /// Runs `body` with a server that has the user, and an agent that is it and names keys with `prefix`.
    private func with(
        _ kind: ServerKind,
        prefix: String = "",
        _ body: (ValkeyServer, Daemon) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            var text = try await Self.configuration()
            if !prefix.isEmpty {
                text = text.replacing(" ~", with: " ~\(prefix)")
                    .replacing(" &* ", with: " &\(prefix)* \(Self.tracking) ")
            }
            try File.write(text, to: "\(directory)/valkey.conf")
            try File.write("\(Self.password)\n", to: "\(directory)/password")
            try await withValkeyServer(kind, configuration: "\(directory)/valkey.conf") { server in
                try await withDaemon(
                    arguments: ["--valkey", "unix://\(server.socketPath)"],
                    environment: [
                        "SQUIRE_VALKEY_USER": "squire", "SQUIRE_VALKEY_PASSWORD_FILE": "\(directory)/password",
                        "SQUIRE_VALKEY_PREFIX": prefix,
                    ]
                ) { agent in
                    try await agent.becomeConnected()
                    try await body(server, agent)
                }
            }
        }
    }

    /// Calls every method that the agent has, as each of its examples does, and in the ways that no example shows.
    private func callEverything(_ agent: Daemon) async throws {
        let document = try #require(try await agent.call("rpc.discover"))
        let methods = try #require(document.object?["methods"]?.array)
        for method in methods {
            let name = try #require(method.object?["name"]?.string)
            let examples = try #require(method.object?["examples"]?.array)
            // What valkey.call needs is what its callers send.
            if name == "valkey.call" { continue }
            #expect(!examples.isEmpty, "\(name) has no example, and so is not tried")
            // It would turn the other calls away.
            if name == "agent.breaker" { continue }
            for example in examples {
                var params = DocumentObject()
                for param in example.object?["params"]?.array ?? [] {
                    params[param.object?["name"]?.string ?? ""] = param.object?["value"]
                }
                _ = try await agent.call(name, Document.object(params).text(style: .compact))
            }
        }
        for (method, params) in Self.furtherCalls { _ = try await agent.call(method, params) }
        // A name of its own: where the right to release was taken away, the last one is held until its life ends.
        let lock = "lock-\(UInt64.random(in: 0 ... .max))"
        _ = try await agent.call("lock.acquire", #"{"name":"\#(lock)","replicas_min":1,"replicas_wait_ms":1}"#)
        let session = try await agent.call("session.create", #"{"subject":"further"}"#)
        let token = session?["token"]?.string ?? ""
        _ = try await agent.call("session.touch", #"{"token":"\#(token)"}"#)
        _ = try await agent.call("session.update", #"{"token":"\#(token)","set":{"a":1}}"#)
        _ = try await agent.call("session.rotate", #"{"token":"\#(token)","grace_ms":1000,"request_id":"r"}"#)
        _ = try await agent.call("session.destroy_all", #"{"subject":"further"}"#)
        try await onThread { [path = agent.socketPath] in try Self.useTopic(path) }
    }

    /// Leads messages of one order key through a topic, to their deaths and out of it; what is refused is passed over.
    private static func useTopic(_ path: String) throws {
        let client = try ChannelClient(path)
        let end = Instant.now.advanced(by: .seconds(15))
        func call(_ method: String, _ params: String) throws -> JSONFragment? {
            try client.client.call(method, params: JSONFragment(params), until: end).result
        }
        let subscribe = #"{"topic":"life","group":"g","from":"start","credit":2,"deliveries_max":1}"#
        for number in 1...3 {
            _ = try call("topic.publish", #"{"topic":"life","message":\#(number),"order_key":"k","length_max":100}"#)
        }
        let name = try call("topic.subscribe", subscribe)?["subscription"]?.text ?? "null"
        for verb in ["extend", "ack", "nack"] {
            let soon = Instant.now.advanced(by: .milliseconds(100))
            guard let message = try? client.client.notification(until: soon).params?["id"]?.text else { continue }
            for each in Set(["extend", verb]) {
                _ = try call("topic.\(each)", #"{"subscription":\#(name),"ids":[\#(message)]}"#)
            }
        }
        _ = try call("topic.publish", #"{"topic":"life","message":0,"length_max":1}"#)
        _ = try call("topic.trim", #"{"topic":"life","length_max":1,"force":true}"#)
        _ = try call("topic.inspect", #"{"topic":"life"}"#)
        _ = try call("topic.unsubscribe", #"{"subscription":\#(name)}"#)
        _ = try call("topic.delete_group", #"{"topic":"life","group":"g"}"#)
        _ = try call("topic.trim", #"{"topic":"life","length_max":0}"#)
        _ = try call("topic.trim", #"{"topic":"life.dead","age_max_ms":0}"#)
    }

    private static let furtherCalls = [
        ("cache.set", #"{"key":"k","value":1}"#),
        ("cache.get", #"{"key":"k","with_ttl":true}"#),
        ("cache.touch", #"{"key":"k","ttl_ms":null}"#),
        ("cache.touch", #"{"key":"k","ttl_ms":1000}"#),
        ("cache.set_many", #"{"namespace":"n","entries":[{"key":"a","value":1},{"key":"b","value":2,"ttl_ms":null}]}"#),
        ("cache.increment", #"{"key":"c","ttl_ms":null,"request_id":"r"}"#),
        ("cache.increment", #"{"key":"c","ttl_ms":null}"#),
        ("cache.increment", #"{"key":"c","ttl_ms":1000,"namespace":"n"}"#),
        ("hash.set", #"{"key":"h","fields":{"f":1},"ttl_ms":null}"#),
        ("hash.set", #"{"key":"h","fields":{"f":1},"ttl_ms":1000}"#),
        ("hash.increment", #"{"key":"h","field":"f","request_id":"r"}"#),
        ("hash.get_all", #"{"key":"h","namespace":"n"}"#),
        ("channel.subscribe", #"{"channel":"c"}"#),
        ("channel.subscribe", #"{"pattern":"c*"}"#),
        ("channel.publish", #"{"channel":"c","message":1}"#),
        ("channel.publish", #"{"channel":"c","message":1,"request_id":"r"}"#),
        ("response.put", #"{"model":"m","scope":"s","prompt":"p","response":1,"tags":["t"],"ttl_ms":null}"#),
        ("response.get", #"{"model":"m","scope":"s","prompt":"p"}"#),
        ("response.invalidate", #"{"tags":["t"]}"#),
        ("response.get", #"{"model":"m","scope":"s","prompt":"p","lease_ms":1000,"wait_ms":1}"#),
        ("response.get", #"{"model":"m","scope":"s","prompt":"p","lease_ms":1000,"wait_ms":1}"#),
        ("lock.acquire", #"{"name":"l","bind":"none","owner":"o"}"#),
        // Ends with a deadlock, once the graph was looked at.
        ("lock.acquire", #"{"name":"l","wait_ms":2000,"owner":"o"}"#),
        ("cache.invalidate", #"{"namespace":"n"}"#),
        ("cache.invalidate", #"{"pattern":"*"}"#),
        ("cache.invalidate", #"{"all":true}"#),
    ]

    @Test("they suffice for every method: nothing is refused", arguments: ServerKind.installed)
    func sufficient(_ kind: ServerKind) async throws {
        try await with(kind) { server, agent in
            try await callEverything(agent)
            #expect(try server.command("ACL", "LOG") == .array([]))
            #expect(try server.command("ACL", "WHOAMI").text == "default")
            let users = try server.command("CLIENT", "LIST").text ?? ""
            #expect(users.contains("user=squire"))
            #expect(!agent.log.contains(Self.password))
        }
    }

    @Test("with a prefix they suffice too, beside it the channel by which the server tells of changes")
    func prefixed() async throws {
        try await with(.preferred, prefix: "shop:") { server, agent in
            // Patterns of clients have to be granted as they are written.
            try server.command("ACL", "SETUSER", "squire", "&shop:orders.*", "&shop:c*")
            try await callEverything(agent)
            try await keepCopy(agent)
            #expect(try server.command("ACL", "LOG") == .array([]))
        }
    }

    @Test("where clients may use some channels only, those that the file names suffice, and none can be missing")
    func someChannels() async throws {
        let ours = try await Self.agentChannels()
        #expect(ours.count > 3 && ours.contains(Self.tracking))
        try await with(.preferred) { server, agent in
            try grant(ours, server)
            try await callEverything(agent)
            try await keepCopy(agent)
            #expect(try server.command("ACL", "LOG") == .array([]))
            for channel in ours {
                try grant(ours.filter { $0 != channel }, server)
                try server.command("ACL", "LOG", "RESET")
                // What is subscribed to once for all is subscribed to anew.
                try server.command("CLIENT", "KILL", "USER", "squire")
                try await waitUntil("\(channel) is refused") {
                    try await callEverything(agent)
                    return try server.command("ACL", "LOG").elements?.isEmpty == false
                }
            }
        }
    }

    /// Grants these channels, those of the clients in ``callEverything(_:)``, and no others.
    private func grant(_ channels: [String], _ server: ValkeyServer) throws {
        let words =
            ["ACL", "SETUSER", "squire", "resetchannels", "&news", "&alerts", "&orders.*", "&c", "&c*"] + channels
        #expect(try server.connect().command(words.map { Array($0.utf8) }) == .simple("OK"))
    }

    /// Waits until the agent keeps a copy of what was read, for which it has to be told of changes.
    private func keepCopy(_ agent: Daemon) async throws {
        try await waitUntil("what was read is kept") {
            _ = try await agent.call("cache.set", #"{"key":"copied","value":1}"#)
            _ = try await agent.call("cache.get", #"{"key":"copied"}"#)
            return try await agent.call("cache.get", #"{"key":"copied"}"#)?.object?["source"]?.string == "near"
        }
    }

    @Test("none of them can be missing: each is refused where it is taken away", arguments: ServerKind.installed)
    func necessary(_ kind: ServerKind) async throws {
        let commands = try await Self.commands()
        #expect(commands.count > 10)
        try await with(kind) { server, agent in
            for command in commands {
                try server.command("ACL", "SETUSER", "squire", "-\(command)")
                try server.command("ACL", "LOG", "RESET")
                try server.command("SCRIPT", "FLUSH")
                // It is sent on a new connection, and on one that is silent while calls wait.
                if command == "ping" || command.hasPrefix("client|") {
                    try server.command("CLIENT", "KILL", "USER", "squire")
                }
                try await waitUntil("\(command) is refused") {
                    try await callEverything(agent)
                    return try server.command("ACL", "LOG").elements?.isEmpty == false
                }
                try server.command("ACL", "SETUSER", "squire", "+\(command)")
                try await agent.becomeConnected()
            }
        }
    }

    @Test("keys of others and commands of operators are out of reach", arguments: ServerKind.installed)
    func others(_ kind: ServerKind) async throws {
        try await with(kind) { server, _ in
            let client = try server.connect()
            #expect(try client.command("AUTH", "squire", Self.password) == .simple("OK"))
            for words in [
                ["GET", "other"], ["SET", "cachet", "1"], ["SPUBLISH", "c", "m"], ["FLUSHALL"], ["CONFIG", "GET", "*"],
                ["KEYS", "*"], ["EVAL", "return 1", "0"], ["SCRIPT", "FLUSH"], ["ACL", "LIST"],
                ["SHUTDOWN"], ["CLIENT", "LIST"],
            ] {
                let reply = try client.command(words.map { Array($0.utf8) })
                guard case .error(let text) = reply else {
                    Issue.record("\(words[0]) was not refused")
                    continue
                }
                #expect(text.hasPrefix("NOPERM"))
            }
        }
    }
}

@Suite("A server that does not let us in says what to change, and no password is repeated")
struct AuthenticationTests {
    private func fault(
        _ server: ValkeyServer,
        password: String?,
        user: String? = nil
    ) async throws -> String {
        try await withTemporaryDirectory { directory in
            var environment: [String: String] = [:]
            if let password {
                try File.write(password, to: "\(directory)/password")
                environment["SQUIRE_VALKEY_PASSWORD_FILE"] = "\(directory)/password"
            }
            environment["SQUIRE_VALKEY_USER"] = user
            let url = "unix://\(server.socketPath)"
            return try await withDaemon(arguments: ["--valkey", url], environment: environment) { agent in
                let fault = try await agent.fault()
                if let password { #expect(!agent.log.contains(password)) }
                return fault
            }
        }
    }

    @Test(
        "no password, a wrong one, a user that is not there, a right that is missing",
        arguments: ServerKind.installed
    )
    func refusals(_ kind: ServerKind) async throws {
        try await withValkeyServer(kind) { server in
            let operations = try server.connect()
            try operations.command("ACL", "SETUSER", "poor", "on", ">right-secret", "~*", "-@all", "+get")
            try operations.command("CONFIG", "SET", "requirepass", "other-secret")
            let none = try await fault(server, password: nil)
            #expect(none.contains("asks for a password") && none.contains("valkey.password_file"))
            let wrong = try await fault(server, password: "wrong-secret")
            #expect(wrong.contains("refused the password of user default"))
            let stranger = try await fault(server, password: "wrong-secret", user: "stranger")
            #expect(stranger.contains("refused the password of user stranger"))
            let poor = try await fault(server, password: "right-secret", user: "poor")
            #expect(poor.contains("user poor lacks a permission") && poor.contains("config/valkey.acl"))
        }
    }

    @Test("a password that was changed is taken up on SIGHUP", arguments: ServerKind.installed)
    func rotation(_ kind: ServerKind) async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/password"
            try File.write("old", to: path)
            try await withValkeyServer(kind) { server in
                let operations = try server.connect()
                try operations.command("ACL", "SETUSER", "squire", "on", ">old", "~*", "+@all")
                let environment = ["SQUIRE_VALKEY_PASSWORD_FILE": path, "SQUIRE_VALKEY_USER": "squire"]
                let url = "unix://\(server.socketPath)"
                try await withDaemon(arguments: ["--valkey", url], environment: environment) { agent in
                    try await agent.becomeConnected()
                    try operations.command("ACL", "SETUSER", "squire", ">new", "<old")
                    try operations.command("CLIENT", "KILL", "USER", "squire")
                    try await agent.logs("refused the password of user squire")
                    try File.write("new", to: path)
                    try agent.process.signal(SIGHUP)
                    try await agent.becomeConnected()
                }
            }
        }
    }
}
