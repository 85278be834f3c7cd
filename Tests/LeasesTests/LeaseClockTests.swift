import Leases
import Linux
import Testing

@Suite("The clock of a lease")
struct LeaseClockTests {
    private static let start = Instant(nanoseconds: 1_000_000_000_000)

    private func clock(life: Int64 = 30_000, hold: Int64 = 3_600_000) -> LeaseClock {
        var clock = LeaseClock(life: life, hold: hold, at: Self.start)
        clock.renewed(life: life, sent: Self.start)
        return clock
    }

    @Test("ends before the server's life does, whose count began when the request left", arguments: [10, 100, 30_000])
    func margin(life: Int64) {
        let clock = clock(life: life)
        #expect(clock.validUntil < clock.end)
        #expect(clock.end == Self.start.advanced(milliseconds: life))
        // A clock that runs one part in a hundred slower does not reach the server's end.
        let slow = clock.validUntil.nanoseconds(since: Self.start) / 100 * 101
        #expect(slow <= life * 1_000_000)
    }

    @Test("renews after a third of the life, twice before it no longer counts")
    func renewal() {
        let clock = clock()
        #expect(clock.nextRenewal == Self.start.advanced(milliseconds: 10_000))
        #expect(clock.nextLife(at: clock.nextRenewal) == 30_000)
    }

    @Test("renews no further than the time without word of the client, and then not at all")
    func hold() {
        var clock = clock(hold: 50_000)
        let second = Self.start.advanced(milliseconds: 10_000)
        clock.renewed(life: 30_000, sent: second)
        let third = clock.nextRenewal
        #expect(third == Self.start.advanced(milliseconds: 20_000))
        #expect(clock.nextLife(at: third) == 30_000)
        clock.renewed(life: 30_000, sent: third)
        #expect(clock.end == Self.start.advanced(milliseconds: 50_000))
        #expect(clock.nextRenewal == .distantFuture)
        #expect(clock.isHoldOver(at: clock.validUntil))
    }

    @Test("counts on no more than a shorter life that somebody else asked for, and renews with its own")
    func cut() {
        var clock = clock()
        let later = Self.start.advanced(milliseconds: 5000)
        clock.cut(life: 60_000, sent: later)
        #expect(clock.end == Self.start.advanced(milliseconds: 30_000))
        clock.cut(life: 1000, sent: later)
        #expect(clock.end == later.advanced(milliseconds: 1000))
        #expect(clock.nextLife(at: clock.nextRenewal) == 30_000)
    }

    @Test("cuts the last life so that it ends with that time")
    func lastLife() {
        let clock = clock(hold: 35_000)
        #expect(clock.nextLife(at: clock.nextRenewal) == 25_000)
    }

    @Test("begins that time anew when the client renews")
    func client() {
        var clock = clock(hold: 50_000)
        clock.renewedByClient(life: 40_000, sent: Self.start.advanced(milliseconds: 45_000))
        #expect(clock.end == Self.start.advanced(milliseconds: 85_000))
        #expect(!clock.isHoldOver(at: Self.start.advanced(milliseconds: 60_000)))
    }

    @Test("may be shortened by the client, and by nobody else")
    func shorter() {
        var clock = clock()
        clock.renewed(life: 1000, sent: Self.start.advanced(milliseconds: 10))
        #expect(clock.end == Self.start.advanced(milliseconds: 30_000))
        clock.renewedByClient(life: 1000, sent: Self.start.advanced(milliseconds: 10))
        #expect(clock.end == Self.start.advanced(milliseconds: 1010))
    }

    @Test("is not lengthened by a late answer to an early request")
    func lateAnswer() {
        var clock = clock()
        clock.renewed(life: 30_000, sent: Self.start.advanced(milliseconds: 20_000))
        let end = clock.end
        clock.renewed(life: 30_000, sent: Self.start.advanced(milliseconds: 10_000))
        #expect(clock.end == end)
    }
}
