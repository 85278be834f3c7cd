import Bytes

/// Writes metrics as text, in the form of OpenMetrics 1.0 or in the older one of Prometheus.
///
/// A family is begun, then its values follow. Names are given without what the form adds to them, such as `_total`.
public struct MetricsText: ~Copyable {
    /// The forms, which differ in how they name families.
    public enum Form: Sendable {
        /// OpenMetrics 1.0.
        case openMetrics
        /// The text format of Prometheus, version 0.0.4.
        case prometheus

        /// What an HTTP header calls the form.
        public var contentType: StaticString {
            switch self {
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            }
        }

        /// The form that a scraper asks for by its header `Accept`: OpenMetrics where it names it.
        public init(accept: String) {
            self = accept.contains("application/openmetrics-text") ? .openMetrics : .prometheus
        }
    }

    /// What a family's values mean.
    public enum Kind: Sendable {
        /// It only rises, from 0 at the start.
        case counter
        /// It rises and falls.
        case gauge
        /// Always 1: the labels tell.
        case info
        /// Counts by size.
        case histogram
    }

    /// What tells the values of a family apart: names and values.
    public typealias Labels = KeyValuePairs<StaticString, String>

    private static let durationBounds = [
        "1e-05", "2e-05", "5e-05", "0.0001", "0.0002", "0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05",
        "0.1", "0.2", "0.5", "1.0", "2.0", "5.0", "10.0", "20.0", "50.0", "+Inf",
    ]

    private let form: Form
    private var text = ByteBuffer()
    private var name: StaticString = ""
    private var kind = Kind.gauge

    /// Begins a text without a family.
    public init(_ form: Form) {
        self.form = form
    }

    /// Begins a family.
    ///
    /// - Parameters:
    ///   - name: Its name with its unit, such as `squire_near_cache_bytes`, without `_total` and `_info`.
    ///   - kind: What its values mean.
    ///   - unit: The unit that the name ends with.
    ///   - help: What it tells: one sentence.
    public mutating func family(
        _ name: StaticString,
        _ kind: Kind,
        unit: StaticString? = nil,
        _ help: StaticString
    ) {
        self.name = name
        self.kind = kind
        comment("HELP", help)
        switch (kind, form) {
        case (.counter, _): comment("TYPE", "counter")
        case (.gauge, _), (.info, .prometheus): comment("TYPE", "gauge")
        case (.info, .openMetrics): comment("TYPE", "info")
        case (.histogram, _): comment("TYPE", "histogram")
        }
        if let unit, form == .openMetrics { comment("UNIT", unit) }
    }

    private mutating func comment(_ word: StaticString, _ content: StaticString) {
        text.append("# ")
        text.append(word)
        text.append(UInt8(ascii: " "))
        text.append(name)
        if form == .prometheus { appendSuffix() }
        text.append(UInt8(ascii: " "))
        text.append(content)
        text.append(UInt8(ascii: "\n"))
    }

    private mutating func appendSuffix() {
        switch kind {
        case .counter: text.append("_total")
        case .info: text.append("_info")
        case .gauge, .histogram: break
        }
    }

    /// Adds a value to the family.
    public mutating func value(_ value: UInt64, _ labels: Labels = [:]) {
        beginSample(labels)
        text.append(decimal: value)
        text.append(UInt8(ascii: "\n"))
    }

    /// Adds a value to the family: 1 for true.
    public mutating func value(_ value: Bool, _ labels: Labels = [:]) {
        self.value(value ? 1 : 0, labels)
    }

    /// Adds a duration to the family, in seconds.
    public mutating func value(nanoseconds: UInt64, _ labels: Labels = [:]) {
        beginSample(labels)
        append(seconds: nanoseconds)
        text.append(UInt8(ascii: "\n"))
    }

    private mutating func beginSample(_ labels: Labels) {
        text.append(name)
        appendSuffix()
        append(labels, bound: nil)
        text.append(UInt8(ascii: " "))
    }

    /// Adds a histogram of durations to the family, in seconds.
    public mutating func histogram(_ histogram: DurationHistogram, _ labels: Labels = [:]) {
        var total: UInt64 = 0
        for (bound, count) in zip(MetricsText.durationBounds, histogram.buckets) {
            total += count
            text.append(name)
            text.append("_bucket")
            append(labels, bound: bound)
            text.append(UInt8(ascii: " "))
            text.append(decimal: total)
            text.append(UInt8(ascii: "\n"))
        }
        text.append(name)
        text.append("_sum")
        append(labels, bound: nil)
        text.append(UInt8(ascii: " "))
        append(seconds: histogram.sum)
        text.append(UInt8(ascii: "\n"))
        text.append(name)
        text.append("_count")
        append(labels, bound: nil)
        text.append(UInt8(ascii: " "))
        text.append(decimal: histogram.count)
        text.append(UInt8(ascii: "\n"))
    }

    private mutating func append(_ labels: Labels, bound: String?) {
        guard !labels.isEmpty || bound != nil else { return }
        var separator = UInt8(ascii: "{")
        for (name, value) in labels {
            text.append(separator)
            separator = UInt8(ascii: ",")
            text.append(name)
            text.append("=\"")
            append(escaped: value)
            text.append(UInt8(ascii: "\""))
        }
        if let bound {
            text.append(separator)
            text.append("le=\"")
            text.append(text: bound)
            text.append(UInt8(ascii: "\""))
        }
        text.append(UInt8(ascii: "}"))
    }

    private mutating func append(escaped value: String) {
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""):
                text.append(UInt8(ascii: "\\"))
                text.append(byte)
            case UInt8(ascii: "\n"): text.append("\\n")
            default: text.append(byte)
            }
        }
    }

    private mutating func append(seconds nanoseconds: UInt64) {
        text.append(decimal: nanoseconds / 1_000_000_000)
        text.append(UInt8(ascii: "."))
        let digits = String(nanoseconds % 1_000_000_000)
        text.append(text: String(repeating: "0", count: 9 - digits.utf8.count) + digits)
    }

    /// Ends the text.
    ///
    /// - Returns: All of it.
    public consuming func finished() -> [UInt8] {
        if form == .openMetrics { text.append("# EOF\n") }
        return text.view.copy()
    }
}
