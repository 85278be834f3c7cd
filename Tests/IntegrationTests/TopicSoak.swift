import Linux
import TestSupport
import Testing

/// The long form of ``TopicChaosTests``.
@Suite(.enabled(if: Soak.isEnabled))
struct TopicSoak {
    @Test("a hundred thousand messages outlive a hundred kills and five restarts")
    func chaos() async throws {
        var plan = TopicChaos.Plan()
        plan.messages = 100_000
        plan.kills = 100
        plan.restarts = 5
        plan.seed = UInt64.random(in: 1...1_000_000)
        let start = Instant.now
        let outcome = try await runChaos(plan)
        let seconds = Double(Instant.now.milliseconds(since: start)) / 1000
        File.writeToStandardError(
            "TopicSoak: seed \(plan.seed): \(outcome.deliveries) deliveries, \(outcome.again) of them again, "
                + "\(outcome.late) late acks refused, \(plan.kills) kills, \(plan.restarts) restarts, \(seconds) s\n"
        )
        #expect(outcome.objections.isEmpty, "\(outcome.objections.prefix(10))")
        #expect(outcome.inspection.hasPrefix("[0, 0] left"), "\(outcome.inspection)")
        #expect(outcome.late > 0)
    }
}
