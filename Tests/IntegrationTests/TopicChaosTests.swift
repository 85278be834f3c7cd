import TestSupport
import Testing

@Suite("Topics when consumers, agents and Valkey are killed")
struct TopicChaosTests {
    @Test(
        "no message is lost, comes twice as the same delivery, or overtakes one of its key",
        arguments: ServerKind.installed
    )
    func chaos(_ kind: ServerKind) async throws {
        let outcome = try await runChaos(TopicChaos.Plan(), kind)
        #expect(outcome.objections.isEmpty, "\(outcome.objections.prefix(10))")
        #expect(outcome.inspection.hasPrefix("[0, 0] left"), "\(outcome.inspection)")
        #expect(outcome.deliveries >= 2000)
    }
}
