import Bytes
import JSON
import TestSupport
import Testing

@Suite("The scanner beside jansson")
struct JanssonComparisonTests {
    @Test("agrees on random texts, whole and spoiled", arguments: 1...8 as ClosedRange<UInt64>)
    func random(block: UInt64) {
        // A run of its own each time; the seed of a failure is in its message.
        let seed = UInt64.random(in: 0...UInt64.max) / 16 &* block
        var generator = JSONGenerator(SeededGenerator(seed: seed))
        for round in 0..<1500 {
            let text = generator.text()
            for candidate in [text, generator.mutate(text), generator.mutate(text)] {
                guard let fault = candidate.withByteView(JanssonComparison.fault) else { continue }
                Issue.record("seed \(seed), round \(round): \(fault): \(String(decoding: candidate, as: UTF8.self))")
                return
            }
        }
    }

    @Test("accepts every text that the generator makes", arguments: 0..<20 as Range<UInt64>)
    func generated(seed: UInt64) {
        var generator = JSONGenerator(SeededGenerator(seed: seed))
        for _ in 0..<100 {
            let text = generator.text()
            guard case .failure(let fault) = scan(text) else { continue }
            Issue.record("seed \(seed): \(fault): \(String(decoding: text, as: UTF8.self))")
            return
        }
    }

    @Test(
        "differs where the list says so",
        arguments: [
            (#"{"a":1,"a":1}"#, .duplicateName), (#"{"a":1,"\u0061":1}"#, .duplicateName),
            (#"[{"a":{"b":1,"c":2,"b":3}}]"#, .duplicateName), (#"{"\u0000":1}"#, .zeroInName),
            (#"{"a\u0000b":1}"#, .zeroInName), (#"["\ud800"]"#, .loneSurrogate), (#"{"\udc00":1}"#, .loneSurrogate),
            ("9223372036854775808", .integerRange), ("[-9223372036854775809]", .integerRange), ("1e309", .realRange),
            ("[-1.0e+400]", .realRange),
        ] as [(String, JanssonDifference)]
    )
    func listed(text: String, difference: JanssonDifference) throws {
        let found = try withValue(text) { JanssonDifference.all(in: $0) }
        #expect(found == [difference])
        #expect(throws: DocumentError.self) { try Document.parse(text) }
        #expect(text.withByteView(JanssonComparison.fault) == nil)
    }

    @Test(
        "does not differ where one might expect it",
        arguments: [
            #""\u0000""#, "1e-400", "-0", "-0.0", "9223372036854775807", "-9223372036854775808", "1e308", "4.9e-324",
            #"{"a":1,"A":2}"#, #"{"é":1,"é":2}"#, "1", "\"\"", "123\0", "[1\0]", "[true\0]", "[1,\0]", "\0", "1 \0",
            "\u{feff}1", #""\ud83d\ude00""#, "\"\u{ffff}\u{10ffff}\"", "[1]\0",
        ]
    )
    func alike(text: String) {
        #expect(text.withByteView(JanssonComparison.fault) == nil)
    }

    @Test("is as deep as a document may be")
    func depth() {
        for depth in [Document.depthMax, Document.depthMax + 1] {
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            #expect(text.withByteView(JanssonComparison.fault) == nil)
        }
    }
}
