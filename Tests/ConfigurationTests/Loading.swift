import JSON
import Linux
import TestSupport

@testable import Configuration

/// Reads a configuration from a file of its own, made-up variables and flags.
enum Loading {
    /// What a command line asks for.
    ///
    /// - Parameters:
    ///   - text: Text of the file; nil for none.
    ///   - flags: The flags beside `--config`.
    ///   - variables: The environment; `HOME` is added.
    ///   - userID: Whose agent it is.
    /// - Returns: What is asked for.
    /// - Throws: `ConfigurationError`, or what keeps the file from being written.
    static func invocation(
        _ text: String? = nil,
        flags: [String] = [],
        variables: [String: String] = [:],
        userID: UInt32 = 1000
    ) async throws -> Invocation {
        try await withTemporaryDirectory { directory in
            let path = "\(directory)/squire.json"
            if let text { try File.write(text, to: path) }
            return try Configuration.load(
                arguments: flags + (text == nil ? [] : ["--config", path]),
                environment: ProcessEnvironment(["HOME": directory].merging(variables) { _, given in given }),
                userID: userID
            )
        }
    }

    /// The configuration that an agent would run with.
    static func configuration(
        _ text: String? = nil,
        flags: [String] = [],
        variables: [String: String] = [:],
        userID: UInt32 = 1000
    ) async throws -> Configuration {
        guard
            case .run(let configuration) = try await invocation(
                text,
                flags: flags,
                variables: variables,
                userID: userID
            )
        else { throw UnexpectedInvocation() }
        return configuration
    }

    /// The faults that are reported, one line each; none where there is a configuration.
    static func faults(
        _ text: String? = nil,
        flags: [String] = [],
        variables: [String: String] = [:]
    ) async throws -> [String] {
        do {
            _ = try await invocation(text, flags: flags, variables: variables)
            return []
        } catch ConfigurationError.faults(let faults) {
            return faults.map(\.description)
        }
    }

    /// A command line that asked for something else than to serve.
    struct UnexpectedInvocation: Error {}
}

extension Configuration {
    /// The value and origin of an option, such as `64 default`.
    func shown(_ name: String) -> String? {
        values.first { $0.name == name }.map { "\($0.value.text(style: .compact)) \($0.origin.rawValue)" }
    }
}
