import LoadGenerator
import Testing

struct KeySequenceTests {
    private func counts(_ distribution: KeySequence.Distribution, keys: Int, draws: Int) -> [Int] {
        var sequence = KeySequence(count: keys, distribution: distribution, seed: 7)
        var counts = [Int](repeating: 0, count: keys)
        for _ in 0..<draws { counts[sequence.next()] += 1 }
        return counts
    }

    @Test
    func `Uniform keys are asked for about equally often`() {
        // Of 10 000 draws each the standard deviation is 100; nine of them is never.
        #expect(counts(.uniform, keys: 50, draws: 500_000).allSatisfy { abs($0 - 10_000) < 900 })
    }

    @Test
    func `Zipf keys are asked for in proportion to their rank's power`() {
        let counts = counts(.zipf(exponent: 1), keys: 1000, draws: 1_000_000)
        let sum = (1...1000).reduce(0.0) { $0 + 1 / Double($1) }
        for rank in [1, 2, 10, 100] {
            let expected = 1_000_000 / (Double(rank) * sum)
            #expect(abs(Double(counts[rank - 1]) - expected) < 9 * expected.squareRoot())
        }
    }

    @Test
    func `Sequential keys come one after the other and begin again`() {
        var sequence = KeySequence(count: 3, distribution: .sequential, seed: 1)
        #expect((0..<7).map { _ in sequence.next() } == [0, 1, 2, 0, 1, 2, 0])
    }

    @Test(arguments: [.uniform, .zipf(exponent: 0.99)] as [KeySequence.Distribution])
    func `The same seed draws the same keys, another one others`(_ distribution: KeySequence.Distribution) {
        func draw(_ seed: UInt64) -> [Int] {
            var sequence = KeySequence(count: 10_000, distribution: distribution, seed: seed)
            return (0..<100).map { _ in sequence.next() }
        }
        #expect(draw(1) == draw(1))
        #expect(draw(1) != draw(2))
    }
}
