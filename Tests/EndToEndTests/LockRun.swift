import Glibc
import JSON
import Linux
import TestSupport
import Testing

/// Many clients contend for one lock over two agents, while clients and agents are paused and killed, and Valkey crashes.
///
/// Each client is a process that logs what it believes and writes to a resource which refuses stale fences. Afterwards
/// the logs tell whether two ever believed at once, and why.
struct LockRun {
    /// Clients at once.
    var clients: Int
    /// Acquisitions after which the run ends.
    var acquisitions: Int
    /// Life of a lease in milliseconds; nobody is paused longer than twice that.
    var life: Int64 = 2000
    /// Mean time between two faults.
    var faultInterval = Duration.milliseconds(300)
    /// What the choice of faults is drawn from.
    var seed: UInt64 = 1

    /// What came of a run.
    struct Outcome {
        var acquisitions = 0
        var writes = 0
        var refusedWrites = 0
        var overlaps = 0
        var overlapsExplained = 0
        var duplicateFences = 0
        var decreasingFences = 0
        var faults: [String: Int] = [:]
    }

    /// One belief of a client to hold the lock.
    private struct Belief {
        let client: Int
        let agent: Int
        let fence: Int64
        let start: Double
        var end: Double
    }

    /// A time in which a process stood still, or in which Valkey did.
    private struct Pause {
        let who: String
        let start: Double
        let end: Double
    }

    private static func now() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Runs it.
    func run() async throws -> Outcome {
        try await withTemporaryDirectory { directory in
            let durable = ["--appendonly", "yes", "--appendfsync", "always"]
            return try await withValkeyServer(arguments: durable) { server in
                try await run(directory, server)
            }
        }
    }

    private func run(_ directory: String, _ server: ValkeyServer) async throws -> Outcome {
        guard let python = Executable.find("python3") else { throw FixtureError("python3 is not installed") }
        var generator = SeededGenerator(seed: seed)
        var agents: [LaunchedProcess] = []
        for index in 0..<2 { agents.append(try await startAgent(index, directory, server)) }
        var processes: [LaunchedProcess] = []
        for index in 0..<clients { processes.append(try await startClient(index, python, directory, server)) }
        var outcome = Outcome()
        var pauses: [Pause] = []
        while try count(directory) < acquisitions {
            try await Task.sleep(for: faultInterval * Double.random(in: 0.2...1.8, using: &generator))
            let start = Self.now()
            let client = Int.random(in: 0..<clients, using: &generator)
            let agent = Int.random(in: 0..<2, using: &generator)
            let length = Duration.milliseconds(Int64.random(in: 0...(2 * life), using: &generator))
            switch Int.random(in: 0..<20, using: &generator) {
            case 0..<9:
                outcome.faults["client paused", default: 0] += 1
                try await pause(processes[client], length)
                pauses.append(Pause(who: "client \(client)", start: start, end: Self.now()))
            case 9..<15:
                outcome.faults["client killed", default: 0] += 1
                try processes[client].signal(SIGKILL)
                try await processes[client].end()
                processes[client] = try await startClient(client, python, directory, server)
            case 15..<17:
                outcome.faults["agent paused", default: 0] += 1
                try await pause(agents[agent], length)
                pauses.append(Pause(who: "agent \(agent)", start: start, end: Self.now()))
            case 17..<19:
                outcome.faults["agent killed", default: 0] += 1
                try agents[agent].signal(SIGKILL)
                try await agents[agent].end()
                agents[agent] = try await startAgent(agent, directory, server)
            default:
                outcome.faults["Valkey crashed", default: 0] += 1
                try await server.restart()
            }
        }
        for process in processes { try process.signal(SIGKILL) }
        for process in agents { try process.signal(SIGKILL) }
        for process in processes + agents { try await process.end() }
        try judge(directory, pauses, &outcome)
        return outcome
    }

    private func pause(_ process: LaunchedProcess, _ length: Duration) async throws {
        try process.signal(SIGSTOP)
        try await Task.sleep(for: length)
        try process.signal(SIGCONT)
    }

    private func startAgent(_ index: Int, _ directory: String, _ server: ValkeyServer) async throws -> LaunchedProcess {
        var command = ChildProcess.Command(executable: try Product.path("squired"))
        let socket = "\(directory)/agent-\(index)"
        let state = "\(directory)/state-\(index)"
        _ = unsafe mkdir(state, 0o700)
        command.arguments = ["--socket", socket, "--state-dir", state, "--valkey", "unix://\(server.socketPath)"]
        let process = try await LaunchedProcess.start(command, log: "\(directory)/agent-\(index).log")
        try await waitUntil("the agent listens") { (try? AgentClient(socket)) != nil }
        return process
    }

    private func startClient(
        _ index: Int,
        _ python: String,
        _ directory: String,
        _ server: ValkeyServer
    ) async throws -> LaunchedProcess {
        let script = "Tests/EndToEndTests/Clients/lock_client.py"
        var command = ChildProcess.Command(executable: python)
        command.arguments = [
            script, "\(directory)/agent-\(index % 2)", server.socketPath, "\(life)", "\(directory)/client-\(index).log",
        ]
        return try await LaunchedProcess.start(command, log: "\(directory)/clients")
    }

    private func lines(_ index: Int, _ directory: String) -> [[Substring]] {
        let text = (try? File.text("\(directory)/client-\(index).log")) ?? ""
        return text.split(separator: "\n").map { $0.split(separator: " ") }.filter { $0.count >= 3 }
    }

    private func count(_ directory: String) throws -> Int {
        (0..<clients).reduce(0) { $0 + lines($1, directory).count { $0[0] == "A" } }
    }

    private func judge(_ directory: String, _ pauses: [Pause], _ outcome: inout Outcome) throws {
        var beliefs: [Belief] = []
        for client in 0..<clients {
            var last: Int64 = 0
            for line in lines(client, directory) {
                guard let fence = Int64(line[1]), let instant = line.last.flatMap({ Double($0) }) else { continue }
                switch line[0] {
                case "A":
                    if fence <= last { outcome.decreasingFences += 1 }
                    last = fence
                    outcome.acquisitions += 1
                    let belief = Belief(client: client, agent: client % 2, fence: fence, start: instant, end: instant)
                    beliefs.append(belief)
                case "W":
                    outcome.writes += 1
                    if line[2] == "0" { outcome.refusedWrites += 1 }
                    fallthrough
                case "L", "E", "R":
                    if beliefs.last?.fence == fence { beliefs[beliefs.count - 1].end = instant }
                default: continue
                }
            }
        }
        outcome.duplicateFences = beliefs.count - Set(beliefs.map(\.fence)).count
        beliefs.sort { $0.fence < $1.fence }
        for (earlier, later) in zip(beliefs, beliefs.dropFirst()) where later.start < earlier.end {
            outcome.overlaps += 1
            // The earlier one's own agent or host stood still: nobody could tell it.
            let isExplained = pauses.contains { pause in
                (pause.who == "client \(earlier.client)" || pause.who == "agent \(earlier.agent)")
                    && pause.start < earlier.end && pause.end > earlier.start
            }
            if isExplained { outcome.overlapsExplained += 1 }
        }
    }
}
