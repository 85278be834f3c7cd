import LoadGenerator
import Testing

struct LatencyHistogramTests {
    @Test
    func `Small latencies are counted exactly`() {
        var histogram = LatencyHistogram()
        for value in Int64(1)...100 { histogram.record(value) }
        #expect(histogram.count == 100)
        #expect(histogram.quantile(0.5) == 50)
        #expect(histogram.quantile(0.99) == 99)
        #expect(histogram.quantile(1) == 100)
        #expect(histogram.minimum == 1)
        #expect(histogram.maximum == 100)
        #expect(histogram.mean == 50)
    }

    @Test
    func `A quantile is at most one part in 128 too high, over the whole range`() {
        var value: Int64 = 1
        while value < 1 << 39 {
            var histogram = LatencyHistogram()
            histogram.record(value)
            histogram.record(1 << 39)
            let found = histogram.quantile(0.5)
            #expect(found >= value)
            #expect(found - value <= value / 128)
            value += value / 3 + 1
        }
    }

    @Test
    func `Quantiles of a known distribution are found`() {
        var histogram = LatencyHistogram()
        for value in Int64(1)...100_000 { histogram.record(value * 1000) }
        for quantile in [0.5, 0.9, 0.99, 0.999] {
            let exact = Int64((quantile * 100_000).rounded(.up)) * 1000
            #expect(histogram.quantile(quantile) >= exact)
            #expect(histogram.quantile(quantile) <= exact + exact / 128)
        }
    }

    @Test
    func `What is beyond the range is counted at its ends`() {
        var histogram = LatencyHistogram()
        histogram.record(-5)
        histogram.record(.max)
        #expect(histogram.minimum == 0)
        #expect(histogram.maximum == (1 << 40) - 1)
        #expect(histogram.count == 2)
    }

    @Test
    func `An empty histogram answers with zeros`() {
        let histogram = LatencyHistogram()
        #expect(histogram.quantile(0.99) == 0)
        #expect(histogram.mean == 0)
        #expect(histogram.counts(upTo: [10, 100]) == [0, 0, 0])
    }

    @Test
    func `Merging is recording both`() {
        var left = LatencyHistogram()
        var right = LatencyHistogram()
        var both = LatencyHistogram()
        for value in Int64(1)...1000 {
            if value.isMultiple(of: 3) { left.record(value * 77) } else { right.record(value * 77) }
            both.record(value * 77)
        }
        left.merge(right)
        #expect(left == both)
        left.merge(LatencyHistogram())
        #expect(left == both)
    }

    @Test
    func `Counts of ranges add up to all`() {
        var histogram = LatencyHistogram()
        for value in [5, 10, 11, 100, 100, 101, 5000] as [Int64] { histogram.record(value) }
        #expect(histogram.counts(upTo: [10, 100, 1000]) == [2, 3, 1, 1])
    }
}
