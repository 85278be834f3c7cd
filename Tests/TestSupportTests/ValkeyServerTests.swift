import Linux
import TestSupport
import Testing

struct ValkeyServerTests {
    @Test("a server is installed; tests for each server run against those that are")
    func installed() {
        #expect(!ServerKind.installed.isEmpty)
    }

    @Test("a server answers on its socket and its port, and is gone afterwards", arguments: ServerKind.installed)
    func life(_ kind: ServerKind) async throws {
        let path = try await withValkeyServer(kind, tcp: true) { server in
            #expect(try server.command("SET", "key", "value") == .simple("OK"))
            let port = try #require(server.port)
            #expect(try RESPClient(port: port).command("GET", "key").text == "value")
            return server.socketPath
        }
        #expect(!File.exists(path))
    }

    @Test("a server that crashed starts again on its data", arguments: ServerKind.installed)
    func restart(_ kind: ServerKind) async throws {
        try await withValkeyServer(kind, arguments: ["--appendonly", "yes", "--appendfsync", "always"]) { server in
            let connection = try server.connect()
            try connection.command("SET", "key", "value")
            server.kill()
            #expect(throws: SystemError.self) { try server.command("PING") }
            #expect(throws: SystemError.self) { try connection.command("PING") }
            try await server.start()
            #expect(try server.command("GET", "key").text == "value")
        }
    }

    @Test("a paused server answers nothing until it runs on")
    func pause() async throws {
        try await withValkeyServer { server in
            try server.pause()
            let connection = try RESPClient(unixPath: server.socketPath, limit: .milliseconds(50))
            #expect(throws: FixtureError.self) { try connection.command("PING") }
            try server.resume()
            try await waitUntil("the late answer arrives") { (try? connection.receive()) == .simple("PONG") }
        }
    }

    @Test("a setting that the server refuses is told with the end of its log")
    func refusedSetting() async throws {
        let error = await #expect(throws: FixtureError.self) {
            try await withValkeyServer(arguments: ["--no-such-setting", "1"]) { _ in }
        }
        #expect(error?.description.contains("no-such-setting") == true)
    }

    @Test("an error of the body arrives, and the server is gone")
    func bodyFails() async throws {
        struct BodyError: Error {}
        var directory = ""
        await #expect(throws: BodyError.self) {
            try await withValkeyServer { server in
                directory = server.directory
                throw BodyError()
            }
        }
        #expect(!directory.isEmpty)
        #expect(!File.exists(directory))
    }
}
