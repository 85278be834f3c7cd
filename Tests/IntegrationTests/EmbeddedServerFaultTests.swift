import EventLoop
import Glibc
import Linux
import TestSupport
import Testing
import Valkey

/// Starts that fail, and a directory that another server uses.
@Suite(.timeLimit(.minutes(1)))
struct EmbeddedServerFaultTests {
    /// What the start of a server throws; it is stopped where it does not.
    private func startError(
        _ fixture: EmbeddedServerFixture,
        _ configuration: EmbeddedServer.Configuration
    ) async -> EmbeddedServerError? {
        let server = await EmbeddedServer(configuration, log: fixture.log)
        do {
            try await server.start()
            await server.stop(grace: .zero)
            return nil
        } catch {
            return error
        }
    }

    @Test("without a server the package to install is named")
    func notInstalled() async throws {
        try await withEmbeddedServerFixture { fixture in
            var configuration = fixture.configuration(.cache())
            configuration.executable = nil
            configuration.searchPath = fixture.dataDirectory
            let error = try #require(await startError(fixture, configuration))
            #expect(error.code == .notInstalled)
            #expect(error.message.contains("apt-get install valkey-server"))
            #expect(!error.message.contains("\n"))

            configuration.executable = "/nowhere/valkey-server"
            let other = try #require(await startError(fixture, configuration))
            #expect(other.code == .notInstalled)
            #expect(other.message.contains("/nowhere/valkey-server"))
        }
    }

    @Test("Valkey is preferred to Redis, and Redis is taken where it is alone")
    func choice() async throws {
        try await withEmbeddedServerFixture { fixture in
            var configuration = fixture.configuration(.cache())
            configuration.executable = nil
            configuration.searchPath = fixture.dataDirectory + "-programs"
            #expect(unsafe mkdir(fixture.dataDirectory + "-programs", 0o700) == 0)
            let program = try #require(ServerKind.preferred.program)
            for name in ["redis-server", "valkey-server"] {
                let path = "\(fixture.dataDirectory)-programs/\(name)"
                #expect(unsafe symlink(program, path) == 0)
                try await fixture.withServer(configuration) { #expect(await $0.status.executable == path) }
            }
        }
    }

    @Test("a socket's path may have 107 bytes and no more")
    func socketPath() async throws {
        try await withEmbeddedServerFixture { fixture in
            var configuration = fixture.configuration(.cache())
            let rest = 107 - configuration.socketPath.utf8.count
            configuration.socketPath += String(repeating: "x", count: rest)
            try await fixture.withServer(configuration) { _ async throws in
                let found = try RESPClient(unixPath: configuration.socketPath).command("PING")
                #expect(found == .simple("PONG"))
            }
            configuration.socketPath += "x"
            #expect(await startError(fixture, configuration)?.code == .socketPathTooLong)
        }
    }

    @Test("values that no server would understand are refused before anything is written")
    func invalidSettings() async throws {
        try await withEmbeddedServerFixture { fixture in
            let sizes = ["", "mb", "-1", "1 mb", "1mb\nport 6379", "1tb", "0x10", "100000000000000000000", "1m\"b"]
            let policies = ["", "none", "allkeys-lru\nport 6379", "allkeys-lru noeviction"]
            var configurations = sizes.map { fixture.configuration(.cache(maximumMemory: $0)) }
            configurations += policies.map { fixture.configuration(.cache(policy: $0)) }
            for path in ["", "relative", "/with\0nul"] {
                configurations.append(fixture.configuration(.state()))
                configurations[configurations.count - 1].directory = path
                configurations.append(fixture.configuration(.state()))
                configurations[configurations.count - 1].socketPath = path
            }
            for configuration in configurations {
                #expect(await startError(fixture, configuration)?.code == .invalidSetting)
            }
            #expect(!File.exists(fixture.dataDirectory))
        }
    }

    @Test("a directory that cannot be used is named")
    func directory() async throws {
        try await withEmbeddedServerFixture { fixture in
            var configuration = fixture.configuration(.cache())
            try File.write("", to: fixture.dataDirectory)
            let error = try #require(await startError(fixture, configuration))
            #expect(error.code == .directoryUnusable)
            #expect(error.message.contains(fixture.dataDirectory))
            configuration.directory = "/proc/nowhere/data"
            #expect(await startError(fixture, configuration)?.code == .directoryUnusable)
        }
    }

    @Test("a stale socket is replaced; another server's, and what is no socket, is left alone")
    func foreignSocket() async throws {
        try await withEmbeddedServerFixture { fixture in
            let configuration = fixture.configuration(.cache())
            try File.write("precious", to: fixture.socketPath)
            #expect(await startError(fixture, configuration)?.code == .socketUnusable)
            #expect(try File.text(fixture.socketPath) == "precious")
            unsafe unlink(fixture.socketPath)

            func listen() async throws {
                let other = try Socket.listen(unixPath: fixture.socketPath, backlog: 16)
                #expect(await startError(fixture, configuration)?.code == .socketUnusable)
                _ = try Socket.connect(unixPath: fixture.socketPath)
                #expect(Socket.accept(other) >= 0)
            }
            try await listen()
            // Closed, but still there.
            #expect(File.exists(fixture.socketPath))
            try await fixture.withServer(configuration) { _ async throws in
                let found = try await fixture.command("PING")
                #expect(found == .simple("PONG"))
            }
        }
    }

    @Test("a second server on one directory is refused, and says who is there", arguments: ServerKind.installed)
    func locked(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            try await fixture.withServer(fixture.configuration(.state(), kind)) { first in
                var configuration = fixture.configuration(.state(), kind)
                configuration.socketPath += "2"
                configuration.lockTimeout = .milliseconds(120)
                let error = try #require(await startError(fixture, configuration))
                #expect(error.code == .locked)
                #expect(error.message.contains(fixture.dataDirectory))
                #expect(error.message.contains("process \(getpid()) "))
                #expect(!File.exists(configuration.socketPath))
                #expect(await first.status.isRunning)
                #expect(try await fixture.command("PING") == .simple("PONG"))
            }
        }
    }

    @Test("a start that waits for a directory can be stopped, and can be repeated when it failed")
    func stoppedStart() async throws {
        try await withEmbeddedServerFixture { fixture in
            var configuration = fixture.configuration(.state())
            configuration.lockTimeout = .zero
            let third = await EmbeddedServer(configuration, log: fixture.log)
            try await fixture.withServer(fixture.configuration(.state())) { _ async throws in
                let second = await EmbeddedServer(fixture.configuration(.state()), log: fixture.log)
                async let error = #expect(throws: EmbeddedServerError.self) { try await second.start() }
                try await waitUntil("it waits") { fixture.logText.contains("waiting for the server") }
                await second.stop()
                #expect(await error?.code == .stopped)
                await #expect(throws: EmbeddedServerError.self) { try await third.start() }
                #expect(try await fixture.command("PING") == .simple("PONG"))
            }
            try await waitUntil("the directory is free") { (try? await third.start()) != nil }
            #expect(try await fixture.command("PING") == .simple("PONG"))
            await third.stop()
        }
    }

    @Test("one that cannot live is tried again and again, and its reason reported five times")
    func hopeless() async throws {
        try await withEmbeddedServerFixture { fixture in
            var configuration = fixture.configuration(.cache())
            configuration.executable = fixture.dataDirectory + ".sh"
            let script = "#!/bin/sh\necho something before\necho the disk is made of cheese >&2\nexit 3\n"
            try File.write(script, to: fixture.dataDirectory + ".sh", mode: 0o700)
            try await fixture.withServer(configuration) { server in
                try await waitUntil("it was tried often") { await server.status.restarts >= 6 }
                let reason = "exit status 3: the disk is made of cheese"
                #expect(fixture.logText.components(of: reason) == 5)
                let status = await server.status
                #expect(status.isRunning || status.fault == reason)
            }
        }
    }

    @Test("a cache's snapshot that cannot be read is set aside, and only that", arguments: ServerKind.installed)
    func unreadableSnapshot(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            let path = "\(fixture.dataDirectory)/cache.rdb"
            try await fixture.withServer(fixture.configuration(.cache(), kind)) { _ async throws in
                try await fixture.command("SET", "key", String(repeating: "value ", count: 100))
            }
            let whole = try File.bytes(path)
            let futureVersion = Array("REDIS9999".utf8) + whole.dropFirst(9)
            for snapshot in [Array(whole.prefix(whole.count / 2)), futureVersion, Array("no snapshot".utf8)] {
                try File.write(snapshot, to: path)
                try await fixture.withServer(fixture.configuration(.cache(), kind)) { server in
                    try await waitUntil("it runs") { try await fixture.command("PING") == .simple("PONG") }
                    #expect(try await fixture.command("DBSIZE").integer == 0)
                    #expect(await server.status.restarts == 1)
                }
                #expect(try File.bytes("\(path).unreadable") == snapshot)
            }
            #expect(fixture.logText.components(of: "set aside") == 3)
        }
    }

    @Test("a state store whose log is damaged is not begun anew", arguments: ServerKind.installed)
    func damagedLog(_ kind: ServerKind) async throws {
        try await withEmbeddedServerFixture { fixture in
            let configuration = fixture.configuration(.state(synchronization: .always), kind)
            try await fixture.withServer(configuration) { _ async throws in
                try await fixture.command("SET", "key", "value")
                try await fixture.command("SET", "other", "value")
            }
            let path = "\(fixture.dataDirectory)/appendonlydir/appendonly.aof.1.incr.aof"
            let damaged = Array("nonsense".utf8) + (try File.bytes(path)).dropFirst(8)
            try File.write(damaged, to: path)
            try await fixture.withServer(configuration) { server in
                try await waitUntil("it was tried twice") { await server.status.restarts >= 2 }
            }
            #expect(try File.bytes(path) == damaged)
            #expect(!fixture.logText.contains("set aside"))
        }
    }

    @Test("a server whose program vanished comes back with it")
    func vanishedProgram() async throws {
        try await withEmbeddedServerFixture { fixture in
            var configuration = fixture.configuration(.state())
            let path = fixture.dataDirectory + "-server"
            let program = try #require(configuration.executable)
            configuration.executable = path
            #expect(unsafe symlink(program, path) == 0)
            try await fixture.withServer(configuration) { server in
                unsafe unlink(path)
                kill(try #require(await server.status.processID), SIGKILL)
                try await waitUntil("the reason is told") {
                    let status = await server.status
                    return !status.isRunning && status.fault?.contains("No such file") == true
                }
                #expect(unsafe symlink(program, path) == 0)
                try await waitUntil("it runs again") { await server.status.isRunning }
                #expect(try await fixture.command("PING") == .simple("PONG"))
            }
        }
    }
}

extension String {
    /// How often `text` occurs.
    fileprivate func components(of text: String) -> Int {
        var count = 0
        var rest = utf8[...]
        while !rest.isEmpty {
            if rest.starts(with: text.utf8) { count += 1 }
            rest = rest.dropFirst()
        }
        return count
    }
}
