import JSON
import Observability
import TestSupport
import Testing

@testable import Configuration

@Suite("The table of options, and what is made of it")
struct TableTests {
    private static func path(_ name: String) -> String {
        #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/" + name
    }

    private static func document(_ name: String) throws -> Document {
        try Document.parse(try File.bytes(path(name)))
    }

    private static func pointer(_ option: Option) -> String {
        "/" + option.name.replacing(".", with: "/")
    }

    @Test("Every default is a value that its option takes")
    func defaults() throws {
        var configuration = Configuration.standard
        for option in Option.all where option.defaultRule == nil {
            try option.set(option.defaultValue, in: &configuration)
            #expect(option.value(in: configuration) == option.defaultValue)
        }
    }

    @Test("Names, variables and flags are each given once, and every level is described")
    func names() {
        let variables = Option.all.flatMap(\.variables).map(\.name) + [ServerVariables.host, ServerVariables.port]
        #expect(Set(Option.all.map(\.name)).count == Option.all.count)
        #expect(Set(variables).count == variables.count)
        #expect(Set(Option.all.compactMap(\.flag)) == [.socket, .stateDirectory, .valkey, .state])
        for option in Option.all {
            guard let dot = option.name.lastIndex(of: "."), !option.name.hasPrefix("namespaces.") else { continue }
            #expect(Section.all.contains { $0.name == option.name[..<dot] }, "\(option.name)")
        }
    }

    @Test("Relations are between options that hold integers")
    func relations() {
        for name in Relation.all.flatMap({ [$0.lesser, $0.greater] }) {
            #expect(Option.all.first { $0.name == name }?.schema["type"] == "integer", "\(name)")
        }
    }

    @Test("The example holds every option at its default and nothing else, and is without fault")
    func example() async throws {
        let path = Self.path("config/squire.json")
        let example = try Self.document("config/squire.json")
        for option in Option.all {
            #expect(example[pointer: Self.pointer(option)] == option.defaultValue, "\(option.name)")
        }
        let variables = ["HOME": "/home/ada"]
        let configuration = try await Loading.configuration(flags: ["--config", path], variables: variables)
        let standard = try await Loading.configuration(variables: variables)
        #expect(configuration.values.map(\.value) == standard.values.map(\.value))
        #expect(configuration.values.map(\.name) == standard.values.map(\.name))
        for value in configuration.values {
            let isUnset = Option.all.first { $0.name == value.name }?.defaultRule != nil
            #expect(value.origin == (isUnset ? .default : .file), "\(value.name)")
        }
    }

    @Test("The schema describes every option as the table does")
    func schema() throws {
        let schema = try Self.document("config/squire.schema.json")
        for option in Option.all {
            let path =
                "/properties"
                + Self.pointer(option).dropFirst().split(separator: "/").map { "/\($0)" }
                .joined(separator: "/properties")
            #expect(schema[pointer: path] == option.schema, "\(option.name)")
        }
    }

    @Test("The reference names every option, variable and flag")
    func reference() throws {
        let page = try File.text(Self.path("docs/reference/configuration.md"))
        for option in Option.all {
            #expect(page.contains("| `\(option.name)` |"))
            for variable in option.variables.dropFirst() { #expect(page.contains("| `\(variable.name)` |")) }
        }
        for flag in Flag.allCases { #expect(page.contains("| `\(flag.usage)` |")) }
    }

    @Test("Options of a section stand together, so that reference and manual have each once")
    func sections() throws {
        let levels = Option.all.map { String($0.name.prefix { $0 != "." }) }
        var sections: [String] = []
        for level in levels where sections.last != level { sections.append(level) }
        #expect(Set(sections).count == sections.count, "\(sections)")
        for (path, mark) in [("docs/reference/configuration.md", "## "), ("docs/man/squire.json.5", ".SS ")] {
            let headings = try File.text(Self.path(path)).split(separator: "\n").filter { $0.hasPrefix(mark) }
            #expect(headings.count > 10 && Set(headings).count == headings.count, "\(path)")
        }
    }

    @Test("A variable gives a list in the form that the reference says")
    func lists() async throws {
        let variables = [
            "SQUIRE_SESSIONS_KEY_FILES": "/a:/b", "SQUIRE_AUDIT_CLASSES": "denials,cache",
            "SQUIRE_SOCKETS": #"[{"name": "a", "path": "/s"}]"#,
        ]
        let lists = Option.all.filter { $0.listForm != nil }
        #expect(Set(lists.map { $0.variables[0].name }) == Set(variables.keys))
        let configuration = try await Loading.configuration(variables: variables)
        #expect(configuration.sessions.keyFiles == ["/a", "/b"])
        #expect(configuration.audit.classes == ["denials", "cache"])
        #expect(configuration.sockets.map(\.path) == ["/s"])
        let page = try File.text(Self.path("docs/reference/configuration.md"))
        for option in lists { #expect(page.contains("\(option.listForm ?? "") (`\(option.variables[0].name)`)")) }
    }

    @Test("null is taken where the default is told in words, and for lives, as the reference says")
    func null() async throws {
        for option in Option.all {
            let levels = option.name.split(separator: ".")
            let open = levels.map { "{\"\($0)\":" }.joined()
            let faults = try await Loading.faults("\(open)null\(String(repeating: "}", count: levels.count))")
            let isTaken = option.defaultRule != nil || option.expectation.hasSuffix("or null for no end")
            #expect(faults.isEmpty == isTaken, "\(option.name): \(faults)")
        }
        let page = try File.text(Self.path("docs/reference/configuration.md"))
        #expect(page.contains("every other option refuses it"))
    }

    @Test("null in a namespace is what holds for all entries, and for its life no end")
    func nullInNamespaces() async throws {
        let text = """
            {"cache": {"tier": "valkey", "degraded": "error", "ttl_jitter_percent": 5, "compress_bytes": 6, "encrypt": true},
             "namespaces": {"a": {"tier": null, "degraded": null, "ttl_jitter_percent": null, "compress_bytes": null,
              "encrypt": null, "ttl_ms": null}}}
            """
        let configuration = try await Loading.configuration(text)
        let cache = configuration.cache
        #expect(cache[tierIn: "a"] == "valkey" && cache[degradedIn: "a"] == "error")
        #expect(cache[jitterIn: "a"] == 5 && cache[compressBytesIn: "a"] == 6 && cache[isEncryptedIn: "a"])
        #expect(cache[lifeIn: "a"] == nil && cache[lifeIn: "b"] == .seconds(300))
        #expect(configuration.shown("namespaces.a.tier") == nil)
        #expect(configuration.shown("namespaces.a.ttl_ms") == "null file")
        for option in Option.all(ofNamespace: "a") {
            let level = option.name.split(separator: ".").last ?? ""
            let faults = try await Loading.faults(#"{"namespaces": {"a": {"\#(level)": null}}}"#)
            #expect(faults.isEmpty == (option.defaultRule != nil), "\(option.name)")
        }
    }

    @Test(
        "Sizes are read as Valkey reads them",
        arguments: [
            ("1048576", 1 << 20), ("1mb", 1 << 20), ("2M", 2_000_000), ("1GB", 1 << 30), ("3g", 3_000_000_000),
            ("5kB", 5120), ("7k", 7000), ("9b", 9), ("", nil), ("mb", nil), ("1 mb", nil), ("1tb", nil), ("-1", nil),
            ("1.5gb", nil), ("99999999999gb", nil),
        ] as [(String, Int64?)]
    )
    func sizes(_ text: String, _ bytes: Int64?) async throws {
        #expect(MemorySize.bytes(text) == bytes)
        let isLarge = bytes.map { $0 >= 1 << 20 } ?? false
        let faults = try await Loading.faults(#"{"embedded": {"cache": {"maxmemory": "\#(text)"}}}"#)
        #expect(faults.isEmpty == isLarge)
    }

    @Test(
        "Modes are octal digits that let others not write",
        arguments: [
            ("0660", 0o660), ("600", 0o600), ("0755", 0o755), ("0662", nil), ("777", nil), ("0o660", nil),
            ("1660", nil),
            ("66", nil), ("+660", nil), ("0668", nil),
        ] as [(String, UInt32?)]
    )
    func modes(_ text: String, _ mode: UInt32?) async throws {
        let file = #"{"socket": {"mode": "\#(text)"}}"#
        guard let mode else {
            #expect(try await Loading.faults(file).count == 1)
            return
        }
        #expect(try await Loading.configuration(file).socket.mode == mode)
    }

    @Test("What is configured reaches the member that the agent uses")
    func members() async throws {
        let text = """
            {"log": {"level": "debug", "format": "json"}, "valkey": {"prefix": "é:", "connect_timeout_ms": 10},
             "embedded": {"executable": "/bin/v", "state": {"appendfsync": "always"}}, "shutdown": {"grace_ms": 0},
             "limits": {"deadline_ms": 1, "sweep_deadline_ms": 2, "key_bytes_max": 16, "connections_max": 1}}
            """
        let configuration = try await Loading.configuration(text)
        #expect(configuration.log == Configuration.Log(level: .debug, format: .json))
        #expect(configuration.valkey.prefix == "é:")
        #expect(configuration.valkey.connectTimeout == .milliseconds(10))
        #expect(configuration.embedded.executable == "/bin/v")
        #expect(configuration.embedded.stateAppendFsync == "always")
        #expect(configuration.shutdown.grace == .zero)
        #expect(configuration.limits.deadline == .milliseconds(1))
        #expect(configuration.limits.sweepDeadline == .milliseconds(2))
        #expect(configuration.limits.keyBytesMax == 16)
        #expect(configuration.limits.connectionsMax == 1)
    }
}
