import JSON
import TestSupport

extension AgentClient {
    /// Waits until a read is answered from the agent's memory.
    ///
    /// - Parameter params: The parameters of `cache.get`.
    /// - Throws: As ``result(of:_:)``, and where that takes too long.
    func becomeNear(_ params: String = #"["k"]"#) async throws {
        try await waitUntil("\(params) is read from memory") {
            try await self.result(of: "cache.get", params)["source"] == "near"
        }
    }

    /// The same, and has the agent know the connection for such reads.
    ///
    /// - Parameter params: The parameters of `cache.get`.
    /// - Throws: As ``becomeNear(_:)``.
    func becomeUsual(_ params: String) async throws {
        try await becomeNear(params)
        for _ in 0..<8 { _ = try await result(of: "cache.get", params) }
    }
}
