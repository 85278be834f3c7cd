import Bytes
import JSON
import Linux
import TestSupport
import Testing

@Suite("Stored responses that are encrypted in Valkey")
struct SealedResponseTests {
    private static let identity = #""model":"m","scope":"s","prompt":"p""#
    private static let get = "{\(identity)}"
    private static let leased = #"{\#(identity),"lease_ms":60000,"wait_ms":60000}"#

    private func stored(_ agent: RunningAgent, _ fingerprint: String) throws -> [UInt8] {
        guard case .bulk(let bytes) = try agent.server.command("GET", "response:\(fingerprint)") else { return [] }
        return bytes
    }

    private func put(_ client: AgentClient, _ members: String) async throws -> String {
        let result = try await client.result(of: "response.put", #"{\#(Self.identity),\#(members)}"#)
        #expect(result["stored"] == true)
        return try #require(result["fingerprint"]?.string)
    }

    @Test(
        "are read as they were given, whole and as streams, with tags, and can be invalidated",
        arguments: [#"{"namespaces":{"response":{"encrypt":true}}}"#, #"{"cache":{"encrypt":true}}"#]
    )
    func everyWay(configuration: String) async throws {
        try await withAgent(configuration: configuration) { agent in
            let (client, other) = (try agent.connect(), try agent.connect())
            let more = #""usage":{"input_tokens":7},"cost":0.5,"tags":["secret tag"]"#
            let fingerprint = try await put(client, #""response":"in clear words",\#(more)"#)
            let bytes = try stored(agent, fingerprint)
            #expect(bytes.starts(with: [1] + Array("sealed".utf8)))
            for word: StaticString in ["clear words", "secret tag", "input_tokens", "cost"] {
                #expect(!bytes.withByteView { $0.contains(word) }, "\(word)")
            }
            let hit = try await client.result(of: "response.get", Self.get)
            #expect(hit["response"] == "in clear words" && hit["usage"]?["input_tokens"] == 7)
            #expect(try await client.result(of: "response.stats")["cost_saved"]?.number == 0.5)
            // One that is out of date makes room for a lease, and is replaced under it.
            _ = try await client.result(of: "response.invalidate", #"{"tags":["secret tag"]}"#)
            let lease = try #require(try await client.result(of: "response.get", Self.leased)["lease"]?.string)
            try await other.send(
                #"{"jsonrpc":"2.0","id":1,"method":"response.get","params":\#(Self.leased)}"#
            )
            try await waitUntil("the other waits") {
                try await client.result(of: "agent.stats")["responses"]?["waiting"] == 1
            }
            let chunks = #""chunks":[{"delay_ms":1,"chunk":"secret chunk"}],"lease":"\#(lease)""#
            _ = try await put(client, chunks)
            #expect(try await other.receive().contains("secret chunk"))
            #expect(!(try stored(agent, fingerprint)).withByteView { $0.contains("secret chunk") })
            let removed = try await client.result(of: "response.invalidate", #"{"fingerprint":"\#(fingerprint)"}"#)
            #expect(removed == ["invalidated": 1])
            #expect(try await client.result(of: "response.get", Self.get)["hit"] == false)
        }
    }

    @Test("are not served from another place, nor changed, nor in plain text that somebody else wrote")
    func tampering() async throws {
        try await withAgent(configuration: #"{"namespaces":{"response":{"encrypt":true}}}"#) { agent in
            let client = try agent.connect()
            let server = try agent.server.connect()
            let fingerprint = try await put(client, #""response":1"#)
            let other = #"{"model":"m","scope":"s","prompt":"other"}"#
            let place = try #require(try await client.result(of: "response.get", other)["fingerprint"]?.string)
            try server.command("COPY", "response:\(fingerprint)", "response:\(place)")
            #expect(try await client.result(of: "response.get", other)["hit"] == false)
            try server.command("SETRANGE", "response:\(fingerprint)", "160", "xxxxxxxx")
            #expect(try await client.result(of: "response.get", Self.get)["hit"] == false)
            let scope = try #require(try server.command("GET", "response-scope:s").text)
            let model = try #require(try server.command("GET", "response-model:m").text)
            let plain = #"{"id":"0123456789abcdef","generations":"\#(scope)\#(model)","response":"planted"}"#
            try server.command("SET", "response:\(fingerprint)", plain)
            #expect(try await client.result(of: "response.get", Self.get)["hit"] == false)
            // It does not stand in the way of a response.
            let lease = try #require(try await client.result(of: "response.get", Self.leased)["lease"]?.string)
            _ = try await put(client, #""response":2,"lease":"\#(lease)""#)
            #expect(try await client.result(of: "response.get", Self.get)["response"] == 2)
        }
    }

    @Test("are what a class asks for that allows nothing in plain text", arguments: ["confidential", "restricted"])
    func classes(dataClass: String) async throws {
        try await withTemporaryDirectory { directory in
            try File.write((0..<32).map { $0 &* 5 &+ 3 }, to: "\(directory)/key")
            let configuration = #"""
                {"sessions":{"key_files":["\#(directory)/key"]},"audit":{"file":"\#(directory)/audit"},
                "namespaces":{"response":{"class":"\#(dataClass)"}}}
                """#
            try await withAgent(configuration: configuration) { agent in
                let client = try agent.connect()
                let fingerprint = try await put(client, #""response":"in clear words","ttl_ms":null"#)
                #expect(!(try stored(agent, fingerprint)).withByteView { $0.contains("clear words") })
                let life = try agent.server.command("PTTL", "response:\(fingerprint)").integer ?? 0
                #expect((1...2_592_000_000).contains(life))
                #expect(try await client.result(of: "response.get", Self.get)["response"] == "in clear words")
            }
        }
    }
}
