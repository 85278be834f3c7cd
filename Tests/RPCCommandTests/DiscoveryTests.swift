import Bytes
import RPCTestSupport
import RPCUsage
import Testing

@testable import RPCCommand

@Suite("Methods and parameters that the program does not know")
struct DiscoveryTests {
    private static let document = #"""
        {"methods":[
         {"name":"lock.acquire","summary":"Takes a lock.","params":[
          {"name":"name","required":true,"schema":{"$ref":"#/components/schemas/name"}},
          {"name":"ttl_ms","schema":{"type":"integer"}}]},
         {"name":"cache.get","params":[{"name":"key","required":true,"schema":{"type":"string"}},
          {"name":"lease_ms","schema":{"type":"integer"}}]}],
         "components":{"schemas":{"name":{"type":"string"}}}}
        """#.filter { $0 != "\n" }

    /// An agent that describes itself and answers everything else with an empty object.
    private static let script = FakeAgent.Script { line in
        if line.contains("rpc.discover") { return [.send(CommandRun.reply(document))] }
        return [.send("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}")]
    }

    @Test("A method that only the agent knows is called by what the agent says of it")
    func newerMethod() throws {
        try Self.script.serve { agent in
            let run = try CommandRun(["lock.acquire", "name=7", "ttl_ms=5s"], socket: agent.path)
            #expect(run.status == 0)
            #expect(agent.lines.count == 2)
            #expect(agent.lines.last?.hasSuffix(#""params":{"name":"7","ttl_ms":5000}}"#) == true)
            #expect(try CommandRun(["lock.acquire", "--help"], socket: agent.path).output.contains("Takes a lock."))
        }
    }

    @Test("A parameter that only the agent knows is sent")
    func newerParameter() throws {
        try Self.script.serve { agent in
            let run = try CommandRun(["cache.get", "key=k", "lease_ms=1s"], socket: agent.path)
            #expect(run.status == 0)
            #expect(agent.lines.last?.hasSuffix(#""params":{"key":"k","lease_ms":1000}}"#) == true)
        }
    }

    @Test("A method that nobody knows is a usage error with what may be meant")
    func unknownMethod() throws {
        try Self.script.serve { agent in
            let run = try CommandRun(["lock.aquire", "name=x"], socket: agent.path)
            #expect(run.status == 3)
            #expect(run.complaint.contains("there is no method lock.aquire"))
            #expect(run.complaint.contains("Did you mean lock.acquire?"))
            #expect(agent.lines.count == 1)
        }
        let run = try CommandRun(["cache.gte", "key=x"])
        #expect(run.status == 3)
        #expect(run.complaint.contains("Did you mean cache.get?"))
        #expect(run.complaint.contains("No agent could be asked"))
    }

    @Test("A parameter that nobody knows is a usage error that names those there are")
    func unknownParameter() throws {
        try Self.script.serve { agent in
            let run = try CommandRun(["cache.get", "kye=x"], socket: agent.path)
            #expect(run.status == 3)
            #expect(run.complaint.contains("cache.get has no parameter kye"))
            #expect(run.complaint.contains("Did you mean key?"))
            #expect(run.complaint.contains("It takes: key, lease_ms."))
        }
        #expect(try CommandRun(["cache.get", "kye=x"]).complaint.contains("It takes: key, fresh, wait_ms."))
        #expect(try CommandRun(["agent.ping", "x=1"]).complaint.contains("It takes none."))
    }

    @Test("Where the agent refuses to describe itself, the call is sent for it to judge")
    func refusedDiscovery() throws {
        let script = FakeAgent.Script { line in
            let id = line.contains("rpc.discover") ? 1 : 2
            return [.send("{\"jsonrpc\":\"2.0\",\"id\":\(id),\"error\":{\"code\":1004,\"message\":\"No\"}}")]
        }
        try script.serve { agent in
            let run = try CommandRun(["x.y", "a=1", "b=t"], socket: agent.path)
            #expect(run.status == 5)
            #expect(agent.lines.last?.hasSuffix(#""method":"x.y","params":{"a":1,"b":"t"}}"#) == true)
        }
    }

    @Test("Slips of a few letters are recognised, other words are not")
    func suggestions() {
        let names = ["cache.get", "cache.set", "cache.get_many", "hash.get", "agent.ping"]
        #expect(Suggestion.closest(to: "get", among: names) == ["cache.get", "hash.get"])
        #expect(Suggestion.closest(to: "cache.gte", among: names) == ["cache.get"])
        #expect(Suggestion.closest(to: "Agent.Ping", among: names) == ["agent.ping"])
        #expect(Suggestion.closest(to: "topic.publish", among: names).isEmpty)
        #expect(Suggestion.distance([UInt8]("ab".utf8), [UInt8]("ba".utf8)) == 1)
        #expect(Suggestion.distance([UInt8]("".utf8), [UInt8]("abc".utf8)) == 3)
        #expect(Suggestion.distance([UInt8]("kitten".utf8), [UInt8]("sitting".utf8)) == 3)
    }
}
