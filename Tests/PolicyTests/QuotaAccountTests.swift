import Linux
import Testing

@testable import Policy

@Suite("A quota")
struct QuotaAccountTests {
    private let start = Instant(nanoseconds: 1_000_000_000_000)

    private func quota(_ change: (inout Quota) -> Void) -> Quota {
        var quota = Quota()
        change(&quota)
        return quota
    }

    @Test("lets a second's worth of calls run at once, then as many as the time brings")
    func requests() {
        let account = QuotaAccount(quota { $0.requestsPerSecond = 10 }, now: start)
        for _ in 0..<10 { #expect(account.begin(bytes: 0, now: start) == nil) }
        let refusal = account.begin(bytes: 0, now: start)
        #expect(refusal == .init(bound: "requests_per_second", limit: 10, retryAfterMilliseconds: 100))
        #expect(account.begin(bytes: 0, now: start.advanced(milliseconds: 99)) != nil)
        #expect(account.begin(bytes: 0, now: start.advanced(milliseconds: 100)) == nil)
        #expect(account.begin(bytes: 0, now: start.advanced(milliseconds: 100)) != nil)
        let later = start.advanced(milliseconds: 100_000)
        for _ in 0..<10 { #expect(account.begin(bytes: 0, now: later) == nil) }
        #expect(account.begin(bytes: 0, now: later) != nil)
    }

    @Test("counts what runs until it ends")
    func inFlight() {
        let account = QuotaAccount(quota { $0.inFlight = 2 }, now: start)
        #expect(account.begin(bytes: 0, now: start) == nil)
        #expect(account.begin(bytes: 0, now: start) == nil)
        #expect(account.begin(bytes: 0, now: start)?.limit == 2)
        #expect(account.inFlight == 2)
        account.end()
        #expect(account.begin(bytes: 0, now: start) == nil)
    }

    @Test("lets one call above the bound on bytes run, and has it paid for afterwards")
    func bytes() {
        let account = QuotaAccount(quota { $0.bytesPerSecond = 1000 }, now: start)
        #expect(account.begin(bytes: 5000, now: start) == nil)
        #expect(account.begin(bytes: 1, now: start)?.retryAfterMilliseconds == 4001)
        #expect(account.begin(bytes: 1, now: start.advanced(milliseconds: 4001)) == nil)
    }

    @Test("uses nothing for a call that it refuses, and holds as soon as it changes")
    func changes() {
        let account = QuotaAccount(quota { $0.requestsPerSecond = 1 }, now: start)
        #expect(account.begin(bytes: 0, now: start) == nil)
        for _ in 0..<5 { #expect(account.begin(bytes: 0, now: start) != nil) }
        #expect(account.inFlight == 1)
        account.quota = quota { $0.requestsPerSecond = 3 }
        #expect(account.begin(bytes: 0, now: start) == nil)
        #expect(account.begin(bytes: 0, now: start) == nil)
        #expect(account.begin(bytes: 0, now: start) != nil)
    }
}
