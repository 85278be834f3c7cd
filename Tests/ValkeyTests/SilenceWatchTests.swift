import Linux
import Testing

@testable import Valkey

/// `#expect` takes no call that changes its receiver.
private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
}

@Suite("Silence of a connection")
struct SilenceWatchTests {
    private func instant(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

    private func look(_ watch: inout SilenceWatch, at now: Int64, receivedAt: Int64) -> SilenceWatch.Step {
        watch.look(at: instant(now), receivedAt: instant(receivedAt))
    }

    @Test("a second of silence is asked about, three are death")
    func death() {
        var watch = SilenceWatch()
        check(look(&watch, at: 500, receivedAt: 0) == .wait(until: instant(1000)))
        check(look(&watch, at: 1000, receivedAt: 0) == .ping(next: instant(3000)))
        check(look(&watch, at: 2000, receivedAt: 0) == .wait(until: instant(3000)))
        check(look(&watch, at: 3000, receivedAt: 0) == .dead(milliseconds: 3000))
    }

    @Test("an answer begins a new silence, about which is asked anew")
    func answer() {
        var watch = SilenceWatch()
        check(look(&watch, at: 1000, receivedAt: 0) == .ping(next: instant(3000)))
        check(look(&watch, at: 1100, receivedAt: 1050) == .wait(until: instant(2050)))
        check(look(&watch, at: 2100, receivedAt: 1050) == .ping(next: instant(4100)))
    }

    @Test("a bound of its own holds, and a new connection is asked anew")
    func bound() {
        var watch = SilenceWatch(max: 2_000_000_000)
        check(look(&watch, at: 1000, receivedAt: 0) == .ping(next: instant(2000)))
        check(look(&watch, at: 2000, receivedAt: 0) == .dead(milliseconds: 2000))
        watch.reset()
        check(look(&watch, at: 2500, receivedAt: 0) == .ping(next: instant(3500)))
    }

    @Test("an agent that stood still asks before it judges")
    func standstill() {
        var watch = SilenceWatch()
        check(look(&watch, at: 60_000, receivedAt: 0) == .ping(next: instant(62_000)))
        check(look(&watch, at: 60_500, receivedAt: 0) == .wait(until: instant(62_000)))
        check(look(&watch, at: 62_000, receivedAt: 0) == .dead(milliseconds: 62_000))
    }
}
