import TestSupport
import Testing

extension LoadReport {
    /// Expects what holds whatever happens to Valkey: each request got one reply, and none that could not be.
    func expectSound(_ location: SourceLocation = #_sourceLocation) {
        #expect(wrongReplies == 0, "\(self)", sourceLocation: location)
        #expect(lostReplies == 0, "\(self)", sourceLocation: location)
        #expect(closedConnections == 0, "\(self)", sourceLocation: location)
        #expect(results > 0, "\(self)", sourceLocation: location)
    }

    /// Expects that every reply came within its deadline and 50 ms, not counting what the host kept load or agent from
    /// running.
    func expectPunctual(_ location: SourceLocation = #_sourceLocation) {
        let allowed = Duration.milliseconds(50) + max(stall, longestProcessorWait)
        #expect(overrun <= allowed, "\(self)", sourceLocation: location)
    }

    /// Expects every counter in `server` to hold what the load knows of it: as many as were acknowledged, and of those
    /// whose outcome is unknown none, some or all.
    func expectCounters(in server: ValkeyServer, _ location: SourceLocation = #_sourceLocation) throws {
        let connection = try server.connect()
        var unknown = 0
        for counter in counters {
            let value = Int(try connection.command("GET", "cache:\(counter.key)").integer ?? 0)
            #expect(counter.possible.contains(value), "\(counter) holds \(value)", sourceLocation: location)
            let range = counter.acknowledged...(counter.acknowledged + counter.unknown)
            #expect(range.contains(value), "\(counter) holds \(value)", sourceLocation: location)
            unknown += counter.unknown
        }
        #expect(counters.contains { $0.acknowledged > 0 }, sourceLocation: location)
        Figures.show("counters \(counters.count), increments of unknown outcome \(unknown)")
    }
}
