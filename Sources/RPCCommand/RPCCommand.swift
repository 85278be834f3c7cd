public import Linux
import RPCClient
import RPCUsage

/// The `rpc` command: calls the agent from a shell.
public struct RPCCommand {
    private let environment: ProcessEnvironment
    private let console: Console
    private let catalogue: Catalogue

    /// Prepares a command.
    ///
    /// - Parameters:
    ///   - environment: Tells where the agent's socket may be.
    ///   - console: What the command reads from and writes to.
    ///   - catalogue: The methods known without asking the agent.
    public init(environment: ProcessEnvironment, console: Console, catalogue: Catalogue) {
        self.environment = environment
        self.console = console
        self.catalogue = catalogue
    }

    /// Runs `rpc` as a process does.
    ///
    /// - Parameters:
    ///   - arguments: The words after the program's name, byte for byte.
    ///   - console: What the command reads from and writes to.
    /// - Returns: The exit status.
    public static func run(arguments: [[UInt8]], console: Console = .process) -> Int32 {
        let refused = ProcessWords.variablesThatAreNoText.filter(DefaultPaths.socketVariables.contains)
        if let name = refused.first {
            let error = CommandError.usage("the variable \(name) is not UTF-8")
            console.complain(error.text)
            return error.status.rawValue
        }
        return RPCCommand(environment: .current, console: console, catalogue: .compiled).run(arguments)
    }

    /// Runs one command line.
    ///
    /// - Parameter arguments: The words after the program's name, byte for byte.
    /// - Returns: The exit status; whatever went wrong was said on standard error.
    public func run(_ arguments: [[UInt8]]) -> Int32 {
        do throws(CommandError) {
            // What is not UTF-8 is no word of `rpc bench`, and refused as in every other command line.
            let texts = arguments.compactMap { ProcessWords.text($0) }
            if texts.count == arguments.count, let words = BenchOptions.words(in: texts) {
                return try bench(words).rawValue
            }
            return try perform(try Invocation(arguments)).rawValue
        } catch {
            if let status = error.commandStatus { return status }
            console.complain(error.text)
            return error.status.rawValue
        }
    }

    private func perform(_ invocation: Invocation) throws(CommandError) -> ExitStatus {
        let connection = AgentConnection(invocation, environment)
        let discovery = Discovery(catalogue, connection)
        let output = ResultOutput(invocation, console)
        switch invocation.action {
        case .help:
            try console.write(Help.text)
        case .version:
            try console.write("rpc \(Catalogue.version)\n")
        case .list(let prefix):
            try list(prefix ?? "")
        case .describe(let method):
            try output.print(try discovery.describe(method).document)
        case .template(let method):
            if let template = ParamsTemplate.text(try discovery.describe(method)) { try output.print(template) }
        case .methodHelp("cache.dump"):
            try console.write(CacheDump.help)
        case .methodHelp("cache.load"):
            try console.write(CacheLoad.help)
        case .methodHelp(let method):
            try console.write(MethodHelp.text(try discovery.describe(method)))
        case .completion(let shell):
            try console.write(shell.script)
        case .candidates(let line):
            for candidate in Completion(catalogue).candidates(for: line) {
                try console.write("\(candidate.word)\t\(candidate.summary)\n")
            }
        case .call("cache.dump", let words):
            return try CacheDump(words, invocation, console, connection).run()
        case .call("cache.load", let words):
            return try CacheLoad(words, invocation, console, connection).run()
        case .call(let method, let words):
            let call = Call(invocation: invocation, catalogue: catalogue, console: console, connection: connection)
            return try call.run(method: method, words: words)
        case .verifyAudit(let words):
            try AuditVerification.run(words)
        case .execute(let method, let words, let command):
            let execution = Execution(invocation, catalogue, console, connection)
            throw .ended(try execution.run(method, words, command))
        case .stream:
            let client = try connection.open(until: .now.advanced(by: Call.connectLimit))
            var stream = RequestStream(client, console, timeout: invocation.timeout)
            return try stream.run()
        }
        return .done
    }

    private func bench(_ words: [String]) throws(CommandError) -> ExitStatus {
        guard !words.contains("--help"), !words.contains("-h") else {
            try console.write(BenchHelp.text)
            return .done
        }
        return try Bench(try BenchOptions(words), environment, console).run()
    }

    private func list(_ prefix: String) throws(CommandError) {
        let names = catalogue.names.filter { $0.hasPrefix(prefix) }
        guard !names.isEmpty else {
            throw .usage("no method begins with \(prefix)", "rpc list shows all methods.")
        }
        try console.write(TextLayout.columns(names.map { [$0, catalogue.method($0)?.summary ?? ""] }))
    }
}
