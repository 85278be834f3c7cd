import RPCClient
import RPCUsage
import Testing

@testable import RPCCommand

@Suite("Output")
struct OutputTests {
    private static let result = #"{"value":{"z":1e400,"items":["a\"b",[]],"a.b":{"c":7}},"hit":true,"none":null}"#

    private func printed(_ options: [String], isTerminal: Bool = false) throws -> String {
        let run = try CommandRun.answered(Self.result, ["agent.ping"] + options, isTerminal: isTerminal)
        #expect(run.status == 0)
        return run.output
    }

    @Test("In a pipe the agent's own text is one line")
    func pipe() throws {
        #expect(try printed([]) == Self.result + "\n")
    }

    @Test("On a terminal the text is indented and its tokens are as they came")
    func terminal() throws {
        #expect(
            try printed([], isTerminal: true) == #"""
                {
                  "value": {
                    "z": 1e400,
                    "items": [
                      "a\"b",
                      []
                    ],
                    "a.b": {
                      "c": 7
                    }
                  },
                  "hit": true,
                  "none": null
                }

                """#
        )
    }

    @Test("Indenting drops whitespace outside of strings and nothing else")
    func layout() throws {
        let text = try #require(JSONFragment("{ } "))
        #expect(String(decoding: JSONLayout.indented(text), as: UTF8.self) == "{}")
        let strings = try #require(JSONFragment(#"["{ \\", "\\\"[,:", {"a" : [ ] }]"#))
        let lines = String(decoding: JSONLayout.indented(strings), as: UTF8.self)
        #expect(lines == "[\n  \"{ \\\\\",\n  \"\\\\\\\"[,:\",\n  {\n    \"a\": []\n  }\n]")
    }

    @Test(
        "--field picks a member by its path",
        arguments: [
            ("hit", "true"), ("value.z", "1e400"), ("value.items.0", #""a\"b""#), ("value.items.1", "[]"),
            ("value.a.b.c", "7"), ("none", "null"), ("value.items", #"["a\"b",[]]"#),
        ]
    )
    func field(_ path: String, _ text: String) throws {
        #expect(try printed(["--field", path]) == text + "\n")
    }

    @Test("--raw prints a string without its quotes, and other values as they are")
    func raw() throws {
        #expect(try printed(["--field", "value.items.0", "--raw"]) == "a\"b\n")
        #expect(try printed(["--field=value.z", "--raw"]) == "1e400\n")
    }

    @Test(
        "A member that is not there is an error that names what is",
        arguments: ["valu", "value.items.2", "hit.x", ""]
    )
    func missing(_ path: String) throws {
        let run = try CommandRun.answered(Self.result, ["agent.ping", "--field", path])
        #expect(run.status == 1)
        #expect(run.output.isEmpty)
        #expect(run.complaint.contains("has no member \(path)"))
        #expect(run.complaint.contains("It has: value, hit, none."))
    }

    @Test("A member that is missing because the answer is no ends with 4")
    func missingByAnswer() throws {
        let run = try CommandRun.answered(#"{"hit":false}"#, ["agent.ping", "--field", "value"])
        #expect(run.status == 4)
        #expect(run.complaint.contains("because hit is false"))
        #expect(try CommandRun.answered(#"{"hit":false}"#, ["agent.ping", "--field", "hit"]).output == "false\n")
    }
}
