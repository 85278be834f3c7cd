import Linux
import TestSupport
import Testing

/// Everything that can happen to connections happens to those between agent and Valkey, in an order drawn from a seed.
struct RandomFaultTests {
    @Test("under every kind of fault no reply is wrong, and the agent goes on after each")
    func everyFault() async throws {
        let report = try await Self.run(rounds: 1, lasting: .milliseconds(100))
        #expect(report.memoryGrowth < 32 << 20)
    }

    /// What is done to the connections.
    private enum Harm: CaseIterable {
        case delay
        case slices
        case bandwidth
        case blackHole
        case stall
        case refusal
        case reset
        case resetInsideRequest
        case resetInsideReply
        case endOfRequests
        case endOfReplies

        func apply(to proxy: FaultProxy, _ random: inout SeededGenerator) {
            switch self {
            case .delay: proxy.faults = .delay(.milliseconds(5), jitter: .milliseconds(20))
            case .slices: proxy.faults = .slices(ofBytes: Int.random(in: 1...40, using: &random))
            case .bandwidth: proxy.faults = .bandwidth(bytesPerSecond: 20_000)
            case .blackHole: proxy.faults = .blackHole
            case .stall: proxy.faults = .stall
            case .refusal:
                proxy.faults = .refusal
                proxy.resetConnections()
            case .reset: proxy.resetConnections()
            case .resetInsideRequest: proxy.reset(afterBytes: Int.random(in: 0...2000, using: &random), of: .requests)
            case .resetInsideReply: proxy.reset(afterBytes: Int.random(in: 0...2000, using: &random), of: .replies)
            case .endOfRequests: proxy.finishSending(.requests)
            case .endOfReplies: proxy.finishSending(.replies)
            }
        }
    }

    /// Harms the connections of a loaded agent in every way, one after the other.
    ///
    /// - Parameters:
    ///   - rounds: How often each harm is done.
    ///   - duration: How long each lasts.
    ///   - seed: Decides their order and their measure.
    /// - Returns: What the load found out.
    /// - Throws: `FixtureError` where a part of the fixture fails, or the agent does not recover.
    static func run(rounds: Int, lasting duration: Duration, seed: UInt64 = 3) async throws -> LoadReport {
        var plan = LoadPlan(connections: 32)
        plan.pause = .milliseconds(5)
        plan.deadline = .milliseconds(500)
        plan.durability = .delayed
        plan.expectsFailures = true
        var random = SeededGenerator(seed: seed)
        return try await Machine.alone {
            try await withValkeyServer { server in
                try await withFaultProxy(to: .unix(server.socketPath), seed: seed) { proxy in
                    try await withDaemon(arguments: ["--valkey", proxy.address.url]) { daemon in
                        let report = try await withLoad(plan, on: daemon) { load in
                            for _ in 0..<rounds {
                                for harm in Harm.allCases.shuffled(using: &random) {
                                    harm.apply(to: proxy, &random)
                                    try await Task.sleep(for: duration)
                                    proxy.faults = .none
                                    _ = try await load.success(ofCallAfter: .now, within: .seconds(30))
                                }
                            }
                        }
                        report.expectSound()
                        try report.expectCounters(in: server)
                        return report
                    }
                }
            }
        }
    }
}
