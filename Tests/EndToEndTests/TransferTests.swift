import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("rpc cache.dump and cache.load")
struct TransferTests {
    @Test("move a cache from one Valkey to another: every kind of value, lives, namespaces")
    func move() async throws {
        try await withTemporaryDirectory { directory in
            let file = "\(directory)/dump.ndjson"
            try await withAgent { agent in
                let client = try agent.connect()
                for (index, value) in [#"{"a" : 1.00}"#, "null", #""\u00e9""#, "9007199254740993"].enumerated() {
                    _ = try await client.result(
                        of: "cache.set",
                        #"{"key":"k\#(index)","value":\#(value),"ttl_ms":null}"#
                    )
                }
                _ = try await client.result(of: "cache.set", #"{"key":"text","text":"<p>","ttl_ms":3000000}"#)
                _ = try await client.result(of: "cache.set", #"{"key":"bytes","base64":"/9j/4A=="}"#)
                _ = try await client.result(of: "cache.set", #"{"key":"mark","base64":"AUw="}"#)
                _ = try await client.result(of: "cache.set", #"{"key":"k0","namespace":"n","value":"other"}"#)
                // A lease is no entry.
                _ = try await client.result(of: "cache.get", #"{"key":"leased","lease_ms":60000}"#)
                let many = (0..<3000).map { #"{"key":"many \#($0)","value":\#($0)}"# }
                for start in stride(from: 0, to: 3000, by: 1000) {
                    let entries = many[start..<(start + 1000)].joined(separator: ",")
                    _ = try await client.result(of: "cache.set_many", #"{"entries":[\#(entries)]}"#)
                }
                let dump = try await agent.daemon.rpc("cache.dump", file)
                #expect(dump.status == .exited(0) && dump.standardError.isEmpty, "\(dump.standardError)")
                let named = try await agent.daemon.rpc("cache.dump", "namespace=n")
                #expect(named.standardOutput.contains(#""key":"k0","namespace":"n","value":"other""#))
                let dashed = try await agent.daemon.rpc("cache.dump", "-", "namespace=n")
                #expect(dashed.standardOutput.contains(#""key":"k0","namespace":"n","value":"other""#))
                try File.write(try File.text(file) + named.standardOutput, to: file)
            }
            try await withAgent { agent in
                let load = try await agent.daemon.rpc("cache.load", file)
                #expect(load.standardOutput == "{\"loaded\":3008}\n", "\(load.standardError)")
                let client = try agent.connect()
                for (key, expected) in [
                    ("k0", #""value":{"a" : 1.00}"#), ("k1", #""value":null"#), ("k2", #""value":"\u00e9""#),
                    ("k3", #""value":9007199254740993"#), ("text", #""text":"<p>""#),
                    ("bytes", #""base64":"/9j/4A==""#),
                    ("mark", #""text":"\u0001L""#), ("many 2999", #""value":2999"#),
                ] {
                    let text = try await client.resultText(of: "cache.get", #"["\#(key)"]"#)
                    #expect(text.hasPrefix(#"{"hit":true,\#(expected),"#), "\(key): \(text)")
                }
                #expect(try await client.result(of: "cache.get", #"["k0","n"]"#)["value"] == "other")
                #expect(try await client.result(of: "cache.get", #"["leased"]"#)["hit"] == false)
                #expect(try agent.server.command("PTTL", "cache:k0").integer == -1)
                let life = try agent.server.command("PTTL", "cache:text").integer ?? 0
                #expect((1...3_000_000).contains(life))
            }
        }
    }

    @Test("go on where they were killed, and nothing is lost")
    func resume() async throws {
        try await withTemporaryDirectory { directory in
            let file = "\(directory)/dump.ndjson"
            try await withAgent { agent in
                let client = try agent.connect()
                let value = String(repeating: "v", count: 2000)
                for start in stride(from: 0, to: 10_000, by: 1000) {
                    let entries = (start..<(start + 1000)).map { #"{"key":"\#($0)","value":"\#(value)"}"# }
                    _ = try await client.result(
                        of: "cache.set_many",
                        #"{"entries":[\#(entries.joined(separator: ","))]}"#
                    )
                }
                var kills = 0
                while true {
                    let arguments = ["--socket", agent.daemon.socketPath, "cache.dump", file]
                    let process = try await LaunchedProcess.start(
                        ChildProcess.Command(executable: try Product.path("rpc"), arguments: arguments),
                        log: "\(directory)/log"
                    )
                    let before = (try? File.bytes(file).count) ?? 0
                    // Killed as soon as it has written something, a few times.
                    while try process.exitStatus == nil, kills < 5,
                        (try? File.bytes(file).count) ?? 0 <= before + 200_000
                    {
                        try await Task.sleep(for: .milliseconds(1))
                    }
                    if kills < 5 {
                        try process.signal(SIGKILL)
                        kills += 1
                    }
                    if try await process.end(within: .seconds(60)) == .exited(0) { break }
                }
                let keys = try File.text(file).split(separator: "\n").compactMap {
                    try Document.parse(String($0))["key"]?.string
                }
                #expect(Set(keys).count == 10_000)
                try agent.server.command("FLUSHALL")
                let load = try await agent.daemon.rpc("cache.load", file)
                #expect(load.status == .exited(0), "\(load.standardError)")
                #expect(try agent.server.command("DBSIZE").integer == 10_000)
            }
        }
    }

    @Test("end with the status of what went wrong")
    func failures() async throws {
        try await withAgent { agent in
            let line = #"{"key":"k","value":1}"# + "\n"
            let bad = try await agent.daemon.rpc(
                "cache.load",
                "-",
                input: Array((line + #"{"key":"k","value":1,"ttl_ms":0}"#).utf8)
            )
            #expect(bad.status == .exited(1) && bad.standardError.contains("line 2: "), "\(bad.standardError)")
            agent.server.kill()
            try await waitUntil("the agent knows it") {
                try await agent.connect().result(of: "cache.get", #"["k"]"#)["degraded"] == true
            }
            #expect(try await agent.daemon.rpc("cache.dump").status == .exited(6))
            #expect(try await agent.daemon.rpc("cache.load", "-", input: Array(line.utf8)).status == .exited(6))
        }
        let nowhere = try await runRPC(["--socket", "/nonexistent/socket", "cache.dump"])
        #expect(nowhere.status == .exited(2))
    }

    @Test("--watch of cache.stats tells figures with their rates, a line each turn")
    func watch() async throws {
        try await withTemporaryDirectory { directory in
            try await withAgent { agent in
                let arguments = ["--socket", agent.daemon.socketPath, "cache.stats", "--watch", "20ms"]
                let process = try await LaunchedProcess.start(
                    ChildProcess.Command(executable: try Product.path("rpc"), arguments: arguments),
                    log: "\(directory)/log",
                    output: "\(directory)/output"
                )
                defer { try? process.signal(SIGKILL) }
                let client = try agent.connect()
                func lines() throws -> [Document] {
                    let text = try File.text("\(directory)/output")
                    let whole = text[..<(text.lastIndex(of: "\n") ?? text.startIndex)]
                    return try whole.split(separator: "\n").map { try Document.parse(String($0)) }
                }
                try await waitUntil("a rate is told") {
                    _ = try await client.result(of: "cache.get", #"["k"]"#)
                    return try lines().contains { ($0["misses_per_s"]?.number ?? 0) > 0 }
                }
                #expect(try lines().first?["misses_per_s"] == nil)
                #expect(try lines().allSatisfy { $0["near.entries"] != nil && $0["near.entries_per_s"] == nil })
            }
        }
    }

    @Test("carry tags, stale periods and what is left of them, from and to Valkey and the agent's memory")
    func whole() async throws {
        let configuration = #"{"namespaces":{"host":{"tier":"near"},"small":{"compress_bytes":64}}}"#
        let namespaces = ["plain", "small", "host"]
        let long = String(repeating: "v", count: 500)
        func over(_ client: AgentClient, _ namespace: String) async throws {
            try await waitUntil("its life is over") {
                let get = #"{"key":"over","namespace":"\#(namespace)","fresh":true}"#
                return try await client.result(of: "cache.get", get)["stale"] == true
            }
        }
        try await withTemporaryDirectory { directory in
            try await withAgent(configuration: configuration) { agent in
                let client = try agent.connect()
                for namespace in namespaces {
                    for entry in [
                        #""key":"tagged","value":"\#(long)","ttl_ms":600000,"tags":["t","é \" "]"#,
                        #""key":"stale","value":2,"ttl_ms":600000,"stale_ms":70000,"tags":["t"]"#,
                        #""key":"over","value":3,"ttl_ms":1,"stale_ms":800000"#,
                        #""key":"endless","value":4,"ttl_ms":null,"tags":["u"]"#,
                        #""key":"gone","value":5,"ttl_ms":600000,"tags":["gone"]"#,
                        #""key":"simple","value":6,"ttl_ms":600000"#,
                    ] {
                        _ = try await client.result(of: "cache.set", #"{"namespace":"\#(namespace)",\#(entry)}"#)
                    }
                    let gone = #"{"namespace":"\#(namespace)","tags":["gone"]}"#
                    _ = try await client.result(of: "cache.invalidate", gone)
                    try await over(client, namespace)
                    let file = "\(directory)/\(namespace)"
                    let dump = try await agent.daemon.rpc("cache.dump", file, "namespace=\(namespace)")
                    #expect(dump.status == .exited(0), "\(dump.standardError)")
                }
            }
            try await withAgent(configuration: configuration) { agent in
                let client = try agent.connect()
                for namespace in namespaces {
                    let load = try await agent.daemon.rpc("cache.load", "\(directory)/\(namespace)")
                    #expect(load.standardOutput == "{\"loaded\":5}\n", "\(load.standardError)")
                    func get(_ key: String) async throws -> Document {
                        let params = #"{"key":"\#(key)","namespace":"\#(namespace)","with_ttl":true,"with_tags":true}"#
                        return try await client.result(of: "cache.get", params)
                    }
                    let tagged = try await get("tagged")
                    #expect(tagged["value"]?.string == long && tagged["tags"] == ["t", "é \" "])
                    #expect((500_000...600_000).contains(tagged["ttl_ms"]?.integer ?? 0))
                    let stale = try await get("stale")
                    #expect(stale["stale_ms"] == 70_000 && stale["tags"] == ["t"] && stale["stale"] == nil)
                    try await over(client, namespace)
                    let late = try await get("over")
                    #expect(late["value"] == 3 && late["ttl_ms"] == 0 && late["stale"] == true)
                    #expect((700_000...800_000).contains(late["stale_ms"]?.integer ?? 0))
                    let endless = try await get("endless")
                    #expect(endless["ttl_ms"] == .null && endless["tags"] == ["u"] && endless["stale_ms"] == nil)
                    let simple = try await get("simple")
                    #expect(simple["value"] == 6 && simple["tags"] == nil && simple["stale_ms"] == nil)
                    _ = try await client.result(of: "cache.invalidate", #"{"namespace":"\#(namespace)","tags":["t"]}"#)
                    #expect(try await get("tagged") == ["hit": false])
                    #expect(try await get("stale") == ["hit": false])
                    #expect(try await get("endless")["hit"] == true)
                }
            }
        }
    }
}
