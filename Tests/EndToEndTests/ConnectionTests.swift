import JSON
import Linux
import TestSupport
import Testing

@Suite("A connection")
struct ConnectionTests {
    @Test("is served when each byte comes by itself", arguments: AgentClient.Framing.allCases)
    func byteByByte(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            let messages = [
                #"{"jsonrpc":"2.0","id":1,"method":"cache.set","params":{"key":"ä","value":"€"}}"#,
                #"{"jsonrpc":"2.0","id":2,"method":"cache.get","params":["ä"]}"#,
            ]
            for byte in messages.flatMap({ client.frame($0) }) { try await client.send(bytes: [byte]) }
            #expect(try await client.receive() == #"{"jsonrpc":"2.0","id":1,"result":{"stored":true}}"#)
            let hit = #"{"jsonrpc":"2.0","id":2,"result":{"hit":true,"value":"€","source":"valkey"}}"#
            #expect(try await client.receive() == hit)
        }
    }

    @Test("is served when everything comes in one write", arguments: AgentClient.Framing.allCases)
    func allAtOnce(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            var bytes: [UInt8] = []
            for id in 0..<100 {
                bytes += client.frame(#"{"jsonrpc":"2.0","id":\#(id),"method":"cache.increment","params":["n"]}"#)
                if framing == .lines { bytes += Array("\r\n \t\n\n".utf8) } else { bytes += Array("\r\n".utf8) }
            }
            try await client.send(bytes: bytes)
            for id in 0..<100 {
                let expected = #"{"jsonrpc":"2.0","id":\#(id),"result":{"value":\#(id + 1)}}"#
                #expect(try await client.receive() == expected)
            }
        }
    }

    @Test("reads its own writes, whatever the kinds of the calls that it pipelines")
    func order() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            for round in 0..<20 {
                try await client.send(
                    #"{"jsonrpc":"2.0","id":1,"method":"cache.set","params":["k",\#(round)]}"#,
                    #"{"jsonrpc":"2.0","id":2,"method":"cache.get","params":["k"]}"#,
                    #"{"jsonrpc":"2.0","id":3,"method":"cache.set_many","params":[[{"key":"k","value":-1}]]}"#,
                    #"{"jsonrpc":"2.0","id":4,"method":"cache.get","params":{"key":"k","with_ttl":false}}"#,
                    #"{"jsonrpc":"2.0","id":5,"method":"cache.delete","params":["k"]}"#,
                    #"{"jsonrpc":"2.0","id":6,"method":"cache.exists","params":["k"]}"#
                )
                let results = try await client.receive(6).map { try Document.parse($0) }
                #expect(results.compactMap { $0["id"]?.integer } == [1, 2, 3, 4, 5, 6])
                #expect(results[1]["result"]?["value"]?.integer == Int64(round))
                #expect(results[3]["result"]?["value"] == -1)
                #expect(results[4]["result"]?["deleted"] == 1)
                #expect(results[5]["result"]?["exists"] == false)
            }
        }
    }

    @Test("reads what a script wrote just before, also the first time that the server sees the script")
    func orderOfScripts() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            try await client.send(
                #"{"jsonrpc":"2.0","id":1,"method":"cache.increment","params":["n",5]}"#,
                #"{"jsonrpc":"2.0","id":2,"method":"cache.get","params":["n"]}"#,
                #"{"jsonrpc":"2.0","id":3,"method":"hash.set","params":["h",{"a":1}]}"#,
                #"{"jsonrpc":"2.0","id":4,"method":"hash.get","params":["h","a"]}"#
            )
            let replies = try await client.receive(4).map { try Document.parse($0) }
            func result(_ id: Int64) -> Document? { replies.first { $0["id"]?.integer == id }?["result"] }
            #expect(result(1)?["value"] == 5)
            #expect(result(2)?["value"] == 5)
            #expect(result(4)?["value"] == 1)
        }
    }

    @Test("that is closed by its client at once still has all that it had sent carried out")
    func fireAndForget() async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            do {
                let client = try agent.connect()
                let sent = (0..<2500).map {
                    #"{"jsonrpc":"2.0","method":"cache.set","params":["left\#($0)",1]}"# + "\n"
                }
                try await client.send(bytes: Array(sent.joined().utf8))
            }
            try await waitUntil("everything that was sent is stored") {
                let keys = (2400..<2500).map { "\"left\($0)\"" }.joined(separator: ",")
                let entries = try await other.result(of: "cache.get_many", "[[\(keys)]]")["entries"]?.array ?? []
                return entries.count == 100 && entries.allSatisfy { $0["hit"] == true }
            }
        }
    }

    @Test("that is half closed still gets its replies, and then its end", arguments: AgentClient.Framing.allCases)
    func halfClosed(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            try agent.server.pause()
            let client = try agent.connect(framing)
            let sent = (0..<50).map { #"{"jsonrpc":"2.0","id":\#($0),"method":"cache.set","params":["k\#($0)",1]}"# }
            try await client.send(bytes: sent.flatMap { client.frame($0) })
            client.finishSending()
            // The agent has seen the end of the input before the first reply exists.
            let other = try agent.connect()
            try await waitUntil("all calls run") {
                try await other.result(of: "agent.stats")["calls"]?["running"]?.integer == 50
            }
            try agent.server.resume()
            let replies = try await client.receive(50)
            for id in 0..<50 {
                #expect(replies.contains(#"{"jsonrpc":"2.0","id":\#(id),"result":{"stored":true}}"#))
            }
            #expect(try await client.receiveToEnd() == "")
        }
    }

    @Test("has its last line served without a newline")
    func lastLine() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            try await client.send(bytes: Array(#"{"jsonrpc":"2.0","id":1,"method":"agent.ping"}"#.utf8))
            client.finishSending()
            let replies = try await client.receiveToEnd()
            #expect(replies == #"{"jsonrpc":"2.0","id":1,"result":{"pong":true}}"# + "\n")
        }
    }

    @Test("that ends in the middle of a line is told so")
    func brokenOff() async throws {
        try await withAgent { agent in
            let client = try agent.connect()
            try await client.send(bytes: Array(#"{"jsonrpc":"2.0","id":1,"meth"#.utf8))
            client.finishSending()
            #expect(try await client.receiveToEnd().contains(#""code":-32700"#))
            let counted = try agent.connect(.contentLength)
            try await counted.send(bytes: Array("Content-Length: 50\r\n\r\n{".utf8))
            counted.finishSending()
            #expect(try await counted.receiveToEnd() == "")
        }
    }

    @Test("may have more calls under way than run at once", arguments: AgentClient.Framing.allCases)
    func pipelined(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            let count = 3300
            try agent.server.pause()
            var bytes: [UInt8] = []
            for id in 0..<count {
                bytes += client.frame(
                    #"{"jsonrpc":"2.0","id":\#(id),"method":"cache.set","params":["k\#(id)",\#(id)]}"#
                )
            }
            try await client.send(bytes: bytes)
            // Half closed, while the agent does not even read from it.
            client.finishSending()
            let other = try agent.connect()
            try await waitUntil("as many calls run as may") {
                try await other.result(of: "agent.stats")["calls"]?["running"]?.integer == 1024
            }
            try agent.server.resume()
            var ids: Set<Int64> = []
            for reply in try await client.receive(count) {
                let reply = try Document.parse(reply)
                #expect(reply["result"] == ["stored": true])
                if let id = reply["id"]?.integer { ids.insert(id) }
            }
            #expect(ids.count == count)
            #expect(try await client.receiveToEnd() == "")
            #expect(try agent.server.command("DBSIZE") == .integer(Int64(count)))
        }
    }

    @Test("may end every line and header as Windows does, with other headers beside the length")
    func headers() async throws {
        try await withAgent { agent in
            let ping = #"{"jsonrpc":"2.0","id":1,"method":"agent.ping"}"#
            let lines = try agent.connect()
            try await lines.send(bytes: Array("\(ping)\r\n\r\n\(ping)\r\n".utf8))
            #expect(try await lines.receive(2).allSatisfy { $0.hasSuffix(#""result":{"pong":true}}"#) })
            let beginnings = [
                "Content-Length: \(ping.utf8.count)\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n",
                "content-type: x\r\nCONTENT-LENGTH:\(ping.utf8.count)  \r\n\r\n",
                "content-length: \(ping.utf8.count)\n\n",
            ]
            for beginning in beginnings {
                let counted = try agent.connect(.contentLength)
                try await counted.send(bytes: Array("\(beginning)\(ping)\(beginning)\(ping)".utf8))
                let replies = try await counted.receive(2)
                #expect(replies.allSatisfy { $0.hasSuffix(#""result":{"pong":true}}"#) }, "\(beginning)")
            }
        }
    }

    @Test(
        "that subscribed is told of the circuit breaker, between its replies",
        arguments: AgentClient.Framing.allCases
    )
    func events(framing: AgentClient.Framing) async throws {
        try await withAgent { agent in
            let client = try agent.connect(framing)
            let name = try #require(try await client.result(of: "agent.subscribe")["subscription"])
            #expect(try await client.result(of: "agent.subscribe")["subscription"] == name)
            let other = try agent.connect()
            _ = try await other.result(of: "agent.breaker", #"["cache","open"]"#)
            let event = try Document.parse(try await client.receive())
            #expect(event["method"] == "agent.event")
            #expect(event["id"] == nil)
            #expect(event["params"]?["subscription"] == name)
            #expect(event["params"]?["store"] == "cache")
            #expect(event["params"]?["state"] == "open")
            #expect(try await client.result(of: "cache.get", #"["k"]"#) == ["hit": false, "degraded": true])
            #expect(try await client.error(of: "cache.set", #"["k",1]"#)["code"] == 1001)
            _ = try await other.result(of: "agent.breaker", #"["cache","auto"]"#)
            // A probe may come first.
            var states = [event["params"]?["state"]?.string]
            while states.last != "closed" {
                states.append(try Document.parse(try await client.receive())["params"]?["state"]?.string)
            }
            #expect(states == ["open", "closed"] || states == ["open", "half_open", "closed"])
            #expect(try await client.result(of: "cache.set", #"["k",1]"#) == ["stored": true])
        }
    }

    @Test("that vanishes in the middle of its calls leaves nothing behind")
    func vanishing() async throws {
        try await withAgent { agent in
            let other = try agent.connect()
            for round in 0..<20 {
                try agent.server.pause()
                do {
                    let client = try agent.connect(round % 2 == 0 ? .lines : .contentLength)
                    let batch = (0..<50).map { #"{"jsonrpc":"2.0","id":\#($0),"method":"cache.get","params":["k"]}"# }
                    try await client.send(batch[0], "[\(batch.joined(separator: ","))]")
                    try await client.send(bytes: Array(#"{"jsonrpc":"2.0","id"#.utf8))
                }
                try agent.server.resume()
                #expect(try await other.result(of: "cache.set", #"["k",\#(round)]"#)["stored"] == true)
            }
            try await waitUntil("only this connection is left") {
                let statistics = try await other.result(of: "agent.stats")
                return statistics["connections"]?["open"] == 1 && statistics["calls"]?["running"] == 0
            }
        }
    }

    @Test("beyond the limit is told so and closed, until another one ends")
    func limit() async throws {
        try await withAgent(configuration: #"{"limits": {"connections_max": 3}}"#) { agent in
            let others = [try agent.connect(), try agent.connect()]
            try await waitUntil("nobody else is connected") {
                try await others[0].result(of: "agent.stats")["connections"]?["open"] == 2
            }
            #expect(try await others[1].result(of: "agent.ping") == ["pong": true])
            var last: AgentClient? = try agent.connect()
            #expect(try await last?.result(of: "agent.ping") == ["pong": true])
            let refused = try agent.connect()
            let error = try Document.parse(try await refused.receive())["error"]
            #expect(error?["code"]?.integer == 1003)
            #expect(error?["data"]?["kind"] == "overloaded")
            #expect(error?["data"]?["retryable"] == true)
            #expect(try await refused.receiveToEnd() == "")
            let outcome = try await agent.daemon.rpc("agent.ping")
            #expect(outcome.status == .exited(1), "\(outcome.standardError)")
            #expect(outcome.standardError.contains("as many connections as it may"), "\(outcome.standardError)")
            last = nil
            try await waitUntil("somebody else is served") {
                try await agent.daemon.rpc("agent.ping").status == .exited(0)
            }
            let statistics = try await others[0].result(of: "agent.stats")
            #expect(statistics["connections"]?["refused"]?.integer ?? 0 >= 2)
        }
    }
}
