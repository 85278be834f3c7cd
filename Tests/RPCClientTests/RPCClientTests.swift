import Glibc
import Linux
import RPCClient
import RPCTestSupport
import Testing

@Suite("RPC client")
struct RPCClientTests {
    private static var soon: Instant { .now.advanced(by: .seconds(10)) }

    private static func failure(_ body: () throws -> Void) -> RPCClientError.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? RPCClientError)?.code
        }
    }

    @Test("A call sends one line and returns the reply's own text")
    func call() throws {
        try FakeAgent.Script { _ in
            [.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"n\":1e400}}")]
        }.serve { agent in
            let client = try RPCClient(path: agent.path, until: Self.soon)
            let reply = try client.call("a.b", params: JSONFragment("{\"x\":\n1}"), until: Self.soon)
            #expect(reply.result?.text == "{\"n\":1e400}")
            #expect(agent.lines == ["{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":{\"x\": 1}}"])
        }
    }

    @Test("Pipelined replies are found by id in whatever order they come, and pushes are kept apart")
    func pipelining() throws {
        try FakeAgent.Script { line in
            guard line.contains("\"id\":3") else { return [] }
            return [
                .send("{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":\"c\"}"),
                .send("{\"jsonrpc\":\"2.0\",\"method\":\"x.push\",\"params\":{\"n\":7}}\r\n\n"),
                .sendRaw("{\"jsonrpc\":\"2.0\",\"id\":1,"), .sendRaw("\"result\":\"a\"}\n"),
                .send(#"{"jsonrpc":"2.0","id":2,"error":{"code":1008,"message":"m","data":{"kind":"conflict"}}}"#),
            ]
        }.serve { agent in
            let client = try RPCClient(path: agent.path, until: Self.soon)
            let ids = ["a", "b", "c"].map { client.send($0) }
            #expect(try client.reply(to: ids[0], until: Self.soon).result?.string == "a")
            let second = try client.reply(to: ids[1], until: Self.soon)
            #expect(second.error?.code == 1008 && second.error?.kind == "conflict" && second.result == nil)
            #expect(try client.notification(until: Self.soon).params?["n"]?.integer == 7)
            #expect(try client.receive(until: Self.soon).result?.string == "c")
        }
    }

    @Test("Requests larger than every socket buffer go out while large replies come in")
    func doesNotDeadlock() throws {
        let filler = String(repeating: "x", count: 1 << 20)
        try FakeAgent.Script { _ in
            [.send("{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":\"\(filler)\"}")]
        }.serve { agent in
            let client = try RPCClient(path: agent.path, until: Self.soon)
            for _ in 0..<8 { _ = client.send("big", params: JSONFragment("[\"\(filler)\"]")) }
            for _ in 0..<8 {
                #expect(try client.receive(until: Self.soon).result?.bytes.count == filler.utf8.count + 2)
            }
            #expect(client.unsentBytes == 0)
        }
    }

    @Test("Without a reply the deadline ends the wait")
    func timesOut() throws {
        try FakeAgent.Script { _ in [] }.serve { agent in
            let client = try RPCClient(path: agent.path, until: Self.soon)
            let code = Self.failure {
                _ = try client.call("a", until: .now.advanced(by: .milliseconds(20)))
            }
            #expect(code == .timedOut)
        }
    }

    @Test("A connection that closes before the reply is an error of its own, after what came was read")
    func closes() throws {
        try FakeAgent.Script { _ in
            [.send("{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":1}"), .close]
        }.serve { agent in
            let client = try RPCClient(path: agent.path, until: Self.soon)
            #expect(Self.failure { _ = try client.call("a", until: Self.soon) } == .closed)
            #expect(try client.receive(until: Self.soon).id?.integer == 9)
        }
    }

    @Test("What is not JSON-RPC is malformed", arguments: ["nonsense", "{\"id\":1}", "{\"result\":1}", "7"])
    func malformed(_ line: String) throws {
        try FakeAgent.Script { _ in [.send(line)] }.serve { agent in
            let client = try RPCClient(path: agent.path, until: Self.soon)
            #expect(Self.failure { _ = try client.call("a", until: Self.soon) } == .malformed)
        }
    }

    @Test("A path without an agent is unreachable, and one that is too long says so")
    func unreachable() {
        #expect(Self.failure { _ = try RPCClient(path: "/nonexistent/s", until: Self.soon) } == .unreachable)
        let long = "/tmp/\(String(repeating: "x", count: 103))"
        #expect(long.utf8.count == 108)
        #expect(Self.failure { _ = try RPCClient(path: long, until: Self.soon) } == .pathTooLong)
        #expect(Self.failure { _ = try RPCClient(path: String(long.dropLast()), until: Self.soon) } == .unreachable)
    }

    @Test("The first path where an agent listens is taken")
    func severalPaths() throws {
        try FakeAgent.Script { _ in [] }.serve { agent in
            let client = try RPCClient.connect(toFirstOf: ["/nonexistent/s", agent.path], until: Self.soon)
            #expect(client.path == agent.path)
        }
    }

    @Test("Of several paths that fail, the reason that will not pass by itself is told")
    func reasons() {
        let long = "/tmp/\(String(repeating: "x", count: 200))"
        let code = Self.failure {
            _ = try RPCClient.connect(toFirstOf: ["/nonexistent/s", long], until: Self.soon)
        }
        #expect(code == .pathTooLong)
    }

    @Test("An agent that is awaited is found once it listens")
    func awaited() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/late.sock"
            let thread = WorkerThread {
                // Only now that somebody waits does the agent begin; it lives until the test ends.
                if let listener = try? Socket.listen(unixPath: path, backlog: 1) { _ = listener.release() }
            }
            let client = try RPCClient.connect(toFirstOf: [path], until: Self.soon, isAwaited: true)
            #expect(client.path == path)
            thread.join()
        }
        let limit = Instant.now.advanced(by: .milliseconds(20))
        let code = Self.failure {
            _ = try RPCClient.connect(toFirstOf: ["/nonexistent/s"], until: limit, isAwaited: true)
        }
        #expect(code == .unreachable)
        #expect(Instant.now >= limit.advanced(by: .milliseconds(-10)))
    }

    @Test("A half-closed connection still brings its replies")
    func halfClose() throws {
        try FakeAgent.Script { _ in [.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}")] }.serve { agent in
            let client = try RPCClient(path: agent.path, until: Self.soon)
            let id = client.send("a")
            try client.finishSending(until: Self.soon)
            #expect(try client.reply(to: id, until: Self.soon).result?.integer == 1)
        }
    }
}
