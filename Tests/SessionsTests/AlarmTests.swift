import Linux
import Testing

@testable import Sessions

@Suite("The alarm over sessions that cannot be read")
struct AlarmTests {
    private func instant(seconds: Double) -> Instant {
        Instant(nanoseconds: Int64(1_000_000_000_000 + seconds * 1_000_000_000))
    }

    @Test("Twenty faults in ten seconds are none, and one more raises it once")
    func threshold() {
        var alarm = CorruptionAlarm()
        for index in 0..<20 {
            let isRaised = alarm.record(at: instant(seconds: Double(index) * 0.1))
            #expect(!isRaised)
        }
        #expect(!alarm.isRaised(at: instant(seconds: 2)))
        let isRaised = alarm.record(at: instant(seconds: 2.5))
        let isRaisedAgain = alarm.record(at: instant(seconds: 2.6))
        #expect(isRaised && !isRaisedAgain)
        #expect(alarm.isRaised(at: instant(seconds: 60)))
        #expect(!alarm.isRaised(at: instant(seconds: 63)))
    }

    @Test("Faults that lie further apart never raise it")
    func spread() {
        var alarm = CorruptionAlarm()
        for index in 0..<200 {
            let isRaised = alarm.record(at: instant(seconds: Double(index) * 0.6))
            #expect(!isRaised)
        }
    }
}
