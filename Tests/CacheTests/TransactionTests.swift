import Bytes
import Testing

@testable import Cache

@Suite("Several writes at once")
struct TransactionTests {
    private typealias Write = Transaction.Write
    private typealias Present = Transaction.Present

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func write(_ name: String, _ operation: Write.Operation) -> Write {
        Write(name: bytes(name), operation: operation, fence: nil)
    }

    private func plan(_ writes: [Write], _ present: [String: String] = [:]) throws -> Transaction.Plan {
        var there: [[UInt8]: Present] = [:]
        for (name, value) in present { there[bytes(name)] = Present(value: bytes(value), stale: 7, tags: []) }
        return try Transaction(checks: [], writes: writes).plan(there, generations: [bytes("tag:t"): [9]]) {
            Array($0.dropFirst(4))
        }
    }

    @Test("look at what increments and touches find, and at what is checked, and at nothing else")
    func watched() {
        let check = Transaction.Check(name: bytes("c"), condition: .exists(true))
        let transaction = Transaction(
            checks: [check, check],
            writes: [
                write("s", .set(value: [], life: nil, stale: 0, tags: [])), write("d", .delete),
                write("i", .increment(by: 1, life: nil, isGiven: false)), write("t", .touch(life: 1)),
                write("c", .delete),
            ]
        )
        #expect(transaction.watched == [bytes("c"), bytes("i"), bytes("t")])
    }

    @Test("see what those before them in the same call have done")
    func sequence() throws {
        let plan = try plan(
            [
                write("k", .set(value: bytes("41"), life: 100, stale: 5, tags: [bytes("tag:t")])),
                write("k", .increment(by: 1, life: 9, isGiven: false)), write("k", .touch(life: 50)),
                write("k", .delete),
                write("k", .touch(life: 50)), write("k", .increment(by: -3, life: 9, isGiven: false)),
                write("k", .increment(by: 1, life: nil, isGiven: true)),
            ],
            ["k": "1000"]
        )
        let tags = [Present.Tag(name: bytes("t"), generation: [9])]
        let first = Present(value: bytes("41"), stale: 5, tags: tags)
        var second = first
        second.value = bytes("42")
        let third = Present(value: bytes("-3"), stale: 0, tags: [])
        var fourth = third
        fourth.value = bytes("-2")
        let name = bytes("k")
        #expect(
            plan.steps == [
                .set(name: name, first, lifeInStore: 105), .keep(name: name, second),
                .life(name: name, second.withoutValue, lifeInStore: 55),
                .delete(name: name), .set(name: name, third, lifeInStore: 9), .keep(name: name, fourth),
                .life(name: name, fourth.withoutValue, lifeInStore: nil),
            ]
        )
        #expect(plan.values == [nil, 42, nil, nil, nil, -3, -2])
    }

    @Test("add without losing a digit, and not beyond 64 bits, nor to what is no integer")
    func sums() throws {
        func sum(_ present: String, _ by: Int64) throws -> Int64? {
            try plan([write("k", .increment(by: by, life: nil, isGiven: false))], ["k": present]).values[0]
        }
        #expect(try sum("9007199254740993", 1) == 9_007_199_254_740_994)
        #expect(try sum("9223372036854775806", 1) == .max)
        #expect(try sum("-9223372036854775807", -1) == .min)
        for (present, by) in [
            ("9223372036854775807", Int64(1)), ("-9223372036854775808", -1), ("1.0", 1), ("", 1), ("\"1\"", 1),
        ] {
            #expect(throws: Transaction.Fault.notANumber) { try sum(present, by) }
        }
    }

    @Test(
        "check JSON by what it says",
        arguments: [
            (#"{"a":1,"b":2}"#, #"{"b":2.0, "a":1}"#, true), ("1", "1e0", true), ("1", "2", false),
            ("text", #""text""#, false),
            ("null", "null", true), (#"{"a":1,"a":1}"#, #"{"a":1}"#, false),
        ]
    )
    func equality(stored: String, given: String, isEqual: Bool) throws {
        let form = try #require(Transaction.canonical(bytes(given), depthMax: 64))
        let transaction = Transaction(
            checks: [Transaction.Check(name: bytes("k"), condition: .equals(form))],
            writes: []
        )
        let present = [bytes("k"): Present(value: bytes(stored), stale: 0, tags: [])]
        #expect(transaction.holds(present, depthMax: 64) == isEqual)
        #expect(!transaction.holds([:], depthMax: 64))
    }
}
