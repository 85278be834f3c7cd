import LoadGenerator
import Testing

@testable import RPCCommand

struct BenchReportTests {
    @Test(
        arguments: [
            (0, "0 ns"), (999, "999 ns"), (1000, "1.0 µs"), (12_345, "12.3 µs"), (123_456, "123 µs"),
            (1_500_000, "1.5 ms"),
            (150_000_000, "150 ms"), (2_345_000_000, "2.35 s"),
        ] as [(Int64, String)]
    )
    func `Times have the unit that suits them`(_ nanoseconds: Int64, _ text: String) {
        #expect(BenchReport.time(nanoseconds) == text)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567.6, "1 234 568")] as [(Double, String)])
    func `Rates have their digits in groups`(_ value: Double, _ text: String) {
        #expect(BenchReport.grouped(value) == text)
    }

    @Test(
        arguments: [
            (0, 1, "0.0"), (0.05, 1, "0.1"), (2.999, 2, "3.00"), (1.005, 0, "1"), (-1.25, 1, "-1.3"), (-0.01, 1, "0.0"),
        ] as [(Double, Int, String)]
    )
    func `Numbers have a fixed number of decimals`(_ value: Double, _ digits: Int, _ text: String) {
        #expect(BenchReport.decimal(value, digits: digits) == text)
    }

    @Test
    func `The median of several rounds counts`() {
        var measurement = BenchMeasurement("x")
        #expect(measurement.spread(\.rate).median == 0)
        measurement.results = [LoadResult(), LoadResult(), LoadResult()]
        var figures = [3.0, 1.0, 2.0][...]
        let spread = measurement.spread { _ in figures.removeFirst() }
        #expect(spread == (2, 1, 3))
    }
}
