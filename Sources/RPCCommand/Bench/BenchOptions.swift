import Bytes
import Linux
import LoadGenerator
import RPCUsage

/// What `rpc bench` is asked to measure.
struct BenchOptions: Equatable {
    /// What the load consists of.
    var workload = Workload()
    /// Path of the agent's socket, where the user named one.
    var socket: String?
    /// How long to wait for the socket.
    var wait: Duration?
    /// A Valkey that the same load is put on in alternation with the agent.
    var comparison: LoadTarget?
    /// A Valkey that is measured instead of the agent.
    var direct: LoadTarget?
    /// Whether the socket is that of a server that answers lines in their order, whatever stands in them.
    var isInOrder = false
    /// How often each server is measured; the median counts.
    var rounds: Int?
    /// What a slow source takes for one entry, where it is measured how the cache spares it.
    var source: Duration?
    /// Whether the result is printed as JSON.
    var isJSON = false
    /// Whether the entries stay when all is measured.
    var isKeeping = false
    /// Whether the entries are those that an earlier run left.
    var isPrepared = false

    private static let durations = 1...3_600_000

    /// The options of `rpc bench`, where that is what a command line asks for.
    ///
    /// `--socket` and `--wait` may stand before the word `bench`, as before every other command.
    static func words(in arguments: [String]) -> [String]? {
        var rest = arguments[...]
        var before: [String] = []
        while let word = rest.popFirst() {
            if word == "bench" { return before + rest }
            guard word.hasPrefix("--socket") || word.hasPrefix("--wait") else { return nil }
            before.append(word)
            if !word.contains("="), let value = rest.popFirst() { before.append(value) }
        }
        return nil
    }

    /// Reads the words after `rpc bench`.
    ///
    /// - Throws: ``CommandError`` `.usage` which names the word and says what it may be.
    init(_ words: [String]) throws(CommandError) {
        var rest = words[...]
        while let word = rest.popFirst() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let option = Option(rawValue: parts[0]) else {
                throw CommandError(
                    .usage,
                    "rpc bench has no option \(parts[0])",
                    advice: Suggestion.question(about: parts[0], among: Option.allCases.map(\.rawValue))
                        + ["rpc bench --help shows the options."]
                )
            }
            guard option.takesValue else {
                guard parts.count == 1 else { throw .usage("\(option.rawValue) takes no value") }
                set(option)
                continue
            }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                throw .usage("\(option.rawValue) needs a value")
            }
            try set(option, value)
        }
        try check()
    }

    private mutating func set(_ option: Option) {
        switch option {
        case .fresh: workload.isFresh = true
        case .json: isJSON = true
        case .keep: isKeeping = true
        case .prepared: isPrepared = true
        default: isInOrder = true
        }
    }

    private mutating func set(_ option: Option, _ value: String) throws(CommandError) {
        switch option {
        case .mix: workload.mix = try Self.mix(value)
        case .keys: workload.keys = try Self.number(value, option, 1...Workload.keysMax)
        case .distribution: workload.distribution = try Self.distribution(value)
        case .valueBytes: workload.valueBytes = try Self.size(value, option)
        case .manyKeys: workload.manyKeys = try Self.number(value, option, 1...10_000)
        case .connections: workload.connections = try Self.number(value, option, 1...100_000)
        case .idle: workload.idleConnections = try Self.number(value, option, 0...1_000_000)
        case .pipeline: workload.pipeline = try Self.number(value, option, 1...Workload.pipelineMax)
        case .rate: workload.rate = try Self.rate(value)
        case .warmUp: workload.warmUp = try Self.duration(value, option, orNone: true)
        case .duration: workload.duration = try Self.duration(value, option)
        case .life: workload.lifeMilliseconds = Int(try Self.duration(value, option).wholeMilliseconds)
        case .source: source = try Self.duration(value, option)
        case .seed: workload.seed = UInt64(try Self.number(value, option, 0...Int.max))
        case .rounds: rounds = try Self.number(value, option, 1...1000)
        case .socket: socket = value
        case .wait: wait = try Self.duration(value, option)
        case .compare: comparison = try Self.target(value, option)
        case .direct: direct = try Self.target(value, option)
        case .fresh, .json, .keep, .prepared, .inOrder: return
        }
    }

    private func check() throws(CommandError) {
        guard direct == nil || comparison == nil && !isInOrder && socket == nil else {
            throw .usage("--direct measures a Valkey alone; --socket, --compare and --in-order do not go with it")
        }
        guard source == nil || direct == nil && comparison == nil && !isInOrder && workload.rate == nil else {
            throw .usage("--source measures the agent: --direct, --compare, --in-order and --rate do not go with it")
        }
        guard !isInOrder || socket != nil && comparison == nil else {
            throw .usage("--in-order measures another server than an agent: --socket names its socket")
        }
    }
}

extension BenchOptions {
    /// The options as they are written.
    enum Option: String, CaseIterable {
        case mix = "--mix"
        case keys = "--keys"
        case distribution = "--distribution"
        case valueBytes = "--value-bytes"
        case manyKeys = "--many"
        case connections = "--connections"
        case idle = "--idle"
        case pipeline = "--pipeline"
        case rate = "--rate"
        case warmUp = "--warm-up"
        case duration = "--duration"
        case life = "--ttl"
        case source = "--source"
        case seed = "--seed"
        case rounds = "--rounds"
        case socket = "--socket"
        case wait = "--wait"
        case compare = "--compare"
        case direct = "--direct"
        case fresh = "--fresh"
        case json = "--json"
        case keep = "--keep"
        case prepared = "--prepared"
        case inOrder = "--in-order"

        var takesValue: Bool {
            switch self {
            case .fresh, .json, .keep, .prepared, .inOrder: false
            default: true
            }
        }
    }

    private static func number(_ text: String, _ option: Option, _ range: ClosedRange<Int>) throws(CommandError) -> Int
    {
        guard let value = Int(text), range.contains(value) else {
            throw .usage(
                "\(option.rawValue) takes a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'"
            )
        }
        return value
    }

    private static func rate(_ text: String) throws(CommandError) -> Double {
        guard let value = Double(text), value > 0, value <= 1e9 else {
            throw .usage("--rate takes a number of calls a second, not '\(text)'")
        }
        return value
    }

    private static func size(_ text: String, _ option: Option) throws(CommandError) -> Int {
        guard let value = Int64(text) ?? Quantity.bytes(text), value >= 2, value <= 64 << 20 else {
            throw .usage("\(option.rawValue) takes a size from 2 to 64MiB, such as 64 or 64KiB, not '\(text)'")
        }
        return Int(value)
    }

    private static func duration(
        _ text: String,
        _ option: Option,
        orNone: Bool = false
    ) throws(CommandError) -> Duration {
        if orNone, text == "0" || text == "0s" { return .zero }
        guard let milliseconds = Quantity.milliseconds(text), durations.contains(Int(milliseconds)) else {
            throw .usage("\(option.rawValue) takes a duration of at most an hour, like 5s or 250ms, not '\(text)'")
        }
        return .milliseconds(milliseconds)
    }

    private static func target(_ text: String, _ option: Option) throws(CommandError) -> LoadTarget {
        do throws(LoadError) {
            return try LoadTarget(url: text)
        } catch {
            throw .usage("\(option.rawValue): \(error.message)")
        }
    }

    private static func mix(_ text: String) throws(CommandError) -> [Workload.Share] {
        var shares: [Workload.Share] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let words = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(words[0])
            let weight = words.count == 2 ? Int(words[1]) ?? 0 : 1
            guard let operation = Workload.Operation(rawValue: name), (1...1000).contains(weight) else {
                let names = Workload.Operation.allCases.map(\.rawValue).joined(separator: ", ")
                throw .usage(
                    "--mix takes methods with weights, such as get:9,set:1, not '\(part)'",
                    "They are: \(names)."
                )
            }
            shares.append(Workload.Share(operation, weight: weight))
        }
        return shares
    }

    private static func distribution(_ text: String) throws(CommandError) -> KeySequence.Distribution {
        switch text {
        case "uniform": return .uniform
        case "sequential": return .sequential
        case "zipf": return .zipf(exponent: 0.99)
        default:
            guard text.hasPrefix("zipf:"), let exponent = Double(text.dropFirst(5)), exponent > 0, exponent <= 10 else {
                throw .usage("--distribution takes uniform, sequential, zipf or zipf:EXPONENT, not '\(text)'")
            }
            return .zipf(exponent: exponent)
        }
    }
}
