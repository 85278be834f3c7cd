import JSON
import JSONRPC
import Linux
import Testing
import Valkey

@testable import Configuration

@Suite("Defaults")
struct DefaultTests {
    @Test("Without file, variables and flags every option is at its default")
    func nothing() async throws {
        let configuration = try await Loading.configuration(variables: ["HOME": "/home/ada"])
        #expect(configuration.values.allSatisfy { $0.origin == .default })
        #expect(configuration.values.map(\.name) == Option.all.map(\.name))
        #expect(configuration.file == nil)
        #expect(configuration.socket.path == "/tmp/squire-1000/squire.sock")
        #expect(configuration.socket.mode == 0o600)
        #expect(configuration.stateDirectory == "/home/ada/.local/state/squire")
        #expect(configuration.valkey.endpoints == nil)
        #expect(configuration.cache.life == .seconds(300))
        #expect(configuration.limits.connection.fault() == nil)
    }

    @Test("The agent of root serves its group")
    func root() async throws {
        let configuration = try await Loading.configuration("{}", userID: 0)
        #expect(configuration.socket == Configuration.Socket(path: "/run/squire/squire.sock", mode: 0o660))
        #expect(configuration.shown("socket.mode") == #""0660" default"#)
        #expect(configuration.stateDirectory == "/var/lib/squire")
    }

    @Test("A link is what it is by default, unless something is configured")
    func link() async throws {
        let endpoint = Endpoint(address: .tcp(host: "localhost", port: 6379))
        let usual = LinkConfiguration(endpoint: endpoint)
        let link = try await Loading.configuration().link(to: endpoint)
        #expect(link.connections == usual.connections)
        #expect(link.connectTimeout == usual.connectTimeout)
        #expect(link.commandsMax == usual.commandsMax)
        #expect(link.queuedBytesMax == usual.queuedBytesMax)
        #expect(link.replyBytesMax == usual.replyBytesMax)
        let text = #"{"valkey": {"connections": 3}, "limits": {"reply_bytes_max": 33554432}}"#
        let changed = try await Loading.configuration(text).link(to: endpoint)
        #expect(changed.connections == 3)
        #expect(changed.replyBytesMax == 64 << 20)
    }

    @Test("Namespaces keep their lives, and others have that of the cache")
    func namespaces() async throws {
        let text =
            #"{"cache": {"ttl_ms": null}, "namespaces": {"a.b-c_1": {"ttl_ms": 5}, "context": {"ttl_ms": null}}}"#
        let configuration = try await Loading.configuration(text)
        #expect(configuration.cache.life == .none)
        #expect(configuration.cache.namespaceLives["a.b-c_1"] == .milliseconds(5))
        #expect(configuration.cache.namespaceLives["context"] == .some(nil))
        #expect(configuration.cache.namespaceLives["response"] == .seconds(3600))
        #expect(configuration.cache.life == nil)
        #expect(configuration.shown("namespaces.a.b-c_1.ttl_ms") == "5 file")
        #expect(configuration.shown("namespaces.context.ttl_ms") == "null file")
        #expect(configuration.shown("namespaces.session.ttl_ms") == "86400000 default")
    }
}
