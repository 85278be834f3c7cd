import Glibc
import JSON
import Linux
import TestSupport

/// An agent whose sessions a test uses.
struct SessionAgent: Sendable {
    let daemon: Daemon

    /// The reply to a call.
    func reply(_ method: String, _ params: Document) async throws -> Document {
        let request: Document = ["jsonrpc": "2.0", "id": 1, "method": .string(method), "params": params]
        return try Document.parse(try await daemon.exchange(request.text(style: .compact), limit: .seconds(60)))
    }

    /// The result of a call that succeeds.
    func result(_ method: String, _ params: Document = [:]) async throws -> Document {
        let reply = try await reply(method, params)
        guard let result = reply["result"] else {
            throw FixtureError("\(method) was answered with \(reply.text(style: .compact))")
        }
        return result
    }

    /// The kind of the error that a call is answered with; nil where it succeeds.
    func errorKind(_ method: String, _ params: Document) async throws -> String? {
        try await reply(method, params)["error"]?["data"]?["kind"]?.string
    }

    /// Begins a session and returns its token.
    func create(_ params: Document = [:]) async throws -> Session {
        Session(try await result("session.create", params))
    }

    /// Reads a session without using it.
    func get(_ token: String, _ namespace: String? = nil) async throws -> Document {
        var params: DocumentObject = DocumentObject()
        params["token"] = .string(token)
        params["touch"] = false
        if let namespace { params["namespace"] = .string(namespace) }
        return try await result("session.get", .object(params))
    }

    /// Whether a token leads to a session.
    func finds(_ token: String) async throws -> Bool {
        try await get(token)["found"]?.boolean == true
    }

    /// A counter of the area `sessions`.
    func count(_ name: String) async throws -> Int64 {
        try await result("agent.stats")["sessions"]?[name]?.integer ?? -1
    }
}

/// A session as the call returned it that gave it a token.
struct Session: Sendable {
    let token: String
    let handle: String
    let version: Int64

    init(_ result: Document) {
        token = result["token"]?.string ?? ""
        handle = result["handle"]?.string ?? ""
        version = result["version"]?.integer ?? 0
    }

    /// The name of its key in Valkey.
    var key: String { "session:{\(handle.prefix(4))}\(handle.dropFirst(4))" }
}

/// Files with keys: 32 bytes that count up from a number each.
enum KeyFile {
    static func write(_ number: UInt8, to path: String, mode: UInt32 = 0o600) throws {
        try File.write((0..<32).map { number &+ $0 }, to: path)
        guard unsafe chmod(path, mode) == 0 else { throw SystemError.current("chmod \(path)") }
    }
}

/// Runs `body` with a server and as many agents on it as there are lists of keys.
///
/// - Parameters:
///   - keys: The numbers of each agent's keys, the primary one's first; its files are `key-<agent>-<position>`.
///   - environment: Further variables of the agents.
///   - arguments: Further settings of the server.
///   - body: Receives the agents, the server, and the directory of the key files.
/// - Returns: What `body` returned.
/// - Throws: What `body` throws, or ``FixtureError``.
func withSessionAgents<Result>(
    keys: [[UInt8]] = [[1]],
    environment: [String: String] = [:],
    server arguments: [String] = [],
    _ body: ([SessionAgent], ValkeyServer, String) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        try await withValkeyServer(arguments: arguments) { server in
            try await withAgents(keys[...], environment, server, directory, []) { agents in
                try await body(agents, server, directory)
            }
        }
    }
}

private func withAgents<Result>(
    _ keys: ArraySlice<[UInt8]>,
    _ environment: [String: String],
    _ server: ValkeyServer,
    _ directory: String,
    _ agents: [SessionAgent],
    _ body: ([SessionAgent]) async throws -> Result
) async throws -> Result {
    guard let own = keys.first else { return try await body(agents) }
    let paths = own.indices.map { "\(directory)/key-\(agents.count)-\($0)" }
    for (path, number) in zip(paths, own) { try KeyFile.write(number, to: path) }
    var variables = environment
    variables["SQUIRE_SESSIONS_KEY_FILES"] = paths.joined(separator: ":")
    return try await withDaemon(arguments: ["--valkey", "unix://\(server.socketPath)"], environment: variables) {
        daemon in
        try await withAgents(
            keys.dropFirst(),
            environment,
            server,
            directory,
            agents + [SessionAgent(daemon: daemon)],
            body
        )
    }
}
