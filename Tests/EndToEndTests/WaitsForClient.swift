import JSON
import TestSupport

extension RunningAgent {
    /// The fields of the waits-for graph.
    func graphFields() throws -> [String] {
        guard case .array(let all) = try server.command("HGETALL", "lock-graph") else { return [] }
        return stride(from: 0, to: all.count, by: 2).compactMap { all[$0].text }
    }

    /// Parties whose waits stand in the waits-for graph.
    func graphParties() throws -> Int {
        try graphFields().count { $0.hasPrefix("q:") }
    }

    /// Waits until so many wait for a lock, in all agents.
    func queue(becomes count: Int64, of lock: String) async throws {
        try await waitUntil("\(count) wait for \(lock)", within: .seconds(25)) {
            try server.command("ZCARD", "lock-queue:{\(lock)}") == .integer(count)
        }
    }
}

extension LeaseClient {
    /// Acquires a lock that is free for it.
    @discardableResult
    func hold(_ lock: String, _ more: [(String, Document)] = []) async throws -> Document {
        let result = try await result("lock.acquire", LeaseClient.parameters(lock, more))
        guard result["acquired"] == true, let lease = result["lease"] else {
            throw FixtureError("\(lock) is not free")
        }
        return lease
    }

    /// Begins to wait for a lock.
    func await(_ lock: String, _ more: [(String, Document)] = []) async throws -> Int64 {
        try await begin("lock.acquire", LeaseClient.parameters(lock, more + [("wait_ms", 60_000)]))
    }

    /// Releases a lock.
    func letGo(_ lease: Document) async throws {
        _ = try await result("lock.release", ["lease": lease])
    }

    private static func parameters(_ lock: String, _ more: [(String, Document)]) -> Document {
        var object = DocumentObject()
        object["name"] = .string(lock)
        for (name, value) in more { object[name] = value }
        return .object(object)
    }
}
