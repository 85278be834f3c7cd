import EventLoop
import JSON
import Linux
import RPCClient
import TestSupport
import Testing

@testable import Leases
@testable import Valkey

@Suite("A renewal by an agent of itself")
struct RenewalScriptTests {
    @Test(
        "never shortens a lease, as it may be carried out behind a client's, and lengthens it",
        arguments: ServerKind.installed
    )
    func length(_ kind: ServerKind) async throws {
        LoopThread.start()
        let source = await Task { @EventLoop in LeaseScripts.renew.source }.value
        try await withAgents(1, kind) { server, agents in
            let path = agents[0].socketPath
            try await onThread {
                let client = try ChannelClient(path)
                // An agent that has just begun to listen renews what it holds by then.
                _ = try client.call("lock.acquire", #"{"name":"first"}"#)
                let end = Instant.now.advanced(by: .seconds(15))
                while try client.call("agent.stats", "{}")["leases"]?["renewals"]?.integer != 1 {
                    try expect(Instant.now < end, true)
                }
                let token = try client.call("lock.acquire", #"{"name":"n","ttl_ms":600000}"#)["lease"]?.string ?? ""
                let lease = token.split(separator: "-").first.map(String.init) ?? ""
                // The end, Unix milliseconds, and four numbers more, state, user and agent.
                func record() throws -> [String] {
                    let text = try server.command("HGET", "lock:{n}", "h:\(lease)").text ?? ""
                    return text.split(separator: " ").map(String.init)
                }
                let before = try record()
                try expect(before.count > 7, true)
                let keys = ["lock:{n}", "lock-queue:{n}", "__squire:agent:", ""]
                func renew(_ life: String) throws -> Int64? {
                    let words = ["EVAL", source, "2"] + keys + [lease, before[6], before[7], life, ""]
                    return try server.connect().command(words.map { Array($0.utf8) }).elements?.first?.integer
                }
                try expect(renew("3000"), 1)
                try expect(record(), before)
                try expect(renew("900000"), 1)
                let gained = try (Int64(record()[0]) ?? 0) - (Int64(before[0]) ?? 0)
                try expect(gained >= 300_000, true)
                // A client may: it is told.
                _ = try client.call("lock.renew", #"{"lease":"\#(token)","ttl_ms":5000}"#)
                try expect((Int64(record()[0]) ?? 0) < (Int64(before[0]) ?? 0), true)
            }
        }
    }
}
