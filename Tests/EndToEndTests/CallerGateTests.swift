import Glibc
import JSON
import Linux
import TestSupport
import Testing

@Suite("What a caller may use")
struct CallerGateTests {
    /// Runs `body` with an agent that has this policy; its file, and further members of the configuration, are in a directory.
    private func withPolicy(
        _ rules: String,
        _ members: String = "",
        _ body: (RunningAgent, String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let policy = "\(directory)/policy.json"
            try File.write(#"{"rules": [\#(rules)]}"#, to: policy)
            let text = #"{"policy": {"file": "\#(policy)"}\#(members.replacing("DIRECTORY", with: directory))}"#
            try await withAgent(configuration: text) { agent in try await body(agent, directory) }
        }
    }

    @Test("stays what it is, however often it connects anew")
    func reconnecting() async throws {
        let rules = """
            {"name": "bounded", "users": ["@agent"], "methods": ["agent.*"], "quotas": {"requests_per_second": 10}}
            """
        try await withPolicy(rules) { agent, _ in
            let begun = Instant.now
            var passed = 0
            // Accounts that nobody uses are looked at once a second: three times within these calls.
            while Instant.now.nanoseconds(since: begun) < 3_500_000_000 {
                let client = try agent.connect()
                if try await client.reply(to: "agent.ping").contains("result") { passed += 1 }
            }
            let seconds = Int(Instant.now.nanoseconds(since: begun) / 1_000_000_000)
            #expect((10...(10 * (seconds + 3))).contains(passed), "\(passed) in \(seconds) s")
        }
    }
}
