import RPCClient
import RPCTestSupport
import RPCUsage
import Testing

@testable import RPCCommand

@Suite("Requests of the command")
struct RequestTests {
    private func expect(_ arguments: [String], sends params: String?, input: String = "/dev/null") throws {
        let tail = params.map { ",\"params\":\($0)" } ?? ""
        let line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\(arguments[0])\"\(tail)}"
        #expect(try CommandRun.request(arguments, input: input) == line)
    }

    @Test("A call without parameters sends none")
    func none() throws {
        try expect(["agent.ping"], sends: nil)
    }

    @Test("Parameters are sent in the order given, JSON byte for byte")
    func order() throws {
        try expect(
            ["cache.set", "value={\"z\":1e400, \"a\":12345678901234567890}", "key=k=1", "ttl_ms=5m", "tags=t"],
            sends: #"{"value":{"z":1e400, "a":12345678901234567890},"key":"k=1","ttl_ms":300000,"tags":["t"]}"#
        )
    }

    @Test("name:=JSON goes before the schema")
    func forced() throws {
        try expect(
            ["cache.set", "key:=7", "value:=\"7\"", "ttl_ms:=\"5m\""],
            sends: #"{"key":7,"value":"7","ttl_ms":"5m"}"#
        )
    }

    @Test("--params is sent as it is, its line breaks as spaces, and named parameters are added to it")
    func params() throws {
        try expect(["cache.get", "--params", "{ \"key\":\n\"\\u0061\" }"], sends: #"{ "key": "\u0061" }"#)
        try expect(["cache.set", "--params", "{\"key\":\"a\"}", "value=1.0"], sends: #"{"key":"a","value":1.0}"#)
        try expect(["cache.set", "key=a", "value=1", "--params={}"], sends: #"{"key":"a","value":1}"#)
        try expect(["cache.get", "--params", "[\"k\" , true]"], sends: #"["k" , true]"#)
    }

    @Test("Files and standard input give text or JSON")
    func files() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/value"
            try write([UInt8]("{\"a\":\n1}\n".utf8), to: path)
            try expect(["cache.set", "key=k", "value=@\(path)"], sends: #"{"key":"k","value":{"a": 1}}"#)
            try expect(["cache.set", "key=k", "value:=@\(path)"], sends: #"{"key":"k","value":{"a": 1}}"#)
            try expect(["cache.set", "value=1", "key=@\(path)"], sends: #"{"value":1,"key":"{\"a\":\n1}\n"}"#)
            try expect(["cache.set", "key=k", "value=-"], sends: #"{"key":"k","value":{"a": 1}}"#, input: path)
            try write([UInt8]("{\"key\":\"f\"}".utf8), to: path)
            try expect(["cache.get", "--params", "@\(path)"], sends: #"{"key":"f"}"#)
            try expect(["cache.get", "--params", "-"], sends: #"{"key":"f"}"#, input: path)
        }
    }

    @Test("Only an explicit timeout is sent, beside what the user wrote in _meta")
    func deadline() throws {
        try expect(["agent.ping", "--timeout", "5s"], sends: #"{"_meta":{"deadline_ms":5000}}"#)
        try expect(
            ["cache.get", "key=k", "_meta={\"traceparent\":\"t\"}", "--timeout=1m"],
            sends: #"{"key":"k","_meta":{"deadline_ms":60000,"traceparent":"t"}}"#
        )
        try expect(
            ["cache.get", "key=k", "_meta={\"deadline_ms\":7}", "--timeout=1m"],
            sends: #"{"key":"k","_meta":{"deadline_ms":7}}"#
        )
        try expect(["cache.get", "--params=[\"k\"]", "--timeout", "5s"], sends: #"["k"]"#)
    }

    @Test(
        "What cannot be sent is a usage error, and nothing is sent",
        arguments: [
            ["cache.get", "key"], ["cache.get", "=x"], ["cache.get", ":=1"], ["cache.get", "key=a", "key=b"],
            ["cache.get", "key:=nope"], ["cache.get", "--params", "7"], ["cache.get", "--params", "{"],
            ["cache.get", "--params", "[1]", "key=a"], ["cache.get", "--params", "{\"key\":1}", "key=a"],
            ["cache.get", "key=@/nonexistent/file"], ["cache.get"], ["cache.set", "key=a"],
            ["cache.get", "key=a", "fresh=maybe"], ["cache.set", "key=-", "value=-"],
        ]
    )
    func refused(_ arguments: [String]) throws {
        try FakeAgent.Script { _ in [.send(CommandRun.reply("{}"))] }.serve { agent in
            let run = try CommandRun(arguments, socket: agent.path)
            #expect(run.status == 3)
            #expect(run.complaint.hasPrefix("rpc: "))
            #expect(run.output.isEmpty)
            #expect(agent.lines.isEmpty)
        }
    }

    @Test("The time that a call waits by itself is added to the client's patience")
    func ownWait() throws {
        var params = try CallParams(base: JSONFragment(#"{"wait_ms":1500}"#))
        try params.add("replicas_wait_ms", JSONFragment(integer: 500))
        try params.add("ttl_ms", JSONFragment(integer: 9000))
        #expect(params.ownWait == .seconds(2))
    }
}
