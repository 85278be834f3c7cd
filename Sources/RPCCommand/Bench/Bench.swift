import Linux
import LoadGenerator
import RPCClient
import RPCUsage

/// `rpc bench`: puts a load on the agent, or on it and a Valkey in alternation, and reports what it found.
struct Bench {
    private let options: BenchOptions
    private let environment: ProcessEnvironment
    private let console: Console

    /// Prepares a measurement.
    init(_ options: BenchOptions, _ environment: ProcessEnvironment, _ console: Console) {
        self.options = options
        self.environment = environment
        self.console = console
    }

    /// Measures and prints the report.
    ///
    /// - Returns: ``ExitStatus/errorReply`` where a server refused calls.
    /// - Throws: ``CommandError`` where a server cannot be reached, or is lost.
    func run() throws(CommandError) -> ExitStatus {
        if let delay = options.source { return try runSource(delay) }
        let targets = try targets()
        var measurements = targets.map { BenchMeasurement($0.name) }
        do throws(LoadError) {
            for target in targets { try prepare(target) }
            // In alternation, so that what happens to the machine meanwhile happens to all of them.
            for round in 0..<rounds {
                for (index, target) in targets.enumerated() {
                    if !options.isJSON, console.isTerminal {
                        console.complain("round \(round + 1) of \(rounds): \(target.name)\n")
                    }
                    measurements[index].results.append(try LoadRun(options.workload, on: target).run())
                }
            }
            for target in targets { try cleanUp(target) }
        } catch {
            throw CommandError(.unreachable, "the load ended: \(error.message)")
        }
        try print(measurements)
        return measurements.contains { $0.errors > 0 } ? .errorReply : .done
    }

    /// Measures what a slow source costs with the agent's cache and without.
    private func runSource(_ delay: Duration) throws(CommandError) -> ExitStatus {
        guard let agent = try targets().first else { return .unreachable }
        var measurements = [BenchMeasurement("without the cache"), BenchMeasurement("with the cache")]
        do throws(LoadError) {
            for _ in 0..<rounds {
                measurements[0].results.append(try SourceRun(options.workload, delay: delay, agent: nil).run())
                try LoadRun.sweep(.delete, options.workload, on: agent)
                measurements[1].results.append(try SourceRun(options.workload, delay: delay, agent: agent).run())
            }
            try cleanUp(agent)
        } catch {
            throw CommandError(.unreachable, "the load ended: \(error.message)")
        }
        try print(measurements)
        return .done
    }

    private func print(_ measurements: [BenchMeasurement]) throws(CommandError) {
        let report = BenchReport(options, measurements)
        try console.write(options.isJSON ? report.json : [UInt8](report.text.utf8))
    }

    private var rounds: Int { options.rounds ?? (options.comparison == nil ? 1 : 3) }

    private func targets() throws(CommandError) -> [LoadTarget] {
        if let direct = options.direct { return [direct] }
        if options.isInOrder, let path = options.socket { return [LoadTarget(socketPath: path, language: .lines)] }
        var invocation = Invocation()
        invocation.socket = options.socket
        invocation.wait = options.wait
        let agent = try AgentConnection(invocation, environment).open(until: .now.advanced(by: .seconds(5)))
        return [LoadTarget(socketPath: agent.path)] + (options.comparison.map { [$0] } ?? [])
    }

    /// Writes every entry, and reads each once, so that what the agent keeps in memory is there.
    private func prepare(_ target: LoadTarget) throws(LoadError) {
        guard target.language != .lines, !options.isPrepared, options.workload.readsEntries else { return }
        try LoadRun.sweep(.set, options.workload, on: target)
        if target.language == .calls, !options.workload.isFresh {
            try LoadRun.sweep(.get, options.workload, on: target)
        }
    }

    private func cleanUp(_ target: LoadTarget) throws(LoadError) {
        guard target.language != .lines, !options.isKeeping else { return }
        let operations = Set(options.workload.mix.map(\.operation.rawValue))
        guard operations != ["ping"] else { return }
        try LoadRun.sweep(.delete, options.workload, on: target)
        guard operations.contains("increment") else { return }
        var counters = options.workload
        counters.keyPrefix += "n:"
        try LoadRun.sweep(.delete, counters, on: target)
    }
}
