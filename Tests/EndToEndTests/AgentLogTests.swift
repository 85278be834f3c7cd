import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("The agent's log")
struct AgentLogTests {
    private static let traceID = "0af7651916cd43dd8448eb211c80319c"
    private static let meta = #""_meta":{"traceparent":"00-\#(traceID)-b7ad6b7169203331-01"}"#

    /// The records of a log of JSON lines.
    private func records(_ daemon: Daemon) throws -> [Document] {
        // The last line may be being written.
        let whole = daemon.log.prefix(through: daemon.log.lastIndex(of: "\n") ?? daemon.log.startIndex)
        return try whole.split(separator: "\n").map { try Document.parse(String($0)) }
    }

    @Test("tells slow calls with method, duration, user and trace")
    func slow() async throws {
        try await withAgent(configuration: #"{"log": {"format": "json", "slow_ms": 50}}"#) { agent in
            let client = try agent.connect()
            try agent.server.pause()
            let call =
                #"{"jsonrpc":"2.0","id":1,"method":"cache.set","params":{"key":"secret","value":1,\#(Self.meta)}}"#
            try await client.send(call)
            let other = try agent.connect()
            try await waitUntil("the call runs") {
                try await other.result(of: "agent.stats")["calls"]?["running"] == 1
            }
            // A call is slow by the time that passes.
            try await Task.sleep(for: .milliseconds(60))
            try agent.server.resume()
            _ = try await client.receive()
            try await waitUntil("it is told") { agent.daemon.log.contains("slow call") }
            let record = try #require(try records(agent.daemon).first { $0["message"] == "slow call" })
            #expect(record["level"] == "warning")
            #expect(record["method"] == "cache.set")
            #expect(record["uid"]?.string == "\(getuid())")
            #expect(record["trace_id"]?.string == Self.traceID)
            #expect(record["span_id"] == "b7ad6b7169203331")
            #expect(try #require(record["duration_ms"]?.string.flatMap { Int($0) }) >= 50)
            #expect(!agent.daemon.log.contains("secret"))
        }
    }

    @Test("has its level set while the agent runs, until the configuration is read again")
    func level() async throws {
        try await withAgent(configuration: #"{"log": {"format": "json", "level": "notice"}}"#) { agent in
            let client = try agent.connect()
            func failing() async throws -> Document {
                try await client.error(of: "cache.get", "{\"key\":\"k\",\"namespace\":\"No\",\(Self.meta)}")
            }
            #expect(try await failing()["data"]?["trace_id"]?.string == Self.traceID)
            #expect(try await client.result(of: "agent.log_level") == ["level": "notice", "configured": "notice"])
            let set = try await client.result(of: "agent.log_level", #"["debug"]"#)
            #expect(set == ["level": "debug", "configured": "notice"])
            _ = try await failing()
            try await waitUntil("the failure is told") { agent.daemon.log.contains("a call failed") }
            let told = try records(agent.daemon).filter { $0["message"] == "a call failed" }
            #expect(told.count == 1)
            #expect(told.first?["outcome"] == "invalid_params")
            #expect(told.first?["trace_id"]?.string == Self.traceID)
            let change = try records(agent.daemon).first { $0["message"] == "the log level changes" }
            #expect(change?["to"] == "debug")
            try agent.daemon.process.signal(SIGHUP)
            try await waitUntil("the configuration is read again") { agent.daemon.log.contains("reloaded") }
            #expect(try await client.result(of: "agent.log_level")["level"] == "notice")
            _ = try await failing()
            #expect(try records(agent.daemon).count { $0["message"] == "a call failed" } == 1)
            #expect(try await client.error(of: "agent.log_level", #"["loud"]"#)["code"] == -32602)
        }
    }

    @Test("never holds a key, a value, a token or a word of a client's, at any level")
    func secrecy() async throws {
        let mark = "xyzzy"
        let parameters = [
            ("cache.set", #"{"key":"MARK","value":"MARK"}"#), ("cache.get", #"{"key":"MARK"}"#),
            ("cache.get", #"{"key":"MARK","namespace":"MARK MARK"}"#), ("cache.get", #"{"MARK":"MARK"}"#),
            ("cache.increment", #"{"key":"MARK","request_id":"MARK"}"#), ("cache.increment", #"{"key":"MARK"}"#),
            ("cache.keys", #"{"pattern":"MARK*","cursor":"MARK"}"#), ("cache.invalidate", #"{"pattern":"MARK*"}"#),
            ("hash.set", #"{"key":"hMARK","fields":{"MARK":"MARK"}}"#),
            ("hash.get", #"{"key":"hMARK","field":"MARK"}"#),
            ("cache.get", #"{"key":"hMARK"}"#), ("session.get", #"{"token":"MARK"}"#),
            ("session.update", #"{"token":"MARK","set":{"MARK":1}}"#), ("session.destroy_all", #"{"subject":"MARK"}"#),
            ("channel.publish", #"{"channel":"MARK","message":"MARK"}"#), ("channel.publish", #"["__MARK",1]"#),
            ("channel.subscribe", #"{"channel":"MARK","filter":{"MARK":"MARK"}}"#),
            ("channel.unsubscribe", #"{"subscription":"MARK"}"#), ("MARK.MARK", #"{"MARK":1}"#),
            ("agent.log_level", #"{"level":"MARK"}"#), ("$/cancelRequest", #"{"id":"MARK"}"#),
        ]
        for format in ["text", "json"] {
            let configuration = #"{"log": {"format": "\#(format)", "level": "debug", "slow_ms": 1}}"#
            try await withAgent(configuration: configuration) { agent in
                let client = try agent.connect()
                for (method, text) in parameters {
                    _ = try await client.reply(
                        to: method.replacing("MARK", with: mark),
                        text.replacing("MARK", with: mark)
                    )
                }
                let created = try await client.result(
                    of: "session.create",
                    #"{"subject":"\#(mark)","data":{"a":"\#(mark)"}}"#
                )
                let token = try #require(created["token"]?.string)
                _ = try await client.result(of: "session.get", #"["\#(token)"]"#)
                _ = try await client.result(of: "session.destroy", #"["\#(token)"]"#)
                _ = try await client.reply(to: "session.touch", #"["\#(token)"]"#)
                try await client.send("{\"\(mark)\":", #"{"jsonrpc":"2.0","id":"\#(mark)","method":5}"#)
                _ = try await client.receive(2)
                // What fails while Valkey is away is told too.
                agent.server.kill()
                try await waitUntil("the loss is noticed") {
                    try await client.result(of: "agent.health")["degraded"] == true
                }
                for (method, text) in parameters {
                    _ = try await client.reply(
                        to: method.replacing("MARK", with: mark),
                        text.replacing("MARK", with: mark)
                    )
                }
                let log = agent.daemon.log
                #expect(log.contains("a call failed"))
                #expect(!log.contains(mark), "\(log.split(separator: "\n").filter { $0.contains(mark) })")
                #expect(!log.contains(token))
            }
        }
    }
}
