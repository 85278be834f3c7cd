import Glibc
import Linux
import RPCClient
import TestSupport
import Testing

/// Every byte arrives alone, on the way to the agent, to Valkey, and back.
struct SliceTests {
    /// Lines as a client sends them: every kind of result and of error, and values that must come back as they are.
    private static let lines = [
        #"{"jsonrpc":"2.0","id":1,"method":"agent.ping"}"#,
        #"{"jsonrpc":"2.0","id":"ä\u00e9","method":"cache.set","params":{"key":"a","value":{"n":1.50e+2,"s":"\u00e9é😀","l":[]}}}"#,
        #"{"jsonrpc":"2.0","id":3,"method":"cache.get","params":{"key":"a"}}"#,
        #"{"jsonrpc":"2.0","id":4,"method":"cache.get","params":{"key":"none"}}"#,
        #"{"jsonrpc":"2.0","id":5,"method":"cache.set","params":{"key":"b","base64":"AA0K/w==","ttl_ms":null}}"#,
        #"{"jsonrpc":"2.0","id":6,"method":"cache.get","params":{"key":"b","with_ttl":true}}"#,
        #"{"jsonrpc":"2.0","id":7,"method":"cache.get_many","params":{"keys":["a","none","b","a"]}}"#,
        #"{"jsonrpc":"2.0","id":8,"method":"cache.set_many","params":{"entries":[{"key":"c","value":7},{"key":"d","text":"x\r\ny"}]}}"#,
        #"{"jsonrpc":"2.0","id":9,"method":"cache.increment","params":{"key":"c","by":5}}"#,
        #"{"jsonrpc":"2.0","id":10,"method":"cache.increment","params":{"key":"a"}}"#,
        #"{"jsonrpc":"2.0","id":11,"method":"hash.set","params":{"key":"h","fields":{"x":1,"y":"two","z":null}}}"#,
        #"{"jsonrpc":"2.0","id":12,"method":"hash.get_all","params":{"key":"h"}}"#,
        #"{"jsonrpc":"2.0","id":13,"method":"hash.get","params":{"key":"h","field":"y"}}"#,
        #"{"jsonrpc":"2.0","id":14,"method":"hash.increment","params":{"key":"h","field":"x"}}"#,
        #"{"jsonrpc":"2.0","id":15,"method":"cache.set","params":{"key":"a","value":0,"condition":"absent"}}"#,
        #"{"jsonrpc":"2.0","id":16,"method":"no.such"}"#,
        #"{"jsonrpc":"2.0","id":17,"method":"cache.get","params":{}}"#,
        #"{"jsonrpc":"2.0","id":18,"method":"cache.get","params":{"key":"a""#,
        #"{"jsonrpc":"2.0","method":"cache.set","params":{"key":"e","value":1}}"#,
        #"[{"jsonrpc":"2.0","id":19,"method":"cache.exists","params":["e"]},{"jsonrpc":"2.0","id":20,"method":"cache.exists","params":["f"]}]"#,
        #"{"jsonrpc":"2.0","id":21,"method":"cache.keys","params":{"pattern":"[e]"}}"#,
        #"{"jsonrpc":"2.0","id":22,"method":"cache.delete","params":{"keys":["a","b","none"]}}"#,
        #"{"jsonrpc":"2.0","id":23,"method":"cache.touch","params":{"key":"c","ttl_ms":60000}}"#,
        #"{"jsonrpc":"2.0","id":24,"method":"cache.invalidate","params":{"pattern":"?"}}"#,
        #"{"jsonrpc":"2.0","id":25,"method":"cache.get","params":{"key":"c"}}"#,
    ]

    @Test("one byte at a time, both ways and on both sides, makes the same replies to the byte")
    func singleBytes() async throws {
        let whole = try await replies(.none)
        #expect(whole.count == Self.lines.count - 1)
        #expect(try await replies(.slices(ofBytes: 1)) == whole)
    }

    /// What an agent with an empty Valkey answers to the lines, each asked for when the one before is answered.
    private func replies(_ faults: FaultProxy.Faults) async throws -> [String] {
        try await Machine.alone {
            try await withValkeyServer { server in
                try await withFaultProxy(to: .unix(server.socketPath)) { toValkey in
                    // Which replies come from memory depends on when the news of changes comes.
                    let environment = ["SQUIRE_CACHE_NEAR_BYTES": "0"]
                    let arguments = ["--valkey", toValkey.address.url]
                    return try await withDaemon(arguments: arguments, environment: environment) { daemon in
                        let front = StreamAddress.unix("\(server.directory)/agent.sock")
                        return try await withFaultProxy(to: .unix(daemon.socketPath), at: front) { toAgent in
                            toValkey.faults = faults
                            toAgent.faults = faults
                            let replies = try await onThread { try Self.converse("\(server.directory)/agent.sock") }
                            #expect(toValkey.counters.requestBytes > 1000 && toAgent.counters.requestBytes > 1000)
                            return replies
                        }
                    }
                }
            }
        }
    }

    private static func converse(_ path: String) throws -> [String] {
        let deadline = Instant.now.advanced(by: .seconds(60))
        let client = try RPCClient(path: path, until: deadline)
        var replies: [String] = []
        for line in lines {
            client.enqueue(Array("\(line)\n".utf8))
            let isNotification = !line.contains(#""id""#)
            if !isNotification {
                replies.append(String(decoding: try client.receiveLine(until: deadline), as: UTF8.self))
            }
        }
        return replies
    }
}
