import Linux
import Testing

@testable import Valkey

@Suite("The estimate of a server's clock")
struct ServerClockTests {
    private func instant(milliseconds: Int64) -> Instant {
        Instant(nanoseconds: 5_000_000_000 + milliseconds * 1_000_000)
    }

    @Test("Nothing is known before the first answer")
    func unknown() {
        let clock = ServerClock()
        #expect(clock.reading(at: instant(milliseconds: 0)) == nil)
        #expect(clock.isStale(at: instant(milliseconds: 0)))
    }

    @Test("An answer is exact to half of the round trip, and time goes on")
    func sample() throws {
        var clock = ServerClock()
        clock.sample(1_700_000_000_000_000, sent: instant(milliseconds: 0), received: instant(milliseconds: 4))
        let first = try #require(clock.reading(at: instant(milliseconds: 4)))
        #expect(first == ServerClock.Reading(milliseconds: 1_700_000_000_002, errorMilliseconds: 2))
        let later = try #require(clock.reading(at: instant(milliseconds: 1004)))
        #expect(later.milliseconds == 1_700_000_001_002)
        #expect(later.errorMilliseconds == 3)
        #expect(later.latest == 1_700_000_001_005)
    }

    @Test("A worse answer is dropped, until drift has made the better one as bad")
    func worse() throws {
        var clock = ServerClock()
        clock.sample(1_000_000_000, sent: instant(milliseconds: 0), received: instant(milliseconds: 2))
        clock.sample(1_010_000_000 + 30_000, sent: instant(milliseconds: 9980), received: instant(milliseconds: 10_040))
        #expect(clock.reading(at: instant(milliseconds: 10_040))?.milliseconds == 1_010_039)
        clock.sample(1_100_000_000, sent: instant(milliseconds: 100_000), received: instant(milliseconds: 100_020))
        #expect(clock.reading(at: instant(milliseconds: 100_020))?.errorMilliseconds == 10)
    }

    @Test("A clock that was set anew is believed at once")
    func step() {
        var clock = ServerClock()
        clock.sample(1_000_000_000, sent: instant(milliseconds: 0), received: instant(milliseconds: 2))
        clock.sample(4_000_000_000, sent: instant(milliseconds: 1000), received: instant(milliseconds: 1050))
        #expect(clock.reading(at: instant(milliseconds: 1050))?.milliseconds == 4_000_025)
    }
}
