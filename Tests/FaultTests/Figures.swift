import Linux
import TestSupport

/// Figures of a long run, for whoever watches it.
enum Figures {
    /// Shows `text` where the long forms run.
    static func show(_ text: @autoclosure () -> String) {
        guard Soak.isEnabled else { return }
        File.writeToStandardError("\(text())\n")
    }

    /// Percentiles of times in milliseconds, in words.
    static func words(_ times: [Duration]) -> String {
        guard !times.isEmpty else { return "none" }
        func share(_ share: Double) -> Int64 { percentile(times, share).wholeMilliseconds }
        return
            "p50 \(share(0.5)) ms, p90 \(share(0.9)) ms, p99 \(share(0.99)) ms, longest \(share(1)) ms of \(times.count)"
    }

    /// The time that a share of `times` does not exceed; zero where there are none.
    static func percentile(_ times: [Duration], _ share: Double) -> Duration {
        let sorted = times.sorted()
        guard !sorted.isEmpty else { return .zero }
        return sorted[min(Int(Double(sorted.count) * share), sorted.count - 1)]
    }
}
