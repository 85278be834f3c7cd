import Glibc

/// An endless sequence of key numbers, the same for the same seed.
public struct KeySequence: Sendable {
    /// How often each key is asked for.
    public enum Distribution: Sendable, Equatable {
        /// All equally often.
        case uniform
        /// One after the other, and again from the first.
        case sequential
        /// The key of rank r in proportion to r^-exponent, as traffic of the web and of caches tends to be.
        case zipf(exponent: Double)
    }

    /// Numbers that are drawn in advance, because drawing from a Zipf distribution costs more than a call may.
    private static let drawnInAdvance = 1 << 20

    private let count: UInt64
    private var state: UInt64
    private let isSequential: Bool
    private var drawn: [UInt32] = []
    private var position = 0

    /// Makes a sequence.
    ///
    /// - Parameters:
    ///   - count: Number of keys, at least 1; the numbers are 0 ..< `count`.
    ///   - distribution: How often each is asked for.
    ///   - seed: What the choice is drawn from.
    public init(count: Int, distribution: Distribution, seed: UInt64) {
        precondition(count > 0)
        self.count = UInt64(count)
        isSequential = distribution == .sequential
        state = seed
        guard case .zipf(let exponent) = distribution else { return }
        var cumulative: [Double] = []
        cumulative.reserveCapacity(count)
        var sum = 0.0
        for rank in 1...count {
            sum += pow(Double(rank), -exponent)
            cumulative.append(sum)
        }
        drawn.reserveCapacity(Self.drawnInAdvance)
        for _ in 0..<Self.drawnInAdvance {
            let point = Double(random() >> 11) * 0x1p-53 * sum
            drawn.append(UInt32(Self.firstIndex(in: cumulative, above: point)))
        }
    }

    /// A sequence of one number again and again.
    init(only key: Int) {
        count = UInt64(key) + 1
        state = 0
        isSequential = true
        position = key
    }

    /// The next key's number.
    public mutating func next() -> Int {
        if isSequential {
            defer { position = position + 1 == Int(count) ? 0 : position + 1 }
            return position
        }
        guard drawn.isEmpty else {
            position = (position + 1) & (Self.drawnInAdvance - 1)
            return Int(drawn[position])
        }
        return Int(random().multipliedFullWidth(by: count).high)
    }

    /// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): one addition and a hash of it.
    private mutating func random() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    private static func firstIndex(in sums: [Double], above point: Double) -> Int {
        var low = 0
        var high = sums.count - 1
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] > point { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
