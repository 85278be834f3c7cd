import Bytes
import Linux
import RPCClient
import RPCUsage

/// Finds the description of a method: in this build of the program, else by asking the agent, which may be newer.
struct Discovery {
    /// How long the agent may take to describe itself.
    private static let limit = Duration.seconds(5)

    private let catalogue: Catalogue
    private let connection: AgentConnection

    init(_ catalogue: Catalogue, _ connection: AgentConnection) {
        self.catalogue = catalogue
        self.connection = connection
    }

    /// The description of `method`.
    ///
    /// - Throws: ``CommandError`` `.usage` where neither this program nor the agent knows it.
    func describe(_ method: String) throws(CommandError) -> MethodDescription {
        if let known = catalogue.method(method) { return known }
        var description: MethodDescription?
        _ = try resolve(method, &description, [])
        guard let description else { throw unknown(method, catalogue.names, "The agent does not describe itself.") }
        return description
    }

    /// Asks the agent about a method, or about parameters, that this program does not know.
    ///
    /// - Parameters:
    ///   - method: Name of the method.
    ///   - description: What this program knows of it; replaced by what the agent says. It stays nil where the agent
    ///     refuses to describe itself: then the call is for it to judge.
    ///   - arguments: The parameters that the user gave.
    /// - Returns: The connection that was opened.
    /// - Throws: ``CommandError`` `.usage` where the agent does not know them either, or cannot be asked.
    func resolve(
        _ method: String,
        _ description: inout MethodDescription?,
        _ arguments: [Argument]
    ) throws(CommandError) -> RPCClient? {
        let client: RPCClient
        let reply: RPCMessage
        do throws(CommandError) {
            let deadline = Instant.now.advanced(by: Self.limit)
            client = try connection.open(until: deadline)
            reply = try Self.ask(client, until: deadline)
        } catch {
            if let description { try check(arguments, description) }
            throw unknown(method, catalogue.names, "No agent could be asked whether it knows more: \(error.message).")
        }
        if let result = reply.result, let methods = result["methods"]?.elements {
            guard let document = methods.first(where: { $0["name"]?.string == method }) else {
                if let description { try check(arguments, description) }
                throw unknown(method, catalogue.names + methods.compactMap { $0["name"]?.string })
            }
            description = MethodDescription(DocumentReferences(result).resolved(document))
        }
        if let description { try check(arguments, description) }
        return client
    }

    private static func ask(_ client: RPCClient, until deadline: Instant) throws(CommandError) -> RPCMessage {
        do throws(RPCClientError) {
            return try client.call("rpc.discover", until: deadline)
        } catch {
            throw CommandError(error, calling: "rpc.discover")
        }
    }

    private func unknown(_ method: String, _ names: [String], _ reason: String? = nil) -> CommandError {
        let unique = names.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        let advice = Suggestion.question(about: method, among: unique) + [reason].compactMap(\.self)
        return CommandError(.usage, "there is no method \(method)", advice: advice + ["rpc list shows the methods."])
    }

    /// Refuses a parameter that the method does not have.
    private func check(_ arguments: [Argument], _ description: MethodDescription) throws(CommandError) {
        let names = description.parameters.map(\.name)
        for argument in arguments where description.parameter(argument.name) == nil {
            let known = names.isEmpty ? "It takes none." : "It takes: \(names.joined(separator: ", "))."
            throw CommandError(
                .usage,
                "\(description.name) has no parameter \(argument.name)",
                advice: Suggestion.question(about: argument.name, among: names) + [known]
            )
        }
    }
}
