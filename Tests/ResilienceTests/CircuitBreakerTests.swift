import Linux
import Resilience
import Testing

/// `#expect` takes no call that changes its receiver: such a call is made first, and its result checked here.
private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
}

@Suite("Circuit breaker")
struct CircuitBreakerTests {
    private let start = Instant(nanoseconds: 1_000_000_000_000)

    private func fail(_ breaker: inout CircuitBreaker, _ count: Int, at instant: Instant) -> Bool {
        breaker.failed(count, generation: breaker.generation, at: instant, random: .max)
    }

    @Test("stays closed below the minimum number of failures, however bad their share")
    func minimum() {
        var breaker = CircuitBreaker()
        check(!fail(&breaker, 19, at: start))
        check(breaker.isPassable)
        check(fail(&breaker, 1, at: start))
        check(breaker.state == .open)
    }

    @Test("stays closed while fewer than half of the commands fail")
    func share() {
        var breaker = CircuitBreaker()
        breaker.succeeded(101, at: start)
        check(!fail(&breaker, 100, at: start))
        check(fail(&breaker, 1, at: start))
    }

    @Test("forgets outcomes that are ten seconds old")
    func window() {
        var breaker = CircuitBreaker()
        check(!fail(&breaker, 19, at: start))
        let later = start.advanced(milliseconds: 10_000)
        check(breaker.counts(at: later).failures == 0)
        check(!fail(&breaker, 19, at: later))
        check(breaker.counts(at: start.advanced(milliseconds: 19_000)).total == 19)
    }

    @Test("counts over seconds that share a place in the ring, each by itself")
    func ring() {
        var breaker = CircuitBreaker()
        breaker.succeeded(5, at: start)
        breaker.succeeded(7, at: start.advanced(milliseconds: 20_000))
        check(breaker.counts(at: start.advanced(milliseconds: 20_000)).total == 7)
    }

    @Test("opens at once when the connection is refused")
    func refusal() {
        var breaker = CircuitBreaker()
        check(breaker.refused(at: start, random: 0))
        check(!breaker.isPassable)
        check(!breaker.refused(at: start, random: 0))
        check(breaker.openings == 1)
    }

    @Test("probes once when its time has come, and not before")
    func probe() {
        var breaker = CircuitBreaker()
        _ = breaker.refused(at: start, random: .max)
        check(breaker.probeInstant == start.advanced(milliseconds: 1000))
        check(!breaker.beginProbe(at: start.advanced(milliseconds: 999)))
        check(breaker.beginProbe(at: start.advanced(milliseconds: 1000)))
        check(breaker.state == .halfOpen)
        check(!breaker.isPassable)
        check(!breaker.beginProbe(at: start.advanced(milliseconds: 1000)))
        check(breaker.answered())
        check(breaker.isPassable)
    }

    @Test("takes the greeting of a new connection for its probe, whenever that is made")
    func greeting() {
        var breaker = CircuitBreaker()
        check(!breaker.beginGreeting())
        _ = breaker.refused(at: start, random: .max)
        check(breaker.beginGreeting())
        check(breaker.state == .halfOpen)
        check(!breaker.beginGreeting())
        check(!breaker.beginProbe(at: breaker.probeInstant))
        let generation = breaker.generation
        check(breaker.probeFailed(generation: generation, at: start, random: .max))
        check(breaker.state == .open)
        check(!breaker.probeFailed(generation: generation, at: start, random: .max))
        check(breaker.beginGreeting())
        check(breaker.answered())
        breaker.set(.forcedOpen, at: start)
        check(!breaker.beginGreeting())
    }

    @Test("stays open longer each time a probe fails, up to its longest, and begins anew after it closed")
    func growth() {
        var breaker = CircuitBreaker()
        var now = start
        _ = breaker.refused(at: now, random: .max)
        for seconds in [1, 2, 4, 8, 16, 30, 30] as [Int64] {
            check(breaker.probeInstant == now.advanced(milliseconds: seconds * 1000))
            now = breaker.probeInstant
            check(breaker.beginProbe(at: now))
            check(breaker.probeFailed(generation: breaker.generation, at: now, random: .max))
        }
        check(breaker.answered())
        _ = breaker.refused(at: now, random: .max)
        check(breaker.probeInstant == now.advanced(milliseconds: 1000))
    }

    @Test("opens for at least half of the delay, whatever the jitter")
    func jitter() {
        var breaker = CircuitBreaker()
        _ = breaker.refused(at: start, random: 0)
        check(breaker.probeInstant == start.advanced(milliseconds: 500))
    }

    @Test("ignores outcomes of an earlier generation")
    func generations() {
        var breaker = CircuitBreaker()
        let early = breaker.generation
        _ = breaker.refused(at: start, random: .max)
        check(breaker.answered())
        check(!breaker.failed(1000, generation: early, at: start, random: .max))
        check(breaker.isPassable)
        _ = breaker.refused(at: start, random: .max)
        check(breaker.beginProbe(at: breaker.probeInstant))
        check(!breaker.probeFailed(generation: early, at: start, random: .max))
        check(breaker.state == .halfOpen)
    }

    @Test("does what an operator says until the decision is handed back")
    func forced() {
        var breaker = CircuitBreaker()
        breaker.set(.forcedOpen, at: start)
        check(!breaker.isPassable)
        check(!breaker.answered())
        check(!breaker.beginProbe(at: start.advanced(milliseconds: 60_000)))
        breaker.set(.automatic, at: start)
        check(breaker.beginProbe(at: start))
        check(breaker.answered())
        breaker.set(.forcedClosed, at: start)
        check(!breaker.refused(at: start, random: 0))
        check(!fail(&breaker, 1000, at: start))
        check(breaker.isPassable)
    }
}

@Suite("Backoff and retry budget")
struct BackoffTests {
    @Test("doubles its bound from 50 ms to 5 s and begins anew after a reset")
    func doubling() {
        var backoff = Backoff()
        let bounds = (0..<9).map { _ in backoff.next(random: .max) }
        check(bounds.map { Int($0 / .milliseconds(1)) } == [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000])
        backoff.reset()
        check(backoff.next(random: .max) == .milliseconds(50))
    }

    @Test("draws from nothing up to the bound")
    func jitter() {
        var backoff = Backoff()
        check(backoff.next(random: 0) == .zero)
        check(backoff.next(random: .max / 2) < .milliseconds(51))
    }

    @Test("allows a tenth as many retries as there were first attempts")
    func budget() {
        var budget = RetryBudget(share: 0.1, most: 5)
        check((0..<5).allSatisfy { _ in budget.spend() })
        check(!budget.spend())
        budget.earn(9)
        check(!budget.spend())
        budget.earn(1)
        check(budget.spend())
        budget.earn(1_000_000)
        check((0..<5).allSatisfy { _ in budget.spend() })
        check(!budget.spend())
    }
}
