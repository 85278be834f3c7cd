import Linux
import Testing

@testable import Topics

/// The schedule is pure: no server, no clock.
@Suite("When a group asks for messages")
struct FetchScheduleTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func later(_ milliseconds: Int64) -> Instant { start.advanced(milliseconds: milliseconds) }

    private func running() -> FetchSchedule {
        var schedule = FetchSchedule()
        schedule.began()
        return schedule
    }

    @Test("one question at a time; what calls for another meanwhile is not forgotten")
    func oneAtATime() {
        var schedule = FetchSchedule()
        let isFirstNow = schedule.want()
        #expect(isFirstNow)
        schedule.began()
        let areOthersNow = [schedule.want(), schedule.want()]
        #expect(areOthersNow == [false, false])
        let step = schedule.succeeded(due: -1, hasMore: false, takesMessages: true, at: start)
        #expect(step == .fetch)
        schedule.began()
        let last = schedule.succeeded(due: -1, hasMore: false, takesMessages: true, at: start)
        #expect(last == .wait(until: later(5000)))
    }

    @Test(
        "the next question comes when something is due, and after some seconds at the latest",
        arguments: [(250, 250), (5000, 5000), (60_000, 5000), (-1, 5000)] as [(Int64, Int64)]
    )
    func due(_ due: Int64, _ expected: Int64) {
        var schedule = running()
        let step = schedule.succeeded(due: due, hasMore: false, takesMessages: true, at: start)
        #expect(step == .wait(until: later(expected)))
    }

    @Test("what can be delivered now is asked for at once, but only where somebody takes it")
    func more() {
        for (due, hasMore) in [(Int64(0), false), (-1, true), (0, true)] {
            var schedule = running()
            let eager = schedule.succeeded(due: due, hasMore: hasMore, takesMessages: true, at: start)
            #expect(eager == .fetch)
            schedule = running()
            _ = schedule.want()
            let full = schedule.succeeded(due: due, hasMore: hasMore, takesMessages: false, at: start)
            #expect(full == .wait(until: later(5000)))
        }
    }

    @Test("questions without an answer are asked again, ever more slowly and once a second at least")
    func failures() {
        var schedule = FetchSchedule()
        var delays: [Int64] = []
        for _ in 0..<8 {
            schedule.began()
            guard case .wait(let until) = schedule.failed(at: start) else { continue }
            delays.append(until.milliseconds(since: start))
        }
        #expect(delays == [100, 200, 400, 800, 1000, 1000, 1000, 1000])
        schedule.began()
        _ = schedule.succeeded(due: -1, hasMore: false, takesMessages: true, at: start)
        schedule.began()
        let afterSuccess = schedule.failed(at: start)
        #expect(afterSuccess == .wait(until: later(100)))
    }
}
