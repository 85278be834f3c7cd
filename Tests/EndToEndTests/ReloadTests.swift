import Glibc
import JSON
import TestSupport
import Testing

@Suite("A reload")
struct ReloadTests {
    /// What the reference says becomes of another value, by option.
    private func wordsOfReference() throws -> [String: String] {
        var words: [String: String] = [:]
        for line in try File.text("docs/reference/configuration.md").split(separator: "\n") {
            let cells = line.split(separator: " | ")
            guard line.hasPrefix("| `"), cells.count >= 5 else { continue }
            words[String(cells[0].dropFirst(3).dropLast())] = String(cells[3])
        }
        return words
    }

    /// Another value than the default of every option that holds a number, a word of a few, or a truth value.
    private func others() throws -> [String: Document] {
        let schema = try Document.parse(try File.text("config/squire.schema.json"))
        var values: [String: Document] = [:]
        func walk(_ members: DocumentObject, below level: String) {
            for member in members {
                if let inner = member.value["properties"]?.object {
                    walk(inner, below: "\(level)\(member.name).")
                } else if let value = other(member.value) {
                    values[level + member.name] = value
                }
            }
        }
        walk(try #require(schema["properties"]?.object), below: "")
        return values
    }

    private func other(_ schema: Document) -> Document? {
        guard let value = schema["default"], !value.isNull else { return nil }
        if let number = value.integer {
            let isMost = number == schema["maximum"]?.integer
            return .integer(isMost ? number - 1 : number + 1)
        }
        if let truth = value.boolean { return .boolean(!truth) }
        return schema["enum"]?.array?.first { $0 != value }
    }

    @Test("takes up what the reference says it does, and names the rest as waiting for a restart")
    func reference() async throws {
        let said = try wordsOfReference()
        var values = try others()
        // Below, nothing would be told of the reload.
        values["log.level"] = "debug"
        #expect(values.count > 40)
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/squire.json"
            try File.write("{}", to: path)
            try await withDaemon(arguments: ["--config", path]) { daemon in
                let client = try AgentClient(daemon.socketPath)
                let before = try await configuration(client)
                // The options of TLS want a server that speaks it.
                let changed = values.filter { !$0.key.hasPrefix("valkey.tls.") }
                try File.write(Document.nested(changed).text(style: .compact), to: path)
                try daemon.process.signal(SIGHUP)
                try await waitUntil("the reload is told") { daemon.log.contains("configuration reloaded") }
                let after = try await configuration(client)
                let line = try #require(daemon.log.split(separator: "\n").first { $0.contains("needs_restart=") })
                let waiting = try #require(line.split(separator: " ").first { $0.hasPrefix("needs_restart=") })
                    .dropFirst("needs_restart=".count).split(separator: ",").map(String.init)
                for (option, value) in changed {
                    let isTakenUp = said[option] == "yes"
                    #expect(isTakenUp || said[option] == "restart", "\(option)")
                    #expect(after[option] == (isTakenUp ? value : before[option]), "\(option)")
                    #expect(waiting.contains(option) == !isTakenUp, "\(option)")
                }
            }
        }
    }

    /// What holds, by option.
    private func configuration(_ client: AgentClient) async throws -> [String: Document] {
        var values: [String: Document] = [:]
        for value in try await client.result(of: "agent.config")["values"]?.array ?? [] {
            values[value["name"]?.string ?? ""] = value["value"]
        }
        return values
    }
}

extension Document {
    /// An object with a level for each dot in the names.
    fileprivate static func nested(_ values: [String: Document]) -> Document {
        var members = DocumentObject()
        var inner: [String: [String: Document]] = [:]
        for (name, value) in values {
            let levels = name.split(separator: ".", maxSplits: 1).map(String.init)
            if levels.count == 1 { members[name] = value } else { inner[levels[0], default: [:]][levels[1]] = value }
        }
        for (name, values) in inner { members[name] = nested(values) }
        return .object(members)
    }
}
