import LoadGenerator

/// What was measured of one server, round by round.
struct BenchMeasurement {
    /// The server in words.
    let name: String
    /// What each round found.
    var results: [LoadResult] = []

    init(_ name: String) {
        self.name = name
    }

    /// Calls that the server refused, over all rounds.
    var errors: Int { results.reduce(0) { $0 + $1.errors } }

    /// Latencies of all rounds.
    var latency: LatencyHistogram {
        var all = LatencyHistogram()
        for result in results { all.merge(result.latency) }
        return all
    }

    /// The median over the rounds of a figure, and the least and the greatest.
    func spread(_ figure: (LoadResult) -> Double) -> (median: Double, least: Double, greatest: Double) {
        let sorted = results.map(figure).sorted()
        guard let first = sorted.first, let last = sorted.last else { return (0, 0, 0) }
        let middle = sorted.count / 2
        let median = sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
        return (median, first, last)
    }
}
