import Bytes
import JSON
import Linux
import LoadGenerator

/// What `rpc bench` prints.
struct BenchReport {
    private static let quantiles: [(name: String, key: String, value: Double)] = [
        ("p50", "p50", 0.5), ("p90", "p90", 0.9), ("p99", "p99", 0.99), ("p99.9", "p99_9", 0.999),
    ]
    private static let barWidth = 40

    private let options: BenchOptions
    private let measurements: [BenchMeasurement]

    init(_ options: BenchOptions, _ measurements: [BenchMeasurement]) {
        self.options = options
        self.measurements = measurements
    }

    /// The report for people.
    var text: String {
        var lines = [summary]
        for measurement in measurements { lines += ["", measurement.name] + details(measurement) }
        if options.source != nil {
            lines += [""] + sourceComparison
        } else if measurements.count == 2 {
            lines += [""] + comparison
        }
        return lines.map { "\($0)\n" }.joined()
    }

    private var summary: String {
        let workload = options.workload
        if let source = options.source {
            return "\(workload.connections) workers, \(workload.keys) keys, values of \(workload.valueBytes) bytes,"
                + " a source that takes \(Self.time(source.wholeNanoseconds)) for each"
        }
        let mix = workload.mix.map { "\($0.operation.rawValue):\($0.weight)" }.joined(separator: ",")
        let pace = workload.rate.map { "\(Self.grouped($0)) calls a second on schedule" } ?? "as fast as it answers"
        return
            "\(mix), \(workload.keys) keys, values of \(workload.valueBytes) bytes, \(workload.connections) connections"
            + " with \(workload.pipeline) calls in flight each, \(pace)"
    }

    private func details(_ measurement: BenchMeasurement) -> [String] {
        let rate = measurement.spread(\.rate)
        var line = "  \(Self.grouped(rate.median)) calls/s"
        if measurement.results.count > 1 {
            line += " (median of \(measurement.results.count) rounds, "
            line += "\(Self.grouped(rate.least)) to \(Self.grouped(rate.greatest)))"
        }
        var lines = [line]
        let times = Self.quantiles.map { quantile in
            "\(quantile.name) \(Self.time(Int64(measurement.spread { Double($0.latency.quantile(quantile.value)) }.median)))"
        }
        lines.append("  \(times.joined(separator: "   "))   longest \(Self.time(measurement.latency.maximum))")
        lines += answers(measurement)
        let load = measurement.spread { Double($0.processorNanoseconds) / Double(max(1, $0.nanoseconds)) }.median
        if load > 0.95 {
            lines.append(
                "  the load itself took \(Int(load * 100)) % of a processor: the server may be faster than this"
            )
        }
        return lines + [""] + plot(measurement.latency)
    }

    private func answers(_ measurement: BenchMeasurement) -> [String] {
        var lines: [String] = []
        let sum = { (figure: (LoadResult) -> Int) in measurement.results.reduce(0) { $0 + figure($1) } }
        let sourceCalls = sum(\.sourceCalls)
        if sourceCalls > 0 { lines.append("  the source was asked \(Self.grouped(Double(sourceCalls))) times") }
        let reads = sum { $0.hits + $0.misses }
        if reads > 0, options.source == nil {
            let hits = Self.percent(sum(\.hits), of: reads)
            lines.append("  hits \(hits), from the agent's memory \(Self.percent(sum(\.memoryHits), of: reads))")
        }
        if measurement.errors > 0 {
            let words = measurement.results.compactMap(\.refusal).first ?? ""
            lines.append("  refused \(measurement.errors) calls, the first with: \(words)")
        }
        let behind = sum(\.behind)
        if behind > 0 { lines.append("  \(behind) calls were due and could not begin: the server does not keep up") }
        return lines
    }

    /// The latencies as bars, each range reaching twice as far as the one before.
    private func plot(_ histogram: LatencyHistogram) -> [String] {
        guard histogram.count > 0 else { return [] }
        var bounds: [Int64] = [1000]
        while let last = bounds.last, last < histogram.maximum { bounds.append(last * 2) }
        let counts = histogram.counts(upTo: bounds).dropLast()
        let most = counts.max() ?? 1
        guard let first = counts.firstIndex(where: { $0 > 0 }) else { return [] }
        return (first..<counts.count).map { index in
            let count = counts[index]
            let width = Int((Double(count) / Double(most) * Double(Self.barWidth)).rounded(.up))
            let bar = String(repeating: "█", count: width) + String(repeating: " ", count: Self.barWidth - width)
            let label = "≤ " + Self.time(bounds[index])
            let margin = String(repeating: " ", count: max(0, 12 - label.count))
            return "  \(margin)\(label)  \(bar) \(Self.percent(Int(count), of: Int(histogram.count)))"
        }
    }

    private var comparison: [String] {
        let agent = measurements[0]
        let other = measurements[1]
        let rate = agent.spread(\.rate).median / max(1, other.spread(\.rate).median)
        let median = { (measurement: BenchMeasurement) in
            measurement.spread { Double($0.latency.quantile(0.5)) }.median
        }
        let times = median(agent) / max(1, median(other))
        return [
            "through the agent beside straight: \(Self.ratio(rate)) times the calls a second,"
                + " \(Self.ratio(times)) times the median latency"
        ]
    }

    private var sourceComparison: [String] {
        let without = measurements[0].spread(\.rate).median
        let with = measurements[1].spread(\.rate).median
        let asked = { (measurement: BenchMeasurement) in
            let calls = measurement.spread { Double($0.calls) }.median
            return Self.decimal(measurement.spread { Double($0.sourceCalls) }.median * 1000 / max(1, calls), digits: 1)
        }
        return [
            "with the cache beside without: \(Self.ratio(with / max(1, without))) times the entries a second,"
                + " the source asked \(asked(measurements[1])) times for a thousand entries instead of"
                + " \(asked(measurements[0]))"
        ]
    }

    /// The report for programs, on one line.
    var json: [UInt8] {
        var output = ByteBuffer()
        output.append(#"{"targets":["#)
        for (index, measurement) in measurements.enumerated() {
            output.append(index == 0 ? #"{"name":"# : #",{"name":"#)
            output.append(jsonString: measurement.name)
            output.append(#","median":{"calls_per_second":"#)
            output.append(text: Self.decimal(measurement.spread(\.rate).median))
            for quantile in Self.quantiles {
                let time = measurement.spread { Double($0.latency.quantile(quantile.value)) }.median
                output.append(text: ",\"\(quantile.key)_us\":\(Self.decimal(time / 1000))")
            }
            output.append(#"},"rounds":["#)
            for (round, result) in measurement.results.enumerated() {
                if round > 0 { output.append(",") }
                append(result, to: &output)
            }
            output.append("]}")
        }
        output.append("]}\n")
        return output.view.copy()
    }

    private func append(_ result: LoadResult, to output: inout ByteBuffer) {
        let members: [(String, String)] =
            [
                ("calls", "\(result.calls)"), ("seconds", Self.decimal(Double(result.nanoseconds) / 1e9, digits: 3)),
                ("calls_per_second", Self.decimal(result.rate)), ("hits", "\(result.hits)"),
                ("memory_hits", "\(result.memoryHits)"), ("misses", "\(result.misses)"), ("errors", "\(result.errors)"),
                ("behind", "\(result.behind)"), ("source_calls", "\(result.sourceCalls)"),
                ("load_seconds", Self.decimal(Double(result.processorNanoseconds) / 1e9, digits: 3)),
                ("min_us", Self.decimal(Double(result.latency.minimum) / 1000)),
                ("mean_us", Self.decimal(Double(result.latency.mean) / 1000)),
            ]
            + Self.quantiles.map { quantile in
                ("\(quantile.key)_us", Self.decimal(Double(result.latency.quantile(quantile.value)) / 1000))
            } + [("max_us", Self.decimal(Double(result.latency.maximum) / 1000))]
        output.append(text: "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}")
    }

    /// A time with the unit that suits it: 850 ns, 12.3 µs, 4.56 ms, 1.20 s.
    static func time(_ nanoseconds: Int64) -> String {
        let value = Double(nanoseconds)
        if value < 1000 { return "\(nanoseconds) ns" }
        if value < 1e6 { return "\(decimal(value / 1e3, digits: value < 1e5 ? 1 : 0)) µs" }
        if value < 1e9 { return "\(decimal(value / 1e6, digits: value < 1e8 ? 1 : 0)) ms" }
        return "\(decimal(value / 1e9, digits: 2)) s"
    }

    /// A number of calls with its digits in groups of three.
    static func grouped(_ value: Double) -> String {
        let digits = Array(String(Int64(value.rounded())))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(" ") }
            text.append(digit)
        }
        return text
    }

    /// A number with a fixed number of decimals.
    static func decimal(_ value: Double, digits: Int = 1) -> String {
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((abs(value) * Double(scale)).rounded())
        let (whole, rest) = scaled.quotientAndRemainder(dividingBy: scale)
        let fraction = String(rest)
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        return "\(sign)\(whole)." + String(repeating: "0", count: digits - fraction.count) + fraction
    }

    private static func percent(_ part: Int, of whole: Int) -> String {
        "\(decimal(Double(part) * 100 / Double(max(1, whole)), digits: 2)) %"
    }

    private static func ratio(_ value: Double) -> String { decimal(value, digits: 2) }
}
