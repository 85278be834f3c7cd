import Bytes
import JSON
import TestSupport
import Testing

@Suite("Values that are compressed or encrypted in Valkey")
struct EncodedTests {
    private static let long = String(repeating: "secret words ", count: 200)

    private static func configuration(_ tier: String) -> String {
        #"{"cache":{"tier":"\#(tier)"},"namespaces":{"z":{"compress_bytes":100},"e":{"encrypt":true},"#
            + #""ze":{"compress_bytes":100,"encrypt":true}}}"#
    }

    private func stored(_ agent: RunningAgent, _ key: String) throws -> [UInt8] {
        guard case .bulk(let bytes) = try agent.server.command("GET", key) else { return [] }
        return bytes
    }

    @Test(
        "are read as they were given, in every way, and lie there in another form",
        arguments: ["near+valkey", "valkey"],
        ["z", "e", "ze"]
    )
    func everyWay(tier: String, namespace: String) async throws {
        try await withAgent(configuration: Self.configuration(tier)) { agent in
            let client = try agent.connect()
            func call(_ method: String, _ members: String) async throws -> Document {
                try await client.result(of: method, #"{"namespace":"\#(namespace)",\#(members)}"#)
            }
            let long: Document = .string(Self.long)
            for (key, more) in [
                ("a", ""), ("b", #","tags":["t"],"ttl_ms":60000,"stale_ms":1000"#), ("c", #","condition":"absent""#),
            ] {
                #expect(
                    try await call("cache.set", #""key":"\#(key)","value":"\#(Self.long)"\#(more)"#) == ["stored": true]
                )
                for _ in 0..<3 {
                    let result = try await call("cache.get", #""key":"\#(key)""#)
                    #expect(result["value"] == long, "\(key)")
                }
                let life = try await call("cache.get", #""key":"\#(key)","with_ttl":true,"fresh":true"#)
                #expect(life["value"] == long && life["ttl_ms"]?.integer ?? 0 > 0)
                let bytes = try stored(agent, "cache@\(namespace):\(key)")
                #expect(bytes.starts(with: [1, UInt8(ascii: "E")]))
                #expect(!bytes.withByteView { $0.contains("secret words secret words secret words") })
                #expect((bytes.count < 700) == (namespace != "e"))
            }
            let many = #""entries":[{"key":"d","value":"\#(Self.long)"},{"key":"f","base64":"/9j/"}]"#
            #expect(try await call("cache.set_many", many) == ["stored": 2])
            let read = try await call("cache.get_many", #""keys":["a","none","d","f"]"#)["entries"]?.array
            #expect(read?[0]["value"] == long && read?[1] == ["hit": false] && read?[2]["value"] == long)
            #expect(read?[3]["base64"] == "/9j/")
            let leased = try await call("cache.get", #""key":"a","lease_ms":1000"#)
            #expect(leased["value"] == long)
            let transaction =
                #""writes":[{"op":"set","key":"g","value":1},{"op":"increment","key":"g"}],"checks":[{"key":"a","equals":"\#(Self.long)"}]"#
            #expect(try await call("cache.transact", transaction) == ["applied": true, "values": [.null, 2]])
            #expect(try await call("cache.get", #""key":"g""#)["value"] == 2)
            _ = try await call("cache.invalidate", #""tags":["t"]"#)
            #expect(try await call("cache.get", #""key":"b""#) == ["hit": false])
        }
    }

    @Test(
        "are not served from another key, nor in plain text that somebody else wrote",
        arguments: ["near+valkey", "valkey"]
    )
    func tampering(tier: String) async throws {
        try await withAgent(configuration: Self.configuration(tier)) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            func isHit(_ key: String) async throws -> Bool {
                try await client.result(of: "cache.get", #"{"namespace":"e","key":"\#(key)"}"#)["hit"] == true
            }
            for key in ["a", "b"] {
                _ = try await client.result(of: "cache.set", #"{"namespace":"e","key":"\#(key)","value":"of \#(key)"}"#)
            }
            try server.command("RENAME", "cache@e:a", "cache@e:b")
            try await waitUntil("what was moved is not served") { try await !isHit("b") }
            _ = try await client.result(of: "cache.set", #"{"namespace":"e","key":"s","value":"secret"}"#)
            for place in ["cache@plain:s", "cache@z:s", "cache:s"] { try server.command("COPY", "cache@e:s", place) }
            for namespace in ["plain", "z"] {
                let read = #"{"namespace":"\#(namespace)","key":"s","with_ttl":true}"#
                #expect(try await client.result(of: "cache.get", read) == ["hit": false], "\(namespace)")
                let both = #"{"namespace":"\#(namespace)","keys":["s","s"]}"#
                let entries = try await client.result(of: "cache.get_many", both)["entries"]
                #expect(entries == [["hit": false], ["hit": false]], "\(namespace)")
            }
            #expect(try await client.result(of: "cache.get", #"["s"]"#) == ["hit": false])
            try server.command("SET", "cache@e:c", "\"planted\"")
            try await waitUntil("plain text is not served") { try await !isHit("c") }
            let many = try await client.result(
                of: "cache.get_many",
                #"{"namespace":"e","keys":["b","c"],"fresh":true}"#
            )
            #expect(many["entries"] == [["hit": false], ["hit": false]])
            let leased = #"{"namespace":"e","key":"c","lease_ms":1000}"#
            // What cannot be read is taken away for whoever would compute it.
            #expect(try await client.result(of: "cache.get", leased)["lease"] != nil)
            #expect(try await client.result(of: "cache.stats", #"["e"]"#)["unreadable"]?.integer ?? 0 >= 4)
            for (method, members) in [
                ("cache.increment", #""key":"n""#), ("hash.set", #""key":"h","fields":{"f":1}"#),
                ("hash.increment", #""key":"h","field":"f""#),
            ] {
                let error = try await client.error(of: method, #"{"namespace":"e",\#(members)}"#)
                #expect(error["data"]?["param"] == "namespace", "\(method)")
            }
        }
    }

    @Test("keep no copies where their namespace has no tier for it, also for those who would compute")
    func noCopies() async throws {
        let configuration =
            #"{"cache":{"tier":"valkey"},"namespaces":{"n":{"tier":"near+valkey"},"e":{"encrypt":true}}}"#
        try await withAgent(configuration: configuration) { agent in
            let client = try agent.connect()
            for namespace in ["plain", "e"] {
                let set = #"{"key":"k","value":1,"namespace":"\#(namespace)"}"#
                _ = try await client.result(of: "cache.set", set)
                for _ in 0..<5 {
                    for more in [#","lease_ms":1000"#, #","with_ttl":true"#] {
                        let get = #"{"key":"k","namespace":"\#(namespace)"\#(more)}"#
                        #expect(try await client.result(of: "cache.get", get)["source"] == "valkey")
                    }
                }
            }
        }
    }
}
