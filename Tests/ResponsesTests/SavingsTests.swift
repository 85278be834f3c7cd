import Bytes
import JSON
import Testing

@testable import Responses

@Suite("What responses saved")
struct SavingsTests {
    private func tokens(_ text: String) throws -> Int64 {
        try Array(text.utf8).withByteView { TokenUsage.tokens(try JSONScanner.scan($0, depthMax: 8)) }
    }

    private func billionths(_ text: String) -> Int64? {
        Array(text.utf8).withByteView { Cost.billionths($0) }
    }

    private func written(_ billionths: Int64) -> String {
        var buffer = ByteBuffer()
        Cost.append(billionths, to: &buffer)
        return buffer.view.text()
    }

    @Test("in tokens, by the words of several providers")
    func usage() throws {
        #expect(try tokens(#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":9}"#) == 9)
        #expect(try tokens(#"{"prompt_tokens":3,"completion_tokens":4,"details":{"total_tokens":1}}"#) == 7)
        #expect(try tokens(#"{"input_tokens":3,"output_tokens":4,"cache_read_input_tokens":100}"#) == 7)
        #expect(try tokens(#"{"input_tokens":-3,"output_tokens":"4","other":5}"#) == 0)
        #expect(try tokens(#"{"input_tokens":9223372036854775807,"output_tokens":4}"#) == .max)
    }

    @Test("in money, without rounding what nine places hold")
    func cost() {
        #expect(billionths("0") == 0)
        #expect(billionths("0.00031") == 310_000)
        #expect(billionths("3.1e-4") == 310_000)
        #expect(billionths("1000000") == Cost.maximum)
        #expect(billionths("0.0000000019") == 1)
        #expect(billionths("1000000.000000001") == nil)
        #expect(billionths("-1") == nil)
        #expect(billionths("1e30") == nil)
        #expect(billionths("1e-9999999999999999999999") == nil)
        #expect(written(0) == "0")
        #expect(written(310_000) == "0.00031")
        #expect(written(12_000_000_001) == "12.000000001")
        #expect(written(5_000_000_000) == "5")
        // Three tenths are three tenths however often they were added up.
        #expect(written((0..<3).reduce(0) { sum, _ in sum + (billionths("0.1") ?? 0) }) == "0.3")
    }

    @Test("is summed up by scope, by model, and over all")
    func sums() {
        var table = SavingsTable()
        table.hit(model: [1], scope: [1], tokens: 10, cost: 5)
        table.hit(model: [1], scope: [2], tokens: 20, cost: 6)
        table.miss(model: [2], scope: [2])
        #expect(table.sum(model: nil, scope: nil) == .init(hits: 2, misses: 1, tokens: 30, cost: 11))
        #expect(table.sum(model: [1], scope: nil) == .init(hits: 2, misses: 0, tokens: 30, cost: 11))
        #expect(table.sum(model: nil, scope: [2]) == .init(hits: 1, misses: 1, tokens: 20, cost: 6))
        #expect(table.sum(model: [2], scope: [2]) == .init(hits: 0, misses: 1, tokens: 0, cost: 0))
        #expect(table.sum(model: [3], scope: nil) == .init())
        #expect(!table.hasOverflown)
    }

    @Test("needs no more memory however many names there are")
    func bounded() {
        var table = SavingsTable()
        for number in 0..<(SavingsTable.pairsMax + 100) {
            table.miss(model: Array("\(number)".utf8), scope: [1])
        }
        #expect(table.hasOverflown)
        #expect(table.sum(model: nil, scope: nil).misses == Int64(SavingsTable.pairsMax + 100))
        #expect(table.sum(model: nil, scope: [1]).misses == Int64(SavingsTable.pairsMax))
        var other = SavingsTable()
        other.miss(model: [UInt8](repeating: 0, count: SavingsTable.nameBytesMax + 1), scope: [1])
        #expect(other.hasOverflown)
    }
}
