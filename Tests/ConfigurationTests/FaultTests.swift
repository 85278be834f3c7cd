import JSON
import TestSupport
import Testing

@testable import Configuration

@Suite("Faults")
struct FaultTests {
    @Test(
        "A value that an option does not take is told with the name and what it may be",
        arguments: [
            (#"{"limits": {"depth_max": 1}}"#, "limits.depth_max must be an integer from 2 to 512"),
            (#"{"limits": {"depth_max": 513}}"#, "limits.depth_max must be an integer from 2 to 512"),
            (#"{"limits": {"depth_max": 64.0}}"#, "limits.depth_max must be an integer from 2 to 512"),
            (#"{"limits": {"depth_max": "64"}}"#, "limits.depth_max must be an integer from 2 to 512"),
            (#"{"limits": {"depth_max": null}}"#, "limits.depth_max must be an integer from 2 to 512"),
            (#"{"limits": []}"#, "limits must be an object"),
            (#"{"embedded": {"cache": 1}}"#, "embedded.cache must be an object"),
            (#"{"socket": {"path": "squire.sock"}}"#, "socket.path must be an absolute path of at most 107 bytes"),
            (#"{"socket": {"path": "/a\u0000b"}}"#, "socket.path must be an absolute path of at most 107 bytes"),
            (#"{"state_directory": ""}"#, "state_directory must be an absolute path of at most 4095 bytes"),
            (#"{"log": {"format": "xml"}}"#, #"log.format must be "auto", "text", "json" or "journal""#),
            (#"{"log": {"slow_ms": -1}}"#, "log.slow_ms must be an integer from 0 to 3600000"),
            (
                #"{"telemetry": {"listen": "0.0.0.0:80"}}"#,
                "telemetry.listen must be 127.0.0.1:PORT, [::1]:PORT, localhost:PORT or the absolute path of a Unix "
                    + "socket"
            ),
            (
                #"{"namespaces": {"a": {"class": null}}}"#,
                #"namespaces.a.class must be "public", "internal", "confidential" or "restricted""#
            ),
            (#"{"log": {"level": 3}}"#, #"log.level must be "error", "warning", "notice", "info" or "debug""#),
            (
                #"{"cache": {"ttl_ms": 0}}"#,
                "cache.ttl_ms must be an integer from 1 to 3153600000000, or null for no end"
            ),
            (
                #"{"embedded": {"executable": "a/b"}}"#,
                "embedded.executable must be the name of a program or an absolute path to one"
            ),
            (
                #"{"embedded": {"state": {"appendfsync": "no"}}}"#,
                #"embedded.state.appendfsync must be "everysec" or "always""#
            ),
            (
                #"{"namespaces": {"A": {}}}"#,
                "namespaces.A: a namespace's name has 1 to 64 letters a to z, digits, _, . or -"
            ),
            (#"{"namespaces": {"a": 5}}"#, "namespaces.a must be an object"),
        ]
    )
    func value(_ text: String, _ fault: String) async throws {
        #expect(try await Loading.faults(text) == [fault])
    }

    @Test(
        "A member that is unknown is a fault, with the one that was meant",
        arguments: [
            (#"{"limits": {"detph_max": 5}}"#, "limits.detph_max is unknown; did you mean limits.depth_max?"),
            (#"{"limit": {}}"#, "limit is unknown; did you mean limits?"),
            (#"{"depth_max": 5}"#, "depth_max is unknown; did you mean limits.depth_max?"),
            (#"{"colour": 5}"#, "colour is unknown"),
            (#"{"limits.depth_max": 5}"#, "limits.depth_max is unknown; levels are written as objects"),
            (
                #"{"namespaces": {"a": {"tll_ms": 5}}}"#,
                "namespaces.a.tll_ms is unknown; did you mean namespaces.a.ttl_ms?"
            ),
            (#"{"a\nb": 5}"#, #""a\nb" is unknown"#),
        ]
    )
    func unknown(_ text: String, _ fault: String) async throws {
        #expect(try await Loading.faults(text) == [fault])
    }

    @Test("Variables and flags are told by their names, beside that of the option")
    func outside() async throws {
        let variables = [
            "SQUIRE_LIMITS_DEPTH_MAX": "many", "CACHE_TTL_SESSION": "0", "CACHE_TTL_CONTEXT": "9223372036854775807",
            "VALKEY_MAXMEMORY_POLICY": "lru",
        ]
        let seconds = "a whole number of seconds from 1 to 3153600000, or null for no end"
        #expect(
            try await Loading.faults(flags: ["--socket", "x"], variables: variables) == [
                "embedded.cache.maxmemory_policy (VALKEY_MAXMEMORY_POLICY) must be \"allkeys-lru\", \"allkeys-lfu\", "
                    + "\"allkeys-random\", \"volatile-lru\", \"volatile-lfu\", \"volatile-random\", \"volatile-ttl\" or "
                    + "\"noeviction\"",
                "namespaces.session.ttl_ms (CACHE_TTL_SESSION) must be \(seconds)",
                "namespaces.context.ttl_ms (CACHE_TTL_CONTEXT) must be \(seconds)",
                "limits.depth_max (SQUIRE_LIMITS_DEPTH_MAX) must be an integer from 2 to 512",
                "socket.path (--socket) must be an absolute path of at most 107 bytes",
            ]
        )
    }

    @Test("A variable for what a namespace has in the file alone is a fault, others that no option has are not read")
    func namespaceVariables() async throws {
        let variables = [
            "SQUIRE_NAMESPACES_RESPONSE_TTL_MS": "5", "SQUIRE_NAMESPACES_RESPONSE_ENCRYPT": "true",
            "SQUIRE_NAMESPACES_PEOPLE_CLASS": "confidential", "SQUIRE_NAMESPACES_PEOPLE_TIER": "",
            "SQUIRE_CHANNEL": "news", "SQUIRE_FENCE": "1", "SQUIRE_NAMESPACE": "people",
        ]
        let reason =
            "sets nothing: of namespaces only ttl_ms of response, session, context and metadata has a variable, all else "
            + "is in the file"
        #expect(
            try await Loading.faults(variables: variables) == [
                "SQUIRE_NAMESPACES_PEOPLE_CLASS \(reason)", "SQUIRE_NAMESPACES_RESPONSE_ENCRYPT \(reason)",
            ]
        )
    }

    @Test("All faults are told, and none that follows from another")
    func all() async throws {
        let text = """
            {"limits": {"reply_bytes_max": 1, "id_bytes_max": 2000, "message_bytes_max": 1024, "key_bytes_max": 1024,
              "output_bytes_high": 1073741824}, "log": {"levle": "info"}}
            """
        let faults = try await Loading.faults(text, variables: ["VALKEY_PORT": "0"])
        #expect(
            faults == [
                "limits.reply_bytes_max must be an integer from 1024 to 268435456",
                "log.levle is unknown; did you mean log.level?",
                "VALKEY_PORT must be an integer from 1 to 65535",
                "limits.id_bytes_max must not exceed limits.message_bytes_max",
                "limits.output_bytes_high must not exceed limits.output_bytes_max",
            ]
        )
    }

    @Test("Each relation between options is checked", arguments: Relation.all)
    func relations(_ relation: Relation) async throws {
        let lesser = try #require(Option.all.first { $0.name == relation.lesser })
        let greater = try #require(Option.all.first { $0.name == relation.greater })
        let high = try #require(lesser.schema["maximum"]?.integer)
        let low = try #require(greater.schema["minimum"]?.integer)
        #expect(high > low)
        let variables = [lesser.variables[0].name: "\(high)", greater.variables[0].name: "\(low)"]
        let fault = "\(relation.lesser) must not exceed \(relation.greater)"
        #expect(try await Loading.faults(variables: variables).contains(fault))
    }

    @Test("A file that is not JSON is told with line and column, and one that is no object too")
    func syntax() async throws {
        let faults = try await Loading.faults("{\n  \"log\": {]\n}")
        #expect(faults.count == 1)
        #expect(faults.first?.contains("/squire.json: line 2, column ") == true)
        #expect(try await Loading.faults("{\"log\": {}, \"log\": {}}").first?.contains("line 1") == true)
        #expect(try await Loading.faults("[]").first?.hasSuffix("/squire.json: must hold a JSON object") == true)
        #expect(try await Loading.faults("").count == 1)
    }

    @Test("A named file that is not there is a fault")
    func missingFile() async throws {
        let faults = try await Loading.faults(flags: ["--config", "/nowhere/squire.json"])
        #expect(faults == ["/nowhere/squire.json: cannot be read: No such file or directory"])
        #expect(try await Loading.faults(flags: ["--config=/"]) == ["/: cannot be read: Is a directory"])
    }

    @Test("Embedded servers need a directory")
    func stateDirectory() async throws {
        let fault = "state_directory must be given: the embedded servers keep their data there, and HOME is not set"
        #expect(try await Loading.faults(variables: ["HOME": ""]) == [fault])
        #expect(try await Loading.faults(variables: ["HOME": "", "VALKEY_HOST": "h"]).isEmpty)
        #expect(try await Loading.faults(flags: ["--state-dir", "/d"], variables: ["HOME": ""]).isEmpty)
    }
}
