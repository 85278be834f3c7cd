import JSON
import Linux
import RPCClient
import RPCUsage

/// `--watch` of counters: what they are, and how fast they grow.
///
/// On a terminal the figures are drawn again in their place; elsewhere each turn is a line of JSON.
struct RateWatch {
    /// Methods whose results are counters.
    private static let methods = ["cache.stats", "response.stats"]
    /// Members of theirs that go up and down, of which a rate says nothing.
    private static let levels = ["near.entries", "near.bytes", "leases.running", "leases.waiting"]

    private struct Figure {
        let name: String
        let text: String
        let value: Double
    }

    private let title: String
    private let console: Console
    private var last: [Figure] = []
    private var lastInstant = Instant.now
    private var drawnLines = 0

    /// Watches a method; nil where its results are no counters.
    init?(_ method: String, every interval: Duration, _ console: Console) {
        guard Self.methods.contains(method) else { return nil }
        title = "\(method), every \(interval.wholeMilliseconds) ms"
        self.console = console
    }

    /// Shows the figures of a turn.
    ///
    /// - Parameters:
    ///   - result: What the method returned.
    ///   - now: When that was.
    /// - Throws: ``CommandError`` `.errorReply` where nothing can be written.
    mutating func show(_ result: JSONFragment, at now: Instant = .now) throws(CommandError) {
        let figures = Self.figures(in: result, below: "")
        let seconds = Double(now.nanoseconds(since: lastInstant)) / 1_000_000_000
        let rates = figures.map { rate(of: $0, seconds) }
        last = figures
        lastInstant = now
        if console.isTerminal { try draw(figures, rates) } else { try print(figures, rates) }
    }

    /// How fast a counter grows, a second; nil for what is none, at first, and where it began anew.
    private func rate(of figure: Figure, _ seconds: Double) -> Double? {
        guard !Self.levels.contains(figure.name), seconds > 0,
            let before = last.first(where: { $0.name == figure.name })?.value, figure.value >= before
        else { return nil }
        return (figure.value - before) / seconds
    }

    private static func figures(in value: JSONFragment, below path: String) -> [Figure] {
        value.members.flatMap { member -> [Figure] in
            let name = path + member.name
            switch member.value.kind {
            case .object: return figures(in: member.value, below: "\(name).")
            case .number:
                let text = member.value.text
                return [Figure(name: name, text: text, value: Double(text) ?? 0)]
            default: return []
            }
        }
    }

    private mutating func draw(_ figures: [Figure], _ rates: [Double?]) throws(CommandError) {
        let rows = zip(figures, rates).map { figure, rate in
            [figure.name, figure.text, rate.map { "\(Self.text($0))/s" } ?? ""]
        }
        let lines = [title] + TextLayout.columns(rows).split(separator: "\n").map(String.init)
        // Up to the first line of the last turn; each line is cleared behind its new end.
        var text = drawnLines > 0 ? "\u{1b}[\(drawnLines)A" : ""
        for line in lines { text += "\(line)\u{1b}[K\n" }
        if lines.count < drawnLines { text += "\u{1b}[J" }
        drawnLines = lines.count
        try console.write(text)
    }

    private func print(_ figures: [Figure], _ rates: [Double?]) throws(CommandError) {
        var members: [String] = []
        for (figure, rate) in zip(figures, rates) {
            members.append("\(JSONFragment(string: figure.name).text):\(figure.text)")
            guard let rate else { continue }
            members.append("\(JSONFragment(string: "\(figure.name)_per_s").text):\(Self.text(rate))")
        }
        try console.write("{\(members.joined(separator: ","))}\n")
    }

    /// A rate with one decimal place, or as many as a small one needs.
    private static func text(_ rate: Double) -> String {
        if rate > 0, rate < 0.1 {
            let millionths = Int((rate * 1_000_000).rounded())
            let digits = String(millionths)
            return "0." + String(repeating: "0", count: 6 - min(digits.count, 6)) + digits
        }
        let tenths = Int((min(rate, 1e15) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
