import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("TLS with a server that proves who it is")
struct TLSTests {
    private func write(_ text: String, to path: String) throws {
        try File.write(text, to: "\(path).new")
        try FileSystem.rename("\(path).new", to: path)
    }

    @Test("values pass, also with a certificate of our own", arguments: ServerKind.speakingTLS, [false, true])
    func exchange(_ kind: ServerKind, _ asksForCertificate: Bool) async throws {
        try await TLSFixture.with(kind) { fixture in
            let own = asksForCertificate ? try await fixture.authority.issue("agent") : nil
            try await fixture.withServer(asksForCertificate: asksForCertificate) { server, port in
                try await fixture.withAgent("valkeys://localhost:\(port)", certificate: own) { agent in
                    try await agent.becomeConnected()
                    #expect(try await agent.call("cache.set", #"{"key":"k","value":[1,2]}"#) == ["stored": true])
                    let entry = try await agent.call("cache.get", #"{"key":"k"}"#)
                    #expect(entry?.object?["value"] == [1, 2])
                    #expect(try server.command("GET", "cache:k").text == "[1,2]")
                    #expect(agent.log.contains("transport=TLSv1.3"))
                }
            }
        }
    }

    @Test(
        "the certificate may name an address, or a name that the options give",
        arguments: [("IP:127.0.0.1", [:]), ("DNS:valkey.example", ["SQUIRE_VALKEY_TLS_SERVER_NAME": "valkey.example"])]
    )
    func names(_ alternatives: String, _ options: [String: String]) async throws {
        try await TLSFixture.with { fixture in
            let certificate = try await fixture.authority.issue("server", for: alternatives)
            try await fixture.withServer(certificate) { _, port in
                try await fixture.withAgent("rediss://127.0.0.1:\(port)", options: options) { agent in
                    try await agent.becomeConnected()
                }
            }
        }
    }

    @Test("a connection that is made again resumes the session", arguments: ["TLSv1.2", "TLSv1.3"])
    func resumption(_ version: String) async throws {
        try await TLSFixture.with { fixture in
            try await fixture.withServer(arguments: ["--tls-protocols", version]) { server, port in
                try await fixture.withAgent("valkeys://localhost:\(port)") { agent in
                    try await agent.becomeConnected()
                    #expect(!agent.log.contains("resumed"))
                    try server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                    try await agent.logs("\(version) resumed")
                    #expect(try await agent.call("cache.set", #"{"key":"k","value":1}"#) == ["stored": true])
                }
            }
        }
    }

    @Test("certificates that were renewed are taken up on SIGHUP by new connections; faulty ones are not")
    func rotation() async throws {
        try await TLSFixture.with { fixture in
            let next = try await CertificateAuthority(in: fixture.directory, name: "next")
            let own = try await fixture.authority.issue("agent")
            let trusted = "\(fixture.directory)/trusted.crt"
            try write(try File.text(fixture.authority.certificateFile), to: trusted)
            let certificate = try await fixture.authority.issue("server")
            try await fixture.withServer(certificate, asksForCertificate: true) { server, port in
                let url = "valkeys://localhost:\(port)"
                try await fixture.withAgent(url, authorities: trusted, certificate: own) { agent in
                    try await agent.becomeConnected()
                    // The server goes over to the other authority: for its own certificate, and for those of clients.
                    let renewed = try await next.issue("renewed")
                    try server.command(
                        "CONFIG",
                        "SET",
                        "tls-cert-file",
                        renewed.certificateFile,
                        "tls-key-file",
                        renewed.keyFile,
                        "tls-ca-cert-file",
                        next.certificateFile
                    )
                    #expect(try await agent.call("cache.set", #"{"key":"k","value":1}"#) == ["stored": true])
                    try server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                    try await agent.logs("no trusted CA signed")
                    try write("no certificate", to: trusted)
                    try agent.process.signal(SIGHUP)
                    try await agent.logs("the old one stays")
                    #expect(agent.log.contains("valkey.tls.ca_file: \(trusted) holds no certificate"))
                    // The agent's files are renewed in their place.
                    let renewal = try await next.issue("renewal")
                    try write(try File.text(next.certificateFile), to: trusted)
                    try write(try File.text(renewal.keyFile), to: own.keyFile)
                    try write(try File.text(renewal.certificateFile), to: own.certificateFile)
                    try agent.process.signal(SIGHUP)
                    try await agent.logs("certificates read anew")
                    try await agent.becomeConnected()
                    let entry = try await agent.call("cache.get", #"{"key":"k"}"#)
                    #expect(entry?.object?["value"] == 1)
                }
            }
        }
    }

    @Test("every record may come and go in pieces of one byte")
    func slices() async throws {
        try await TLSFixture.with { fixture in
            try await fixture.withServer { server, port in
                try await SlicingRelay.with(to: port) { relay in
                    let limit = ["SQUIRE_VALKEY_CONNECT_TIMEOUT_MS": "20000"]
                    try await fixture.withAgent("valkeys://localhost:\(relay.port)", options: limit) { agent in
                        try await agent.becomeConnected()
                        for size in [1, 1000, 16_384, 40_000] {
                            let text = String(repeating: "s", count: size)
                            let params = #"{"key":"\#(size)","value":"\#(text)"}"#
                            #expect(try await agent.call("cache.set", params) == ["stored": true])
                            let entry = try await agent.call("cache.get", #"{"key":"\#(size)"}"#)
                            #expect(entry?.object?["value"]?.string == text)
                        }
                    }
                }
            }
        }
    }

    @Test("values of nearly 8 MiB pass both ways, several at once")
    func largeValues() async throws {
        try await TLSFixture.with { fixture in
            try await fixture.withServer { server, port in
                try await fixture.withAgent("valkeys://localhost:\(port)") { agent in
                    try await agent.becomeConnected()
                    let size = (8 << 20) - 1024
                    let texts = ["a", "b", "c"].map { String(repeating: $0, count: size) }
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for (key, text) in zip(["x", "y", "z"], texts) {
                            group.addTask {
                                let deadline = #""_meta":{"deadline_ms":60000}"#
                                let params = #"{"key":"\#(key)","value":"\#(text)",\#(deadline)}"#
                                #expect(try await agent.call("cache.set", params) == ["stored": true])
                                let entry = try await agent.call("cache.get", #"{"key":"\#(key)",\#(deadline)}"#)
                                #expect(entry?.object?["value"]?.string == text)
                            }
                        }
                        try await group.waitForAll()
                    }
                    #expect(try server.command("STRLEN", "cache:x").integer == Int64(size + 2))
                    #expect(try await agent.call("agent.ping") != nil)
                }
            }
        }
    }

    /// Stops the agent while the server, which is paused, takes a call that was sent to it, and answers.
    private func hold(_ agent: Daemon, until server: ValkeyServer, hasRun count: Int) async throws {
        try await waitUntil("the call was sent", within: .seconds(60)) {
            let statistics = try await agent.call("agent.stats")
            return statistics?.object?["cache_store"]?.object?["queued_commands"] == 1
        }
        try agent.process.signal(SIGSTOP)
        try server.resume()
        try await waitUntil("the server has answered", within: .seconds(60)) {
            let statistics = try server.command("INFO", "commandstats").text ?? ""
            let clients = try server.command("CLIENT", "LIST").text ?? ""
            return statistics.contains("cmdstat_get:calls=\(count),")
                && clients.split(separator: "\n").allSatisfy { $0.contains("omem=0 ") }
        }
        try agent.process.signal(SIGCONT)
    }

    @Test("replies of about the size that is read at once come whole, without another to push them")
    func readSizes() async throws {
        try await TLSFixture.with { fixture in
            try await fixture.withServer { server, port in
                // The value alone is asked for, with one command.
                let options = ["SQUIRE_CACHE_TIER": "valkey"]
                try await fixture.withAgent("valkeys://localhost:\(port)", options: options) { agent in
                    try await agent.becomeConnected()
                    // The kernel gives a connection that takes much at once a buffer that holds it.
                    try server.command("SET", "cache:large", "\"" + String(repeating: "s", count: 4 << 20) + "\"")
                    for _ in 1...3 { _ = try await agent.call("cache.get", #"{"key":"large"}"#) }
                    try server.command("CONFIG", "RESETSTAT")
                    var late = 0
                    for (index, size) in stride(from: 168_000, to: 196_000, by: 1201).enumerated() {
                        let value = "\"" + String(repeating: "s", count: size) + "\""
                        try server.command("SET", "cache:k", value)
                        try server.pause()
                        async let entry = agent.call("cache.get", #"{"key":"k","_meta":{"deadline_ms":60000}}"#)
                        try await hold(agent, until: server, hasRun: index + 1)
                        let freed = Instant.now
                        #expect(try await entry?.object?["hit"] == true)
                        if Instant.now.milliseconds(since: freed) > 900 { late += 1 }
                    }
                    // A reply that is forgotten comes with the next PING, after a second. A busy host may be late too.
                    #expect(late < 6)
                }
            }
        }
    }

    @Test("a server that stops reading costs the calls that it did not get, not the connection")
    func stoppedServer() async throws {
        try await TLSFixture.with { fixture in
            try await fixture.withServer { server, port in
                try await fixture.withAgent("valkeys://localhost:\(port)") { agent in
                    try await agent.becomeConnected()
                    try server.pause()
                    let outcomes = try await giveUp(batches: 2, of: agent)
                    try server.resume()
                    #expect(outcomes.values.contains("not_applied"))
                    #expect(outcomes.values.contains("unknown"))
                    try await waitUntil("the server has taken what was sent") {
                        try await agent.call("cache.set", #"{"key":"after","value":1}"#) == ["stored": true]
                    }
                    let refused = outcomes.filter { $0.value == "not_applied" }.map { "cache:\($0.key)" }
                    #expect(try server.connect().command((["EXISTS"] + refused).map { Array($0.utf8) }).integer == 0)
                    let statistics = try await agent.call("agent.stats")
                    // On a host so busy that the server was stopped for seconds, the agent took it for dead.
                    let isSame = statistics?.object?["cache_store"]?.object?["connections"] == 1
                    #expect(isSame || agent.log.contains("it has been silent"))
                }
            }
        }
    }

    /// Writes entries that nobody takes, several to a record of TLS, and gives the outcome of each call by its key.
    private func giveUp(batches: Int, of agent: Daemon) async throws -> [String: String] {
        let text = String(repeating: "s", count: 5000)
        return try await withThrowingTaskGroup(of: [(String, String)].self) { group in
            for batch in 0..<batches {
                group.addTask {
                    let calls = (0..<1000).map { id in
                        let params = #"{"key":"\#(batch)-\#(id)","value":"\#(text)","_meta":{"deadline_ms":600}}"#
                        return #"{"jsonrpc":"2.0","id":\#(id),"method":"cache.set","params":\#(params)}"#
                    }
                    let reply = try await agent.exchange(
                        "[" + calls.joined(separator: ",") + "]",
                        limit: .seconds(60)
                    )
                    return try Document.parse(Array(reply.utf8)).array?.map { reply in
                        let data = reply.object?["error"]?.object?["data"]?.object
                        return ("\(batch)-\(reply.object?["id"]?.integer ?? -1)", data?["outcome"]?.string ?? "none")
                    } ?? []
                }
            }
            return try await group.reduce(into: [:]) { outcomes, batch in
                for (key, outcome) in batch { outcomes[key] = outcome }
            }
        }
    }
}
