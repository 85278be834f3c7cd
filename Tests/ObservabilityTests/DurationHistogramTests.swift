import TestSupport
import Testing

@testable import Observability

@Suite("Histograms of durations")
struct DurationHistogramTests {
    @Test("have bounds of 1, 2 and 5 in each decade from 10 µs to 50 s")
    func bounds() {
        #expect(DurationHistogram.bounds.first == 10_000)
        #expect(DurationHistogram.bounds.last == 50_000_000_000)
        #expect(DurationHistogram.bounds.count == 21)
        for (lower, upper) in zip(DurationHistogram.bounds, DurationHistogram.bounds.dropFirst()) {
            #expect(lower < upper && 2 * upper <= 5 * lower, "\(lower) and \(upper)")
        }
    }

    @Test("count a duration in the first bucket whose bound is not below it")
    func buckets() {
        var generator = SeededGenerator(seed: 8)
        let edges = DurationHistogram.bounds.flatMap { [$0 - 1, $0, $0 + 1] } + [0, 1, .max]
        let random = (0..<10_000).map { _ in Int64.random(in: 0...(1 << Int64.random(in: 0...40)), using: &generator) }
        for duration in edges + random {
            let expected = DurationHistogram.bounds.firstIndex { $0 >= duration } ?? DurationHistogram.bounds.count
            #expect(DurationHistogram.bucket(of: duration) == expected, "\(duration) ns")
        }
    }

    @Test("hold every count and the sum")
    func counts() {
        var histogram = DurationHistogram()
        #expect(histogram.buckets.allSatisfy { $0 == 0 } && histogram.count == 0)
        #expect(histogram.buckets.count == DurationHistogram.bounds.count + 1)
        histogram.record(10_000)
        histogram.record(10_001, times: 3)
        histogram.record(-5)
        histogram.record(60_000_000_000)
        #expect(histogram.count == 6)
        #expect(histogram.sum == 10_000 + 3 * 10_001 + 60_000_000_000)
        #expect(histogram.buckets.first == 2)
        #expect(histogram.buckets[1] == 3)
        #expect(histogram.buckets.last == 1)
        #expect(histogram.buckets.reduce(0, +) == histogram.count)
    }
}
