import JSONRPC
import Linux
import TestSupport
import Testing

@testable import Configuration

@Suite("Which source counts")
struct PrecedenceTests {
    private static let file = #"{"socket": {"path": "/file"}, "limits": {"depth_max": 10}}"#

    @Test("Flags beat variables, variables beat the file, the file beats defaults, and each origin is told")
    func order() async throws {
        let byFile = try await Loading.configuration(Self.file)
        #expect(byFile.shown("socket.path") == #""/file" file"#)
        #expect(byFile.shown("limits.depth_max") == "10 file")
        #expect(byFile.limits.connection.depthMax == 10)

        let variables = ["SQUIRE_SOCKET_PATH": "/variable", "SQUIRE_LIMITS_DEPTH_MAX": "11"]
        let byVariable = try await Loading.configuration(Self.file, variables: variables)
        #expect(byVariable.shown("socket.path") == #""/variable" environment"#)
        #expect(byVariable.shown("limits.depth_max") == "11 environment")

        let byFlag = try await Loading.configuration(Self.file, flags: ["--socket", "/flag"], variables: variables)
        #expect(byFlag.shown("socket.path") == #""/flag" flag"#)
        #expect(byFlag.socket.path == "/flag")
        #expect(Origin.default < .file && Origin.file < .environment && Origin.environment < .flag)
    }

    @Test("An empty variable is none, and null in the file leaves to the agent what depends on the host")
    func absence() async throws {
        let text = #"{"$schema": "x", "socket": {"path": null}, "embedded": {"executable": null}}"#
        let configuration = try await Loading.configuration(text, variables: ["SQUIRE_LIMITS_DEPTH_MAX": ""])
        #expect(configuration.shown("socket.path") == #""/tmp/squire-1000/squire.sock" default"#)
        #expect(configuration.shown("embedded.executable") == "null default")
        #expect(configuration.shown("limits.depth_max") == "64 default")
    }

    @Test("Every option has a variable of its name, which beats the well-known ones")
    func variables() async throws {
        for option in Option.all {
            let name = "SQUIRE_" + option.name.uppercased().replacing(".", with: "_")
            #expect(option.variables.first == Variable(name))
        }
        let both = ["SQUIRE_SOCKET": "/known", "SQUIRE_SOCKET_PATH": "/own"]
        #expect(try await Loading.configuration(variables: both).shown("socket.path") == #""/own" environment"#)
    }

    @Test(
        "Well-known variables set their options",
        arguments: [
            ("SQUIRE_SOCKET", "/s", "socket.path", #""/s""#),
            ("VALKEY_MAXMEMORY", "1GB", "embedded.cache.maxmemory", #""1GB""#),
            ("VALKEY_MAXMEMORY_POLICY", "allkeys-lfu", "embedded.cache.maxmemory_policy", #""allkeys-lfu""#),
            ("CACHE_TTL_DEFAULT", "60", "cache.ttl_ms", "60000"),
            ("CACHE_TTL_DEFAULT", "null", "cache.ttl_ms", "null"),
            ("CACHE_TTL_RESPONSE", "1", "namespaces.response.ttl_ms", "1000"),
            ("CACHE_TTL_SESSION", "2", "namespaces.session.ttl_ms", "2000"),
            ("CACHE_TTL_CONTEXT", "3", "namespaces.context.ttl_ms", "3000"),
            ("CACHE_TTL_METADATA", "4", "namespaces.metadata.ttl_ms", "4000"),
        ]
    )
    func wellKnown(_ variable: String, _ text: String, _ option: String, _ value: String) async throws {
        let configuration = try await Loading.configuration(variables: [variable: text])
        #expect(configuration.shown(option) == "\(value) environment")
    }

    @Test("Without --config the user's file is read where it exists")
    func defaultFile() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/squire.json"
            let environment = ProcessEnvironment(["CONFIGURATION_DIRECTORY": directory, "HOME": directory])
            let absent = try Configuration.load(arguments: ["--print-config"], environment: environment, userID: 1000)
            guard case .printConfig(let text) = absent else { throw Loading.UnexpectedInvocation() }
            #expect(text.hasPrefix("# no file\n"))
            try File.write(Self.file, to: path)
            let present = try Configuration.load(arguments: [], environment: environment, userID: 1000)
            guard case .run(let configuration) = present else { throw Loading.UnexpectedInvocation() }
            #expect(configuration.file == path)
            #expect(configuration.shown("limits.depth_max") == "10 file")
        }
    }

    @Test("A configuration is read again from the same sources, and a faulty one changes nothing")
    func reload() async throws {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/squire.json"
            try File.write(Self.file, to: path)
            let environment = ProcessEnvironment(["HOME": directory])
            let arguments = ["--config=\(path)", "--socket=/flag"]
            let first = try Configuration.load(arguments: arguments, environment: environment, userID: 1000)
            guard case .run(let configuration) = first else { throw Loading.UnexpectedInvocation() }
            try File.write(#"{"limits": {"depth_max": 12}}"#, to: path)
            let reloaded = try configuration.reloaded()
            #expect(reloaded.shown("limits.depth_max") == "12 file")
            #expect(reloaded.shown("socket.path") == #""/flag" flag"#)
            try File.write(#"{"limits": {"depth_max": 1}}"#, to: path)
            let fault = ConfigurationFault("limits.depth_max must be an integer from 2 to 512")
            #expect(throws: ConfigurationError.faults([fault])) { try reloaded.reloaded() }
            #expect(configuration.shown("limits.depth_max") == "10 file")
        }
    }

    @Test("What a reload changed is named, passwords and namespaces included, a mere change of origin not")
    func changes() async throws {
        let text = #"{"valkey": {"cache_url": "valkey://u:a@h"}, "namespaces": {"gone": {"ttl_ms": 1}}}"#
        let before = try await Loading.configuration(text, variables: ["HOME": "/h"])
        let now = """
            {"valkey": {"cache_url": "valkey://u:b@h"}, "log": {"level": "debug"}, "cache": {"ttl_ms": 300000}}
            """
        let after = try await Loading.configuration(now, variables: ["HOME": "/h"])
        let names = ["log.level", "namespaces.gone.ttl_ms", "valkey.cache_url", "valkey.state_url"]
        #expect(after.changes(since: before) == names)
        #expect(after.changes(since: after).isEmpty)
    }
}
