import JSON
import TestSupport
import Testing

/// The examples of the JSON-RPC 2.0 specification (section 7), shape by shape, with methods that the agent has.
@Suite("An example of the JSON-RPC specification")
struct SpecificationTests {
    @Test("with parameters by position or by name is answered", arguments: AgentClient.Framing.allCases)
    func parameters(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            try await client.send(#"{"jsonrpc": "2.0", "method": "cache.increment", "params": ["a", 42], "id": 1}"#)
            #expect(try await client.receive() == #"{"jsonrpc":"2.0","id":1,"result":{"value":42}}"#)
            try await client.send(#"{"jsonrpc": "2.0", "method": "cache.increment", "params": ["a", -23], "id": 2}"#)
            #expect(try await client.receive() == #"{"jsonrpc":"2.0","id":2,"result":{"value":19}}"#)
            let named = #"{"jsonrpc": "2.0", "method": "cache.increment", "params": {"by": 23, "key": "b"}, "id": 3}"#
            try await client.send(named)
            #expect(try await client.receive() == #"{"jsonrpc":"2.0","id":3,"result":{"value":23}}"#)
            let other = #"{"jsonrpc": "2.0", "method": "cache.increment", "params": {"key": "b", "by": 42}, "id": 4}"#
            try await client.send(other)
            #expect(try await client.receive() == #"{"jsonrpc":"2.0","id":4,"result":{"value":65}}"#)
        }
    }

    @Test("that is a notification is carried out and never answered", arguments: AgentClient.Framing.allCases)
    func notifications(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            try await client.send(
                #"{"jsonrpc": "2.0", "method": "cache.set", "params": ["told", [1,2,3,4,5]]}"#,
                #"{"jsonrpc": "2.0", "method": "foobar"}"#,
                #"{"jsonrpc": "2.0", "method": "cache.get"}"#,
                #"{"jsonrpc": "2.0", "method": "cache.get", "params": {"kee": 1}}"#
            )
            #expect(try await client.result(of: "cache.get", #"["told"]"#)["value"] == [1, 2, 3, 4, 5])
        }
    }

    @Test("that is wrong is answered with its error", arguments: AgentClient.Framing.allCases)
    func errors(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            let examples: [(message: String, code: Int64, id: Document)] = [
                (#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#, -32601, "1"),
                (#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#, -32700, .null),
                (#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#, -32600, .null),
                (
                    #"[{"jsonrpc": "2.0", "method": "agent.ping", "params": [], "id": "1"},"#
                        + #" {"jsonrpc": "2.0", "method"]"#,
                    -32700, .null
                ),
                ("[]", -32600, .null),
            ]
            for (message, code, id) in examples {
                try await client.send(message)
                let reply = try Document.parse(try await client.receive())
                #expect(reply["error"]?["code"]?.integer == code, "\(message)")
                #expect(reply["id"] == id, "\(message)")
                #expect(reply["jsonrpc"] == "2.0", "\(message)")
                #expect(reply["result"] == nil, "\(message)")
                #expect(reply.object?.count == 3, "\(message)")
            }
        }
    }

    @Test("that is a batch of no requests has one error for each", arguments: AgentClient.Framing.allCases)
    func invalidBatches(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            for (message, count) in [("[1]", 1), ("[1,2,3]", 3)] {
                try await client.send(message)
                let replies = try #require(try Document.parse(try await client.receive()).array)
                #expect(replies.count == count)
                for reply in replies {
                    #expect(reply["error"]?["code"]?.integer == -32600)
                    #expect(reply["id"] == .null)
                }
            }
        }
    }

    @Test("that is a mixed batch has all its replies in one", arguments: AgentClient.Framing.allCases)
    func mixedBatch(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            // As the specification prints it, over several lines, where the framing allows that.
            let separator = framing == .lines ? " " : "\n        "
            let batch = [
                "[",
                #"{"jsonrpc": "2.0", "method": "cache.increment", "params": ["sum", 7], "id": "1"},"#,
                #"{"jsonrpc": "2.0", "method": "cache.set", "params": ["hello", 7]},"#,
                #"{"jsonrpc": "2.0", "method": "cache.increment", "params": ["other", 19], "id": "2"},"#,
                #"{"foo": "boo"},"#,
                #"{"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},"#,
                #"{"jsonrpc": "2.0", "method": "agent.ping", "id": "9"}"#,
                "]",
            ].joined(separator: separator)
            try await client.send(batch)
            let replies = try #require(try Document.parse(try await client.receive()).array)
            #expect(replies.count == 5)
            func reply(_ id: Document) -> Document? { replies.first { $0["id"] == id } }
            #expect(reply("1")?["result"] == ["value": 7])
            #expect(reply("2")?["result"] == ["value": 19])
            #expect(reply(.null)?["error"]?["code"]?.integer == -32600)
            #expect(reply("5")?["error"]?["code"]?.integer == -32601)
            #expect(reply("9")?["result"] == ["pong": true])
            #expect(try await client.result(of: "cache.get", #"["hello"]"#)["value"] == 7)
        }
    }

    @Test("that is a batch of notifications has no reply at all", arguments: AgentClient.Framing.allCases)
    func silentBatch(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            try await client.send(
                #"[{"jsonrpc": "2.0", "method": "cache.set", "params": ["told", 1]},"#
                    + #" {"jsonrpc": "2.0", "method": "cache.set", "params": ["told", 8]}]"#
            )
            #expect(try await client.result(of: "cache.get", #"["told"]"#)["value"] == 8)
        }
    }

    @Test("has its id back as it was written", arguments: AgentClient.Framing.allCases)
    func identifiers(framing: AgentClient.Framing) async throws {
        let ids = [
            "0", "-0", "1.0", "1.50", "1e2", "1E+2", "12345678901234567890123456789", "null", #""""#, #""1""#,
            #""\u0041""#, #""\ud800""#, #""ä\/\n""#, #""\#(String(repeating: "x", count: 254))""#,
        ]
        try await withAgent { agent in
            let client = try agent.connect(framing)
            for id in ids {
                try await client.send(#"{"id" :  \#(id) , "jsonrpc":"2.0","method":"agent.ping"}"#)
                #expect(try await client.receive() == #"{"jsonrpc":"2.0","id":\#(id),"result":{"pong":true}}"#)
                try await client.send(#"[{"id" :  \#(id) , "jsonrpc":"2.0","method":"agent.pong"}]"#)
                let reply = try await client.receive()
                #expect(reply.hasPrefix(#"[{"jsonrpc":"2.0","id":\#(id),"error":{"code":-32601,"#), "\(reply)")
            }
        }
    }

    @Test("has no id back that is none", arguments: ["true", "[1]", #"{"a":1}"#, "1,\"id\":2"])
    func badIdentifiers(id: String) async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            try await client.send(#"{"jsonrpc":"2.0","method":"agent.ping","id":\#(id)}"#)
            let reply = try Document.parse(try await client.receive())
            #expect(reply["id"] == .null)
            #expect(reply["error"]?["code"]?.integer == -32600)
        }
    }
}
