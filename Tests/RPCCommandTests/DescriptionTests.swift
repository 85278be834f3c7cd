import RPCClient
import RPCTestSupport
import RPCUsage
import Testing

@testable import RPCCommand

@Suite("Descriptions of methods")
struct DescriptionTests {
    @Test("list prints a line for each method, by name, and takes a prefix")
    func list() throws {
        #expect(
            try CommandRun(["list"]).output == """
                agent.ping      Answers.
                cache.get       Reads one entry.
                cache.set       Writes one entry.
                mail.subscribe  Hands out mail.
                news.subscribe  Tells the news.

                """
        )
        #expect(try CommandRun(["list", "agent."]).output == "agent.ping  Answers.\n")
    }

    @Test("describe prints the contract's own object, of which --field picks a part")
    func describe() throws {
        #expect(
            try CommandRun(["describe", "agent.ping"]).output
                == #"{"name":"agent.ping","summary":"Answers.","params":[]}"# + "\n"
        )
        #expect(try CommandRun(["describe", "cache.get", "--field", "params.0.name", "--raw"]).output == "key\n")
        #expect(try CommandRun(["describe", "agent.ping"], isTerminal: true).output.hasPrefix("{\n  \"name\""))
    }

    @Test("template has every parameter, those that are needed first, and is JSON that --params takes")
    func template() throws {
        let run = try CommandRun(["template", "cache.set"])
        #expect(run.output == #"{"key":"","value":null,"note":"new","ttl_ms":0,"limit_bytes":0,"tags":[]}"# + "\n")
        #expect(JSONFragment(run.output) != nil)
        #expect(try CommandRun(["template", "cache.get"]).output == #"{"key":"","fresh":false,"wait_ms":0}"# + "\n")
        #expect(try CommandRun(["template", "agent.ping"]).output == "{}\n")
    }

    @Test("The help of a method says what it does, takes and returns, with calls to try")
    func methodHelp() throws {
        let run = try CommandRun(["cache.get", "--help"])
        #expect(run.status == 0)
        #expect(
            run.output == #"""
                cache.get: Reads one entry.

                Usage: rpc cache.get key=… [fresh=…] [wait_ms=…]

                Asks the near cache, then Valkey.

                Parameters:
                  key: string; needed
                      Name of the entry.
                  fresh: boolean; default false
                  wait_ms: integer or a duration like 60s or 250ms; default 0

                Answer:
                  hit: boolean
                      Whether there is an entry.
                  value: any JSON; not always there
                      The value.

                Errors: forbidden (1004).

                Examples:
                  rpc cache.get key='it'\''s' fresh=true

                'rpc describe cache.get' prints all of it as JSON.

                """#
        )
        #expect(try CommandRun(["help", "cache.get"]).output == run.output)
    }

    @Test(
        "Words of an example come back as the values they were",
        arguments: [#""7""#, "7", #""-""#, #""@x""#, "null"]
    )
    func exampleWords(_ json: String) throws {
        let value = try #require(JSONFragment(json))
        let parameter = Parameter(name: "value")
        let word = MethodHelp.word("value", value, parameter).filter { $0 != "'" }
        let console = Console(isTerminal: false, input: -1, writeOutput: { _ in nil }, writeError: { _ in })
        #expect(try Argument(word).value(for: parameter, console).text == json)
    }

    @Test("The program's help and version go to standard output")
    func program() throws {
        let help = try CommandRun(["--help"])
        #expect(help.status == 0)
        #expect(help.output.contains("rpc cache.set key=user:42"))
        #expect(help.output.contains("7 deadline exceeded"))
        #expect(try CommandRun(["help"]).output == help.output)
        #expect(try CommandRun(["-h"]).output == help.output)
        let version = try CommandRun(["--version"]).output
        #expect(version.hasPrefix("rpc ") && version.contains("."))
    }

    @Test("Lines for people keep to the width")
    func wrapping() {
        let lines = TextLayout.wrapped(String(repeating: "word ", count: 60), indent: 4).split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines.allSatisfy { $0.count <= TextLayout.width && $0.hasPrefix("    word") })
    }

    @Test("Every method of the built-in contract is described, with a name, a summary and schemas that are read")
    func compiled() throws {
        let catalogue = Catalogue.compiled
        #expect(catalogue.names.contains("cache.get"))
        for name in catalogue.names {
            let method = try #require(catalogue.method(name))
            #expect(method.name == name && !method.summary.isEmpty && method.deadline != nil)
            #expect(ParamsTemplate.text(method) != nil)
            #expect(MethodHelp.text(method).contains("Usage: rpc \(name)"))
        }
        let key = try #require(catalogue.method("cache.get")?.parameter("key"))
        #expect(key.type == .string && key.isRequired)
        let keys = try #require(catalogue.method("cache.delete")?.parameter("keys"))
        #expect(try keys.convert([UInt8]("a".utf8)).text == #"["a"]"#)
        let value = try #require(catalogue.method("cache.set")?.parameter("value"))
        #expect(value.type == .any)
        let life = try #require(catalogue.method("cache.set")?.parameter("ttl_ms"))
        #expect(try life.convert([UInt8]("5m".utf8)).text == "300000")
        #expect(try life.convert([UInt8]("null".utf8)).text == "null")
        #expect(catalogue.method("cache.nope") == nil)
    }
}
