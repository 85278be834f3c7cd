import Linux
import Testing

@testable import Valkey

struct EmbeddedServerRestartsTests {
    private var schedule = EmbeddedServerRestarts()

    private mutating func delay(_ reason: String, after uptime: Duration) -> Duration {
        schedule.ended(reason, uptime: uptime, now: .now, random: .max).delay
    }

    @Test("delays double from 50 ms to 5 s, whatever the reasons, until the server was healthy")
    mutating func delays() {
        let delays = (0..<9).map { delay("reason \($0)", after: .seconds(9)) }
        #expect(delays == [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000].map { .milliseconds($0) })
        #expect(delay("reason", after: .seconds(10)) == .milliseconds(50))
    }

    @Test("one reason is reported five times, then once a minute")
    mutating func repetition() {
        let start = Instant.now
        let seconds = [0, 1, 2, 3, 4, 5, 63, 64, 65, 123, 124] as [Int64]
        let reports = seconds.filter { second in
            let now = start.advanced(milliseconds: second * 1000)
            return schedule.ended("reason", uptime: .zero, now: now, random: 0).isReported
        }
        #expect(reports == [0, 1, 2, 3, 4, 64, 124])
    }

    @Test("another reason, and an end after a time of health, is news")
    mutating func news() {
        var now = Instant.now
        func isReported(_ reason: String, after uptime: Duration) -> Bool {
            now = now.advanced(milliseconds: 1)
            return schedule.ended(reason, uptime: uptime, now: now, random: 0).isReported
        }
        for _ in 0..<5 { #expect(isReported("one", after: .zero)) }
        #expect(!isReported("one", after: .zero))
        #expect(isReported("two", after: .zero))
        for _ in 0..<4 { #expect(isReported("two", after: .zero)) }
        #expect(!isReported("two", after: .zero))
        #expect(isReported("two", after: .seconds(10)))
    }
}
