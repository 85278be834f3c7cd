import Glibc
import Linux
import RPCClient
import RPCTestSupport

@testable import RPCCommand

/// One run of the command in this process, with what it printed.
struct CommandRun {
    /// The exit status.
    let status: Int32
    /// What it wrote to standard output.
    let output: String
    /// What it wrote to standard error.
    let complaint: String

    /// Runs the command.
    ///
    /// - Parameters:
    ///   - arguments: The words after `rpc`.
    ///   - socket: Value of `SQUIRE_SOCKET`.
    ///   - input: Path of the file that is standard input.
    ///   - isTerminal: Whether output goes to a person.
    /// - Throws: `SystemError` where `input` cannot be opened.
    init(
        _ arguments: [String],
        socket: String = "/nonexistent/squire.sock",
        input: String = "/dev/null",
        isTerminal: Bool = false
    ) throws {
        let descriptor = try FileDescriptor.open(input, flags: O_RDONLY)
        self.init(arguments, socket: socket, input: descriptor.number, isTerminal: isTerminal) { _ in }
    }

    /// Runs the command on a descriptor as standard input, and tells `onOutput` what it writes as it writes it.
    ///
    /// `output` stands for standard output: it is watched, but nothing is written to it.
    init(
        _ arguments: [String],
        socket: String,
        input: Int32,
        output outputDescriptor: Int32? = nil,
        isTerminal: Bool = false,
        onOutput: @escaping (String) -> Void
    ) {
        var output: [UInt8] = []
        var complaint: [UInt8] = []
        let console = Console(
            isTerminal: isTerminal,
            input: input,
            output: outputDescriptor,
            writeOutput: { bytes in
                output += bytes
                onOutput(String(decoding: bytes, as: UTF8.self))
                return nil
            },
            writeError: { complaint += $0 }
        )
        let environment = ProcessEnvironment(["SQUIRE_SOCKET": socket])
        status = RPCCommand(environment: environment, console: console, catalogue: .sample)
            .run(arguments.map { Array($0.utf8) })
        self.output = String(decoding: output, as: UTF8.self)
        self.complaint = String(decoding: complaint, as: UTF8.self)
    }

    /// Runs the command against an agent that gives every call the same result.
    static func answered(
        _ result: String,
        _ arguments: [String] = ["agent.ping"],
        isTerminal: Bool = false
    ) throws -> CommandRun {
        try FakeAgent.Script { _ in [.send(reply(result))] }.serve { agent in
            try CommandRun(arguments, socket: agent.path, isTerminal: isTerminal)
        }
    }

    /// Runs the command against an agent that refuses every call.
    static func refused(_ error: String, _ arguments: [String] = ["agent.ping"]) throws -> CommandRun {
        try FakeAgent.Script { _ in [.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\(error)}")] }.serve { agent in
            try CommandRun(arguments, socket: agent.path)
        }
    }

    /// The line that the agent got for a command.
    static func request(_ arguments: [String], input: String = "/dev/null") throws -> String? {
        try FakeAgent.Script { _ in [.send(reply("{}"))] }.serve { agent in
            _ = try CommandRun(arguments, socket: agent.path, input: input)
            return agent.lines.first
        }
    }

    /// The reply to the first call of a connection.
    static func reply(_ result: String) -> String {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\(result)}"
    }
}

extension Invocation {
    /// Reads a command line that is text.
    init(_ arguments: [String]) throws(CommandError) {
        try self.init(arguments.map { Array($0.utf8) })
    }
}

extension Catalogue {
    /// A few methods, as a contract describes them.
    static let sample = Catalogue(names: documents.map(\.name)) { name in
        documents.first { $0.name == name }?.text
    }

    private static let documents: [(name: String, text: String)] = [
        ("agent.ping", #"{"name":"agent.ping","summary":"Answers.","params":[]}"#),
        (
            "news.subscribe",
            #"""
            {"name":"news.subscribe","summary":"Tells the news.","params":[],
             "result":{"name":"subscription","schema":{"type":"object","properties":{"subscription":{"type":"string"}}}}}
            """#
        ),
        (
            "mail.subscribe",
            #"""
            {"name":"mail.subscribe","summary":"Hands out mail.","params":[
              {"name":"credit","schema":{"type":"integer","default":64}},
              {"name":"ack_ms","schema":{"type":"integer","default":30000}}],
             "result":{"name":"subscription","schema":{"type":"object","properties":{"subscription":{"type":"string"}}}}}
            """#
        ),
        (
            "cache.get",
            #"""
            {"name":"cache.get","summary":"Reads one entry.","description":"Asks the near cache, then Valkey.",
             "params":[
              {"name":"key","required":true,"description":"Name of the entry.","schema":{"type":"string"}},
              {"name":"fresh","schema":{"type":"boolean","default":false}},
              {"name":"wait_ms","schema":{"type":"integer","minimum":0,"default":0}}],
             "result":{"name":"entry","schema":{"type":"object","required":["hit"],"properties":{
              "hit":{"type":"boolean","description":"Whether there is an entry."},
              "value":{"description":"The value."}}}},
             "errors":[{"code":1004,"message":"Policy forbids it.","data":{"kind":"forbidden"}}],
             "examples":[{"name":"one","params":[{"name":"key","value":"it's"},{"name":"fresh","value":true}]}]}
            """#
        ),
        (
            "cache.set",
            #"""
            {"name":"cache.set","summary":"Writes one entry.","params":[
              {"name":"note","schema":{"type":["string","null"],"enum":["new","old",null]}},
              {"name":"key","required":true,"schema":{"type":"string"}},
              {"name":"value","required":true,"schema":{}},
              {"name":"ttl_ms","schema":{"anyOf":[{"type":"integer","minimum":1},{"type":"null"}]}},
              {"name":"limit_bytes","schema":{"type":"integer"}},
              {"name":"tags","schema":{"type":"array","items":{"type":"string"}}}]}
            """#
        ),
    ]
}
