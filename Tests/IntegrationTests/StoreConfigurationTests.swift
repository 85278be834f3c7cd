import TestSupport
import Testing

/// The configurations in `config/`, read by the real servers.
struct StoreConfigurationTests {
    private static func path(_ name: String) -> String {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/config/" + name
    }

    private func setting(_ name: String, of server: ValkeyServer) throws -> String? {
        try server.command("CONFIG", "GET", name).elements?.last?.text
    }

    @Test("a cache store forgets what was not used, and begins warm after a stop", arguments: ServerKind.installed)
    func cacheStore(_ kind: ServerKind) async throws {
        try await withValkeyServer(kind, configuration: Self.path("valkey.conf")) { server in
            #expect(try setting("maxmemory", of: server) == "268435456")
            #expect(try setting("maxmemory-policy", of: server) == "allkeys-lru")
            #expect(try setting("appendonly", of: server) == "no")
            try server.command("SET", "key", "value")
            try await server.shutDown()
            try await server.start()
            #expect(try server.command("GET", "key").text == "value")
        }
    }

    @Test("a state store evicts nothing, and has all that it answered after a crash", arguments: ServerKind.installed)
    func stateStore(_ kind: ServerKind) async throws {
        try await withValkeyServer(kind, configuration: Self.path("valkey-state.conf")) { server in
            #expect(try setting("maxmemory-policy", of: server) == "noeviction")
            #expect(try setting("appendfsync", of: server) == "everysec")
            try server.command("SET", "key", "value")
            try await server.restart()
            #expect(try server.command("GET", "key").text == "value")
            try await server.shutDown()
            try await server.start()
            #expect(try server.command("GET", "key").text == "value")
        }
    }

    @Test("a server writes nothing into its log that warns of the configuration", arguments: ServerKind.installed)
    func warnings(_ kind: ServerKind) async throws {
        for name in ["valkey.conf", "valkey-state.conf"] {
            try await withValkeyServer(kind, configuration: Self.path(name)) { server in
                let warnings = server.log.split(separator: "\n").filter {
                    $0.contains("WARNING") && !$0.contains("overcommit") && !$0.contains("Transparent Huge")
                        && !$0.contains("somaxconn")
                }
                #expect(warnings.isEmpty)
            }
        }
    }
}
