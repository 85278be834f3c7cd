import JSON
import TestSupport
import Testing

@Suite("A write with a fence")
struct FenceTests {
    private func set(_ client: AgentClient, _ fence: Int64, _ value: Int, more: String = "") async throws -> Document {
        try Document.parse(
            try await client.reply(
                to: "cache.set",
                #"{"key":"k","value":\#(value),"fence":\#(fence)\#(more)}"#
            )
        )
    }

    @Test(
        "is refused where a higher one was seen, whoever wrote and whatever became of the entry",
        arguments: ServerKind.installed
    )
    func order(kind: ServerKind) async throws {
        try await withTwoAgents(kind) { first, second in
            let (client, other) = (try first.connect(), try second.connect())
            // Numbers that text and floating point would order or round wrongly.
            let fences: [Int64] = [0, 9, 10, 99, 100, 1 << 53, 1 << 53 + 1, .max - 1, .max]
            for (index, fence) in fences.enumerated() {
                let reply = try await set(index % 2 == 0 ? client : other, fence, index)
                #expect(reply["result"] == ["stored": true], "\(fence)")
                let again = try await set(client, fence, index)
                #expect(again["result"] == ["stored": true], "\(fence)")
                for lower in fences[..<index] {
                    let error = try await set(other, lower, -1)["error"]
                    #expect(error?["data"]?["kind"] == "conflict", "\(lower) below \(fence)")
                    #expect(error?["data"]?["fence"]?.integer == fence)
                    #expect(error?["data"]?["outcome"] == "not_applied")
                }
                #expect(
                    try await client.result(of: "cache.get", #"{"key":"k","fresh":true}"#)["value"]?.integer
                        == Int64(index)
                )
            }
            for method in ["cache.delete", "cache.set"] {
                _ = try await client.result(of: method, method == "cache.set" ? #"["k",0]"# : #"["k"]"#)
                #expect(try await set(other, 5, -1)["error"] != nil)
            }
            let elsewhere = #"{"key":"k","namespace":"n","value":1,"fence":1}"#
            #expect(try await client.result(of: "cache.set", elsewhere) == ["stored": true])
        }
    }

    @Test("is kept beside tags, conditions and lives, and for a day")
    func together() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let more = #","tags":["t"],"ttl_ms":600000,"stale_ms":600000"#
            #expect(try await set(client, 7, 1, more: more)["result"] == ["stored": true])
            #expect(try await set(client, 6, 2, more: more)["error"]?["data"]?["kind"] == "conflict")
            #expect(try await set(client, 8, 2, more: more + #","condition":"absent""#)["result"] == ["stored": false])
            #expect(try await set(client, 8, 3, more: more + #","condition":"present""#)["result"] == ["stored": true])
            #expect(try await client.result(of: "cache.get", #"["k"]"#)["value"] == 3)
            let left = try agent.server.command("PTTL", "cache-fence:{cache:k}cache:k").integer ?? 0
            #expect(left > 86_000_000 && left <= 86_400_000)
            #expect(try await client.error(of: "cache.set", #"{"key":"k","value":1,"fence":-1}"#)["code"] == -32602)
        }
    }
}
