import Bytes
import JSON

/// Tokens as providers tell of them.
enum TokenUsage {
    /// How many tokens a request used, by the words of the providers that are known.
    ///
    /// - Parameter usage: `total_tokens`, or `prompt_tokens` and `completion_tokens`, or `input_tokens` and
    ///   `output_tokens`.
    /// - Returns: The sum, 0 where nothing is known.
    static func tokens(_ usage: JSONValue) -> Int64 {
        var total: Int64?
        var parts: Int64 = 0
        var members = usage.members()
        while let member = members.next() {
            guard let count = member.value.integer, count >= 0 else { continue }
            if member.name.equals("total_tokens") {
                total = count
            } else if names.contains(where: { member.name.equals($0) }) {
                parts = parts.addingSaturated(count)
            }
        }
        return total ?? parts
    }

    private static let names: [StaticString] = ["prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"]
}

/// A cost in billionths of whatever unit the application counts in.
enum Cost {
    /// Decimal places that are counted.
    static let places = 9
    /// Greatest cost of one response, in billionths.
    static let maximum: Int64 = 1_000_000_000_000_000

    /// Reads a cost; nil where it is out of range.
    static func billionths(_ number: ByteView) -> Int64? {
        guard let value = DecimalNumber(number)?.scaled(places: places), value <= maximum else { return nil }
        return value
    }

    /// Appends a cost as a JSON number.
    static func append(_ billionths: Int64, to buffer: inout ByteBuffer) {
        let unit: Int64 = 1_000_000_000
        buffer.append(decimal: billionths / unit)
        var rest = billionths % unit
        guard rest > 0 else { return }
        buffer.append(UInt8(ascii: "."))
        var divisor = unit / 10
        while rest > 0 {
            buffer.append(decimal: rest / divisor)
            rest %= divisor
            divisor /= 10
        }
    }
}

/// What stored responses saved, by model and scope, in memory that does not grow with what clients name.
struct SavingsTable {
    /// Pairs of model and scope that are counted apart.
    static let pairsMax = 4096
    /// Names longer than this are counted in the sum over all alone.
    static let nameBytesMax = 256

    /// One sum.
    struct Row: Equatable {
        /// Requests answered from the store.
        var hits: Int64 = 0
        /// Requests that were not.
        var misses: Int64 = 0
        /// Tokens that the hits would have used.
        var tokens: Int64 = 0
        /// What the hits would have cost, in billionths.
        var cost: Int64 = 0

        fileprivate mutating func add(_ other: Row) {
            hits = hits.addingSaturated(other.hits)
            misses = misses.addingSaturated(other.misses)
            tokens = tokens.addingSaturated(other.tokens)
            cost = cost.addingSaturated(other.cost)
        }
    }

    private struct Pair: Hashable {
        let model: [UInt8]
        let scope: [UInt8]
    }

    /// The sum over all.
    private(set) var total = Row()
    /// Whether something was counted in ``total`` alone.
    private(set) var hasOverflown = false
    private var rows: [Pair: Row] = [:]

    /// Counts a hit.
    mutating func hit(model: [UInt8], scope: [UInt8], tokens: Int64, cost: Int64) {
        add(Row(hits: 1, misses: 0, tokens: tokens, cost: cost), model, scope)
    }

    /// Counts a miss.
    mutating func miss(model: [UInt8], scope: [UInt8]) {
        add(Row(hits: 0, misses: 1, tokens: 0, cost: 0), model, scope)
    }

    private mutating func add(_ row: Row, _ model: [UInt8], _ scope: [UInt8]) {
        total.add(row)
        let pair = Pair(model: model, scope: scope)
        let isKnown = rows[pair] != nil
        let isShort = model.count <= Self.nameBytesMax && scope.count <= Self.nameBytesMax
        guard isKnown || rows.count < Self.pairsMax && isShort else {
            hasOverflown = true
            return
        }
        rows[pair, default: Row()].add(row)
    }

    /// The sum over all pairs that have this model and this scope; nil stands for any.
    func sum(model: [UInt8]?, scope: [UInt8]?) -> Row {
        if model == nil, scope == nil { return total }
        if let model, let scope { return rows[Pair(model: model, scope: scope)] ?? Row() }
        var sum = Row()
        for (pair, row) in rows where (model ?? pair.model) == pair.model && (scope ?? pair.scope) == pair.scope {
            sum.add(row)
        }
        return sum
    }
}

extension Int64 {
    /// The sum, or the greatest number where it does not fit.
    fileprivate func addingSaturated(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
