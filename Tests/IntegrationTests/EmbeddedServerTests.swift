import EventLoop
import Glibc
import Linux
import TestSupport
import Testing
import Valkey

private typealias Role = EmbeddedServer.Configuration.Role

/// The life of an embedded server that starts.
@Suite(.timeLimit(.minutes(1)))
struct EmbeddedServerTests {
    @Test("it answers when its start returns, and leaves nothing behind", arguments: ServerKind.installed)
    func life(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            let server = await EmbeddedServer(fixture.configuration(.cache(), kind), log: fixture.log)
            #expect(await !server.status.isRunning)
            try await server.start()
            // At once, without waiting for it.
            #expect(try RESPClient(unixPath: fixture.socketPath).command("PING") == .simple("PONG"))
            let status = await server.status
            let processID = try #require(status.processID)
            #expect(status.isRunning)
            #expect(status.restarts == 0)
            #expect(status.executable == kind.program)
            #expect(status.fault == nil)
            #expect(getpgid(processID) == processID)

            await server.stop()
            #expect(await !server.status.isRunning)
            #expect(hasEnded(processID))
            #expect(!File.exists(fixture.socketPath))
            await server.stop()
            await #expect(throws: EmbeddedServerError.self) { try await server.start() }
        }
    }

    @Test("only its owner gets at its socket, its data and its configuration", arguments: ServerKind.installed)
    func permissions(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            try await fixture.withServer(fixture.configuration(.cache(), kind)) { _ async throws in
                #expect(try mode(fixture.socketPath) == 0o700)
                #expect(try mode(fixture.dataDirectory) == 0o700)
                #expect(try mode("\(fixture.dataDirectory)/server.conf") == 0o600)
                #expect(try mode("\(fixture.dataDirectory)/server.log") == 0o600)
                #expect(try await fixture.setting("port") == "0")
            }
        }
    }

    @Test("data is kept when it stops and starts, in both roles", arguments: ServerKind.installed)
    func keptData(_ kind: ServerKind) async throws {
        for role in [Role.cache(), .state(), .state(synchronization: .always)] {
            try await withEmbeddedServerFixture { fixture in
                try await fixture.withServer(fixture.configuration(role, kind)) { _ async throws in
                    let found = try await fixture.command("SET", "key", "value")
                    #expect(found == .simple("OK"))
                }
                try await fixture.withServer(fixture.configuration(role, kind)) { _ async throws in
                    let found = try await fixture.command("GET", "key").text
                    #expect(found == "value")
                }
            }
        }
    }

    @Test("a state store that was killed starts again and has all that it answered", arguments: ServerKind.installed)
    func crash(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            let configuration = fixture.configuration(.state(synchronization: .always), kind)
            try await fixture.withServer(configuration) { server in
                for round in 1...3 {
                    let processID = try #require(await server.status.processID)
                    try await fixture.command("SET", "key \(round)", "value")
                    kill(processID, SIGKILL)
                    try await waitUntil("it runs again") {
                        let status = await server.status
                        return status.isRunning && status.processID != processID
                    }
                    #expect(try await fixture.command("DBSIZE").integer == Int64(round))
                    #expect(await server.status.restarts == UInt64(round))
                    #expect(await server.status.fault == nil)
                }
                #expect(fixture.logText.contains("signal 9"))
            }
        }
    }

    @Test("one that somebody else ends is started again, and not after its stop")
    func terminated() async throws {
        try await withEmbeddedServerFixture { fixture in
            let server = await EmbeddedServer(fixture.configuration(.cache()), log: fixture.log)
            try await server.start()
            let processID = try #require(await server.status.processID)
            try await fixture.command("SET", "key", "value")
            kill(processID, SIGTERM)
            try await waitUntil("it runs again") { await server.status.restarts == 1 }
            #expect(try await fixture.command("GET", "key").text == "value")
            #expect(fixture.logText.contains("exit status 0"))

            // The end and the stop meet: whichever comes first, nothing is started afterwards.
            kill(try #require(await server.status.processID), SIGKILL)
            await server.stop()
            let status = await server.status
            #expect(!status.isRunning)
            #expect(throws: SystemError.self) { try RESPClient(unixPath: fixture.socketPath) }
            try await fixture.withServer(fixture.configuration(.cache())) { _ in }
            #expect(await server.status.restarts == status.restarts)
        }
    }

    @Test("what the roles promise is in force", arguments: ServerKind.installed)
    func settings(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            try await fixture.withServer(fixture.configuration(.cache(), kind)) { _ async throws in
                #expect(try await fixture.setting("maxmemory") == "268435456")
                #expect(try await fixture.setting("maxmemory-policy") == "allkeys-lru")
                #expect(try await fixture.setting("appendonly") == "no")
                #expect(try await fixture.setting("save")?.isEmpty == true)
            }
            let configuration = fixture.configuration(.cache(maximumMemory: "5MB", policy: "allkeys-lfu"), kind)
            try await fixture.withServer(configuration) { _ async throws in
                #expect(try await fixture.setting("maxmemory") == "5242880")
                #expect(try await fixture.setting("maxmemory-policy") == "allkeys-lfu")
            }
        }
        for synchronization in [EmbeddedServer.Configuration.Synchronization.everySecond, .always] {
            try await withEmbeddedServerFixture { fixture in
                let configuration = fixture.configuration(.state(synchronization: synchronization), kind)
                try await fixture.withServer(configuration) { _ async throws in
                    #expect(try await fixture.setting("maxmemory-policy") == "noeviction")
                    #expect(try await fixture.setting("appendonly") == "yes")
                    #expect(try await fixture.setting("appendfsync") == synchronization.rawValue)
                    #expect(try await fixture.setting("save")?.isEmpty == true)
                }
            }
        }
    }

    @Test("no value can bring in a setting of its own", arguments: ServerKind.installed)
    func injection(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            let base = fixture.configuration(.cache(), kind)
            let names = [
                "with spaces", "\"quoted\" 'twice'", "back\\slash\\x41\\", "new\nmaxclients 7", "\r\nmaxclients 7\r\n",
                "\" maxclients 7 \"", "# no comment", "umlaut ä\t\u{7f}",
            ]
            for name in names {
                var configuration = base
                configuration.directory = "\(base.directory) \(name)"
                configuration.socketPath = "\(base.socketPath) \(name)"
                try await fixture.withServer(configuration) { _ async throws in
                    let client = try RESPClient(unixPath: configuration.socketPath)
                    let directory = try client.command("CONFIG", "GET", "dir").elements?.last?.text
                    #expect(directory == configuration.directory)
                    #expect(try client.command("CONFIG", "GET", "maxclients").elements?.last?.text == "500")
                }
                #expect(File.exists("\(configuration.directory)/cache.rdb"))
            }
        }
    }

    @Test("one that does not end in time is ended by force")
    func grace() async throws {
        try await withEmbeddedServerFixture { fixture in
            let server = await EmbeddedServer(fixture.configuration(.state()), log: fixture.log)
            try await server.start()
            let processID = try #require(await server.status.processID)
            kill(processID, SIGSTOP)
            async let other: Void = server.stop()
            await server.stop(grace: .milliseconds(20))
            await other
            #expect(hasEnded(processID))
            #expect(!File.exists(fixture.socketPath))
            #expect(fixture.logText.contains("signal 9"))
        }
    }

    private func mode(_ path: String) throws -> UInt32 {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw SystemError.current("stat \(path)") }
        return status.st_mode & 0o777
    }
}
