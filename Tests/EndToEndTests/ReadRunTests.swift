import JSON
import Linux
import TestSupport
import Testing

@Suite("Reads that come together")
struct ReadRunTests {
    private func read(_ id: Int, _ params: String) -> String {
        #"{"jsonrpc":"2.0","id":\#(id),"method":"cache.get","params":\#(params)}"#
    }

    /// Sends messages in one go and gives the replies by their ids.
    private func exchange(_ client: AgentClient, _ messages: [String]) async throws -> [Int: Document] {
        try await client.send(messages)
        var replies: [Int: Document] = [:]
        for _ in messages {
            let reply = try Document.parse(try await client.receive())
            replies[Int(reply["id"]?.integer ?? -1)] = reply
        }
        return replies
    }

    @Test("are each answered with what is theirs: hits, misses, faults, and what is no read between them")
    func mixed() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for key in 0..<40 {
                _ = try await client.result(of: "cache.set", #"{"key":"k\#(key)","value":\#(key),"ttl_ms":60000}"#)
            }
            try await client.becomeUsual(#"{"key":"k0"}"#)
            for key in 0..<40 where key % 3 != 0 { try await client.becomeUsual(#"{"key":"k\#(key)"}"#) }
            let long = String(repeating: "x", count: 2000)
            for round in 0..<20 {
                var messages: [String] = []
                for key in 0..<40 {
                    let id = 100 * messages.count + key
                    switch (key + round) % 10 {
                    case 3: messages.append(read(id, #"{"key":"none"}"#))
                    case 4: messages.append(read(id, #"{"key":""}"#))
                    case 5: messages.append(read(id, #"{"key":"\#(long)"}"#))
                    case 6: messages.append(read(id, #"{"key":"\u006b\#(key)"}"#))
                    case 7: messages.append(#"{"jsonrpc":"2.0","id":\#(id),"method":"agent.ping"}"#)
                    case 8: messages.append(read(id, #"{"key":7}"#))
                    default: messages.append(read(id, #"{"key":"k\#(key)"}"#))
                    }
                }
                let replies = try await exchange(client, messages)
                #expect(replies.count == messages.count)
                for position in 0..<40 {
                    let reply = try #require(replies[100 * position + position])
                    switch (position + round) % 10 {
                    case 3: #expect(reply["result"] == ["hit": false])
                    case 4, 8: #expect(reply["error"]?["code"] == -32602)
                    case 5: #expect(reply["error"]?["data"]?["kind"] == "too_large")
                    case 7: #expect(reply["result"] != nil)
                    default: #expect(reply["result"]?["value"]?.integer == Int64(position), "\(reply)")
                    }
                }
            }
        }
    }

    @Test("see what was written between them, in the namespace that they name")
    func order() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for namespace in ["a", "b"] {
                let entry = #"{"namespace":"\#(namespace)","key":"k","value":0,"ttl_ms":60000}"#
                _ = try await client.result(of: "cache.set", entry)
                try await client.becomeUsual(#"{"key":"k","namespace":"\#(namespace)"}"#)
            }
            for value in 1...50 {
                let write = #"{"namespace":"a","key":"k","value":\#(value),"ttl_ms":60000}"#
                let replies = try await exchange(
                    client,
                    [
                        read(1, #"{"key":"k","namespace":"a"}"#),
                        #"{"jsonrpc":"2.0","id":2,"method":"cache.set","params":\#(write)}"#,
                        read(3, #"{"key":"k","namespace":"a"}"#), read(4, #"{"key":"k","namespace":"b"}"#),
                        read(5, #"{"key":"k","namespace":"A"}"#), read(6, #"{"key":"k","namespace":"c"}"#),
                    ]
                )
                #expect(replies[1]?["result"]?["value"]?.integer == Int64(value - 1))
                #expect(replies[3]?["result"]?["value"]?.integer == Int64(value))
                #expect(replies[4]?["result"]?["value"] == 0)
                #expect(replies[5]?["error"]?["data"]?["param"] == "namespace")
                #expect(replies[6]?["result"] == ["hit": false])
            }
        }
    }

    @Test("are put together from pieces, wherever the kernel cuts them")
    func pieces() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":"v"}"#)
            try await client.becomeUsual(#"{"key":"k"}"#)
            let text = Array((0..<6).map { read($0, #"{"key":"k"}"#) + ($0 % 2 == 0 ? "\n" : "\r\n") }.joined().utf8)
            for cut in 0...text.count {
                try await client.send(bytes: Array(text[..<cut]))
                try await client.send(bytes: Array(text[cut...]))
                for id in 0..<6 {
                    let expected =
                        #"{"jsonrpc":"2.0","id":\#(id),"result":{"hit":true,"value":"v","source":"valkey"}}"#
                    // From memory, unless the store was too busy to tell of changes.
                    #expect(try await client.receive().replacing(#""near""#, with: #""valkey""#) == expected)
                }
            }
        }
    }

    @Test("are as many as they are: more than are looked at together, and more than a connection may be owed")
    func many() async throws {
        let value = String(repeating: "v", count: 1000)
        try await withAgent(configuration: #"{"limits": {"output_bytes_high": 4096}}"#) { agent in
            let client = try agent.connect()
            for key in 0..<8 {
                _ = try await client.result(of: "cache.set", #"{"key":"k\#(key)","value":"\#(key)\#(value)"}"#)
                try await client.becomeUsual(#"{"key":"k\#(key)"}"#)
            }
            for count in [15, 16, 17, 33, 500] {
                let messages = (0..<count).map { read($0, #"{"key":"k\#($0 % 8)"}"#) + "\n" }
                try await client.send(bytes: Array(messages.joined().utf8))
                for id in 0..<count {
                    let reply = try Document.parse(try await client.receive())
                    #expect(reply["id"]?.integer == Int64(id))
                    #expect(reply["result"]?["value"]?.string == "\(id % 8)\(value)")
                }
            }
        }
    }

    @Test("leave no memory with connections that have said much and are owed nothing")
    func memory() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            let value = String(repeating: "v", count: 4000)
            _ = try await client.result(of: "cache.set", #"{"key":"k","value":"\#(value)"}"#)
            try await client.becomeUsual(#"{"key":"k"}"#)
            let reads = (0..<50).map { read($0, #"{"key":"k"}"#) }
            let half = Array((#"{"jsonrpc":"2.0","id":1,"method":""# + String(repeating: "x", count: 3000)).utf8)
            var others: [AgentClient] = []
            var before = 0
            for number in 0..<120 {
                // Much is owed and sent, so that there is memory to be lent; then somebody says half of something.
                #expect(try await exchange(client, reads).count == reads.count)
                let other = try agent.connect()
                try await other.send(bytes: half)
                others.append(other)
                if number == 20 { before = try agent.residentBytes }
            }
            let after = try agent.residentBytes
            #expect(after - before < 100 * 32 << 10, "\(before) -> \(after)")
            withExtendedLifetime(others) {}
        }
    }
}
