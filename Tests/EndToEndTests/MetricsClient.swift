import JSON
import Linux
import TestSupport
import Testing

/// An HTTP client of the agent's monitoring, a connection for each request.
struct MetricsClient {
    /// The Unix socket of `telemetry.listen`.
    let path: String

    /// An answer.
    struct Answer {
        let status: Int
        /// Names in lower case.
        let headers: [String: String]
        let body: String
    }

    /// Asks for a path.
    func get(
        _ path: String,
        accept: String? = nil,
        method: String = "GET",
        host: String = "localhost"
    ) async throws
        -> Answer
    {
        let header = accept.map { "Accept: \($0)\r\n" } ?? ""
        return try await send("\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\n\(header)Connection: close\r\n\r\n")
    }

    /// Sends a request as it is.
    func send(_ request: String) async throws -> Answer {
        let client = try AgentClient(path)
        try await client.send(bytes: Array(request.utf8))
        let text = try await client.receiveToEnd()
        let end = try #require(text.firstRange(of: "\r\n\r\n"), "\(text)")
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let status = try #require(lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let colon = try #require(line.firstIndex(of: ":"))
            headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return Answer(status: status, headers: headers, body: String(text[end.upperBound...]))
    }

    /// What `/metrics` tells.
    func metrics() async throws -> Exposition {
        try Exposition(try await get("/metrics").body)
    }
}

/// Metrics that were read from their text by the rules of the form that it is in.
struct Exposition {
    /// Values by name and labels, as written.
    private(set) var samples: [String: Double] = [:]
    /// Names of families with their types.
    private(set) var families: [String: String] = [:]

    /// Reads a text.
    ///
    /// - Throws: ``FixtureError`` with the line that breaks a rule of OpenMetrics 1.0 or of Prometheus' text format.
    init(_ text: String) throws {
        var family = ""
        var help: Set<String> = []
        var isOver = false
        let isOpen = text.hasSuffix("# EOF\n")
        guard text.hasSuffix("\n") else { throw FixtureError("the last line has no end") }
        for line in text.split(separator: "\n") {
            guard !isOver else { throw FixtureError("there is something behind the end: \(line)") }
            if line == "# EOF" {
                isOver = true
                continue
            }
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if words[0] == "#" {
                guard words.count == 4 else { throw FixtureError("a comment of another kind: \(line)") }
                switch words[1] {
                case "HELP":
                    guard help.insert(words[2]).inserted else { throw FixtureError("twice: \(line)") }
                    family = words[2]
                case "TYPE" where words[2] == family: families[family] = words[3]
                case "UNIT" where words[2] == family && isOpen && family.hasSuffix("_\(words[3])"): break
                default: throw FixtureError("out of place: \(line)")
                }
                continue
            }
            try add(line, family, isOpen: isOpen)
        }
        try checkHistograms()
    }

    private mutating func add(_ line: Substring, _ family: String, isOpen: Bool) throws {
        guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]), value >= 0,
            let type = families[family]
        else { throw FixtureError("no sample: \(line)") }
        let series = String(line[..<space])
        let name = String(series.prefix { $0 != "{" })
        let suffixes: [String] =
            switch type {
            case "counter": isOpen ? ["_total"] : [""]
            case "histogram": ["_bucket", "_sum", "_count"]
            case "info": ["_info"]
            default: [""]
            }
        guard suffixes.contains(where: { name == family + $0 }) else {
            throw FixtureError("of another family than \(family): \(line)")
        }
        if type == "counter", !name.hasSuffix("_total") { throw FixtureError("a counter of another name: \(line)") }
        guard samples.updateValue(value, forKey: series) == nil else { throw FixtureError("twice: \(line)") }
    }

    private func checkHistograms() throws {
        for family in families where family.value == "histogram" {
            let counts = samples.keys.filter { $0.hasPrefix("\(family.key)_count") }
            for series in counts {
                let labels = series.dropFirst(family.key.utf8.count + 6).dropFirst().dropLast()
                let start = labels.isEmpty ? "\(family.key)_bucket{le=\"" : "\(family.key)_bucket{\(labels),le=\""
                var buckets: [(bound: Double, count: Double)] = []
                for sample in samples where sample.key.hasPrefix(start) {
                    let text = sample.key.dropFirst(start.utf8.count).dropLast(2)
                    guard let bound = text == "+Inf" ? .infinity : Double(text) else {
                        throw FixtureError("no bound: \(sample.key)")
                    }
                    buckets.append((bound, sample.value))
                }
                buckets.sort { $0.bound < $1.bound }
                let isRising = zip(buckets, buckets.dropFirst()).allSatisfy { $0.count <= $1.count }
                guard isRising, buckets.last?.bound == .infinity, buckets.last?.count == samples[series] else {
                    throw FixtureError("no histogram: \(series)")
                }
            }
        }
    }

    /// The value of a series, such as `squire_ready` or `a{b="c"}`.
    subscript(series: String) -> Double? { samples[series] }

    /// Names of all series without their labels.
    var names: Set<String> { Set(samples.keys.map { String($0.prefix { $0 != "{" }) }) }
}
