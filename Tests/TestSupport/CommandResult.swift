import Glibc
public import Linux

/// What a program that has ended left.
public struct CommandResult: Sendable {
    /// How it ended.
    public let status: ChildProcess.ExitStatus
    /// What it wrote to its standard output.
    public let standardOutput: String
    /// What it wrote to its standard error.
    public let standardError: String
}

/// Runs a program to its end.
///
/// - Parameters:
///   - executable: Its path.
///   - arguments: What follows its name.
///   - input: Its standard input, nil for none.
///   - environment: Variables beside `PATH`; nothing else is taken over from the tests' environment.
///   - limit: How long it may take; it is then ended by force.
/// - Returns: Its output and exit status, whatever that is.
/// - Throws: ``FixtureError`` where it takes too long, `SystemError` where it cannot be started.
public func run(
    _ executable: String,
    _ arguments: [String],
    input: [UInt8]? = nil,
    environment: [String: String] = [:],
    limit: Duration = .seconds(30)
) async throws -> CommandResult {
    try await withTemporaryDirectory { directory in
        let (output, error) = ("\(directory)/output", "\(directory)/error")
        var command = ChildProcess.Command(executable: executable, arguments: arguments)
        command.environment = variables(environment)
        var inputPath: String?
        if let input {
            try File.write(input, to: "\(directory)/input")
            inputPath = "\(directory)/input"
        }
        let process = try await LaunchedProcess.start(command, log: error, output: output, input: inputPath)
        defer { process.kill() }
        let status = try await process.end(within: limit)
        return CommandResult(
            status: status,
            standardOutput: try File.text(output),
            standardError: try File.text(error)
        )
    }
}

/// Runs the built `rpc` to its end.
///
/// - Parameters: As of ``run(_:_:input:environment:limit:)``; `environment` names the socket in `SQUIRE_SOCKET` where
///   `arguments` do not.
/// - Throws: As ``run(_:_:input:environment:limit:)``.
public func runRPC(
    _ arguments: [String],
    input: [UInt8]? = nil,
    environment: [String: String] = [:],
    limit: Duration = .seconds(30)
) async throws -> CommandResult {
    try await run(Product.path("rpc"), arguments, input: input, environment: environment, limit: limit)
}

/// An environment of these variables, with the `PATH` of the tests.
public func variables(_ environment: [String: String]) -> [String] {
    let path = ["PATH": Environment["PATH"] ?? "/usr/bin:/bin"]
    return environment.merging(path) { given, _ in given }.map { "\($0.key)=\($0.value)" }
}
