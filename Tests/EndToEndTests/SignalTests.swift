import Glibc
import JSON
import TestSupport
import Testing

@Suite("Signals to the agent")
struct SignalTests {
    @Test("are read by the loop whatever threads there are: it is reloaded, and ends in order")
    func threads() async throws {
        try await withTemporaryDirectory { directory in
            // The audit file has a thread of its own, which is started before the loop.
            let configuration = #"{"audit": {"file": "\#(directory)/audit.ndjson"}}"#
            try await withAgent(configuration: configuration) { agent in
                try agent.daemon.process.signal(SIGHUP)
                try await waitUntil("the configuration was read again") {
                    agent.daemon.log.contains("configuration reloaded")
                }
                #expect(try await agent.connect().result(of: "agent.ping") == ["pong": true])
                try await agent.daemon.terminate()
                #expect(agent.daemon.log.contains("squired stops"))
            }
        }
    }
}
