import RPCClient
import Testing

@testable import TestSupport

/// What a load holds possible, and what it calls wrong.
struct LoadModelTests {
    /// `#expect` looks at parts of its expression, which a call that changes the model does not allow.
    private func expect(_ holds: Bool, _ location: SourceLocation = #_sourceLocation) {
        #expect(holds, sourceLocation: location)
    }

    private func result(_ text: String) -> JSONFragment? {
        JSONFragment(#"{"jsonrpc":"2.0","id":1,"result":\#(text)}"#)
    }

    private func error(_ kind: String, outcome: String?) -> JSONFragment? {
        let outcome = outcome.map { #","outcome":"\#($0)""# } ?? ""
        return JSONFragment(#"{"id":1,"error":{"code":1,"message":"","data":{"kind":"\#(kind)"\#(outcome)}}}"#)
    }

    private func slot(
        _ durability: LoadPlan.Durability = .durable,
        expectsFailures: Bool = true
    ) -> LoadSlot {
        var plan = LoadPlan(connections: 1)
        plan.durability = durability
        plan.expectsFailures = expectsFailures
        return LoadSlot(name: "c1s2", plan: plan)
    }

    private func isWrong(_ verdict: LoadSlot.Verdict) -> Bool {
        if case .wrong = verdict { return true }
        return false
    }

    @Test("a write whose outcome is unknown may be seen or not, but not both")
    func unknownWrite() {
        var register = LoadRegister(.durable)
        expect(register.read(0))
        register.wrote(register.beginWrite(), .applied, isLate: false)
        register.wrote(register.beginWrite(), .unknown, isLate: false)
        var other = register
        expect(register.read(1) && !register.read(2))
        expect(other.read(2) && !other.read(1))
    }

    @Test("a write that was refused is never seen")
    func refusedWrite() {
        var register = LoadRegister(.durable)
        register.wrote(register.beginWrite(), .notApplied, isLate: false)
        expect(!register.read(1) && register.read(0))
    }

    @Test("what was sent to a server that stood still may be seen after a later write")
    func delayedWrite() {
        var register = LoadRegister(.delayed)
        register.wrote(register.beginWrite(), .unknown, isLate: true)
        register.wrote(register.beginWrite(), .applied, isLate: false)
        expect(register.read(2) && register.read(1))
        var strict = LoadRegister(.durable)
        strict.wrote(strict.beginWrite(), .unknown, isLate: true)
        strict.wrote(strict.beginWrite(), .applied, isLate: false)
        expect(!strict.read(1))
    }

    @Test("a store that may lose its data never shows what was not written")
    func forgetful() {
        var register = LoadRegister(.forgetful)
        register.wrote(register.beginWrite(), .applied, isLate: false)
        expect(register.read(0) && register.read(1) && !register.read(2))
    }

    @Test("a counter is known up to the increments whose outcome is not")
    func counter() {
        var counter = LoadCounter(.durable)
        expect(counter.incremented(to: 1))
        counter.incrementedPerhaps()
        counter.incrementedPerhaps()
        expect(counter.possible == 1...3)
        expect(!counter.incremented(to: 5))
        expect(!counter.incremented(to: 1))
        expect(counter.incremented(to: 3))
        expect(counter.possible == 3...3)
        expect(!counter.read(2))
    }

    @Test("another slot's value, another key's value and a value changed on the way are wrong")
    func values() {
        var random = SeededGenerator(seed: 1)
        var slot = slot()
        _ = slot.begin(.set, &random)
        expect(slot.judge(.set(version: 1), result(#"{"stored":true}"#), isLate: false) == .right)
        let mine = #"{"of":"c1s2","version":1,"text":"é\u00e9 c1s2:1"}"#
        let changed = [
            mine.replacing("c1s2", with: "c1s3"), mine.replacing(#"\u00e9"#, with: "é"), "1", #""x""#,
        ]
        for value in changed {
            let reply = result(#"{"hit":true,"value":\#(value),"source":"valkey"}"#)
            expect(isWrong(slot.judge(.get, reply, isLate: false)))
            expect(isWrong(slot.judge(.shared(0), reply, isLate: false)))
        }
        expect(slot.judge(.get, result(#"{"hit":true,"value":\#(mine)}"#), isLate: false) == .right)
        expect(isWrong(slot.judge(.get, result(#"{"hit":false}"#), isLate: false)))
    }

    @Test("a hash whose fields do not belong together is wrong")
    func hashes() {
        var random = SeededGenerator(seed: 1)
        var slot = slot()
        for version in 1...2 {
            _ = slot.begin(.hashSet, &random)
            let reply = result(#"{"added":\#(version == 1 ? 2 : 0)}"#)
            expect(slot.judge(.hashSet(version: version), reply, isLate: false) == .right)
        }
        let torn = result(#"{"found":true,"fields":{"version":2,"text":"c1s2:1"}}"#)
        expect(isWrong(slot.judge(.hashGetAll, torn, isLate: false)))
        let whole = result(#"{"found":true,"fields":{"version":2,"text":"c1s2:2"}}"#)
        expect(slot.judge(.hashGetAll, whole, isLate: false) == .right)
        expect(isWrong(slot.judge(.hashGet, result(#"{"found":true,"value":"c1s2:1"}"#), isLate: false)))
    }

    @Test("failures are told apart by kind and outcome, and are wrong where none is expected")
    func failures() {
        var slot = slot()
        let unknown = error("ambiguous", outcome: "unknown")
        expect(slot.judge(.increment, unknown, isLate: false) == .failed("ambiguous/unknown"))
        expect(slot.counter.possible == 0...1 && slot.unknownIncrements == 1)
        let refused = error("unavailable", outcome: "not_applied")
        expect(slot.judge(.increment, refused, isLate: false) == .failed("unavailable/not_applied"))
        expect(slot.counter.possible == 0...1)
        let degraded = result(#"{"hit":false,"degraded":true}"#)
        expect(slot.judge(.get, degraded, isLate: false) == .failed("degraded"))
        var strict = self.slot(expectsFailures: false)
        expect(isWrong(strict.judge(.increment, unknown, isLate: false)))
        expect(isWrong(strict.judge(.get, degraded, isLate: false)))
    }

    @Test("a write that failed without an outcome is wrong, and so is an error of the caller's making")
    func dishonestFailures() {
        var slot = slot()
        expect(isWrong(slot.judge(.increment, error("unavailable", outcome: nil), isLate: false)))
        expect(isWrong(slot.judge(.increment, error("invalid_params", outcome: "not_applied"), isLate: false)))
        expect(
            slot.judge(.get, error("deadline_exceeded", outcome: nil), isLate: false) == .failed("deadline_exceeded")
        )
    }

    @Test("percentiles are at most a sixteenth too long", arguments: [1, 15, 16, 17, 1000, 12_345, 5_000_000])
    func histogram(_ microseconds: Int) {
        var histogram = LatencyHistogram()
        histogram.record(.microseconds(microseconds))
        histogram.record(.seconds(100))
        let found = histogram.percentile(0.5)
        expect(found >= .microseconds(microseconds))
        expect(found <= .microseconds(microseconds + microseconds / 16 + 1))
        expect(histogram.percentile(1) == .seconds(100))
    }
}
