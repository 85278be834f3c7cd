import Observability
import Testing

@Suite("The text of metrics")
struct MetricsTextTests {
    private func text(_ form: MetricsText.Form, _ write: (inout MetricsText) -> Void) -> String {
        var text = MetricsText(form)
        write(&text)
        return String(decoding: text.finished(), as: UTF8.self)
    }

    @Test("names families as each form does")
    func names() {
        func write(_ text: inout MetricsText) {
            text.family("a_seconds", .counter, unit: "seconds", "Time.")
            text.value(nanoseconds: 1_000_000_001)
            text.family("b", .gauge, "State.")
            text.value(true, ["state": "on"])
            text.value(false, ["state": "off"])
            text.family("c", .info, "What it is.")
            text.value(1, ["version": "1"])
        }
        #expect(
            text(.openMetrics, write) == """
                # HELP a_seconds Time.
                # TYPE a_seconds counter
                # UNIT a_seconds seconds
                a_seconds_total 1.000000001
                # HELP b State.
                # TYPE b gauge
                b{state="on"} 1
                b{state="off"} 0
                # HELP c What it is.
                # TYPE c info
                c_info{version="1"} 1
                # EOF

                """
        )
        #expect(
            text(.prometheus, write) == """
                # HELP a_seconds_total Time.
                # TYPE a_seconds_total counter
                a_seconds_total 1.000000001
                # HELP b State.
                # TYPE b gauge
                b{state="on"} 1
                b{state="off"} 0
                # HELP c_info What it is.
                # TYPE c_info gauge
                c_info{version="1"} 1

                """
        )
    }

    @Test("writes histograms with rising counts, whether or not anything was counted")
    func histograms() {
        var histogram = DurationHistogram()
        histogram.record(15_000, times: 2)
        histogram.record(1_000_000_000)
        histogram.record(99_000_000_000)
        let lines = text(.openMetrics) {
            $0.family("d_seconds", .histogram, unit: "seconds", "How long.")
            $0.histogram(histogram, ["method": "m"])
            $0.histogram(DurationHistogram())
        }
        .split(separator: "\n").map(String.init)
        #expect(lines.contains(#"d_seconds_bucket{method="m",le="1e-05"} 0"#))
        #expect(lines.contains(#"d_seconds_bucket{method="m",le="2e-05"} 2"#))
        #expect(lines.contains(#"d_seconds_bucket{method="m",le="0.5"} 2"#))
        #expect(lines.contains(#"d_seconds_bucket{method="m",le="1.0"} 3"#))
        #expect(lines.contains(#"d_seconds_bucket{method="m",le="50.0"} 3"#))
        #expect(lines.contains(#"d_seconds_bucket{method="m",le="+Inf"} 4"#))
        #expect(lines.contains(#"d_seconds_sum{method="m"} 100.000030000"#))
        #expect(lines.contains(#"d_seconds_count{method="m"} 4"#))
        #expect(lines.contains(#"d_seconds_bucket{le="+Inf"} 0"#))
        #expect(lines.contains("d_seconds_count 0"))
        #expect(lines.count { $0.hasPrefix("d_seconds_bucket{method") } == DurationHistogram.bounds.count + 1)
        for (bound, line) in zip(DurationHistogram.bounds, lines.filter { $0.hasPrefix("d_seconds_bucket{le") }) {
            let written = line.split(separator: "\"")[1]
            #expect(Double(written) == Double(bound) / 1e9, "\(line)")
        }
    }

    @Test("escapes what labels hold")
    func escapes() {
        let lines = text(.prometheus) {
            $0.family("e", .gauge, "Odd.")
            $0.value(5, ["x": "a\"b\\c\nd é"])
        }
        #expect(lines.hasSuffix("e{x=\"a\\\"b\\\\c\\nd é\"} 5\n"))
    }

    @Test(
        "is OpenMetrics where a scraper asks for it",
        arguments: [
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", true), ("text/plain", false),
            ("*/*", false),
            ("", false),
        ]
    )
    func negotiation(accept: String, isOpenMetrics: Bool) {
        #expect((MetricsText.Form(accept: accept) == .openMetrics) == isOpenMetrics)
    }
}
