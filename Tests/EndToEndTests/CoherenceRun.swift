import JSON
import Linux
import TestSupport
import Testing

/// What was written to one key by its only writer, in order.
private final class KeyHistory: Sendable {
    struct Write: Sendable {
        let number: Int
        let isDeletion: Bool
        /// When it was acknowledged; nil where it was not, and may or may not have happened.
        var acknowledged: Instant?
    }

    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var writes: [Write] = [Write(number: 0, isDeletion: true, acknowledged: .now)]

    /// Takes note of a write that is about to be sent.
    func begin(isDeletion: Bool) -> Int {
        lock.withLock {
            let number = unsafe writes.count
            unsafe writes.append(Write(number: number, isDeletion: isDeletion, acknowledged: nil))
            return number
        }
    }

    func acknowledge(_ number: Int) {
        lock.withLock { unsafe writes[number].acknowledged = .now }
    }

    /// Whether a read may find `value`, which must not be older than the last write acknowledged by `moment`.
    func allows(_ value: Int?, at moment: Instant) -> Bool {
        lock.withLock {
            let floor = unsafe writes.lastIndex { $0.acknowledged.map { $0 <= moment } ?? false } ?? 0
            return unsafe writes[floor...].contains { $0.isDeletion ? value == nil : value == $0.number }
        }
    }
}

/// Writers and readers through two agents and straight to their Valkey, while connections are killed at random.
struct CoherenceRun {
    /// How long after its acknowledgement a write may be unknown to other readers, in milliseconds.
    ///
    /// Where a proxy stands between, its thread may wait for a processor while the writer knows of its write already.
    private let window: Int64

    private let agents: [RunningAgent]
    private let server: ValkeyServer
    private let end: Instant
    private let operations: Int
    private let histories = (0..<64).map { _ in KeyHistory() }
    private let writers = 8
    private let failures = Failures()

    /// What went wrong, and how much was done.
    private final class Failures: Sendable {
        private let lock = ThreadLock()
        // Only touched inside the lock.
        nonisolated(unsafe) private var texts: [String] = []
        nonisolated(unsafe) private var counts = (reads: 0, near: 0, writes: 0, refused: 0)

        var all: [String] { lock.withLock { unsafe texts } }
        var done: (reads: Int, near: Int, writes: Int, refused: Int) { lock.withLock { unsafe counts } }

        func add(_ text: String) { lock.withLock { unsafe texts.append(text) } }

        func count(reads: Int = 0, near: Int = 0, writes: Int = 0, refused: Int = 0) {
            lock.withLock {
                unsafe counts.reads += reads
                unsafe counts.near += near
                unsafe counts.writes += writes
                unsafe counts.refused += refused
            }
        }
    }

    /// Runs for `duration`, and checks every read.
    ///
    /// - Parameters:
    ///   - duration: How long.
    ///   - operations: Reads and writes that are done at least, however long it takes.
    ///   - seed: Of the random choices.
    ///   - jitter: By how much replies to the agents' data connections are held back at most, while news is not.
    /// - Throws: As `withAgent`.
    static func check(
        for duration: Duration,
        operations: Int = 0,
        seed: UInt64,
        jitter: Duration? = nil
    ) async throws {
        try await withValkeyServer { server in
            try await withFaultProxy(to: .unix(server.socketPath), seed: seed) { proxy in
                if let jitter { proxy.faults = .dataReplies(jitter: jitter) }
                let url = jitter == nil ? "unix://\(server.socketPath)" : proxy.address.url
                try await withDaemon(arguments: ["--valkey", url]) { first in
                    try await withDaemon(arguments: ["--valkey", url]) { second in
                        let agents = [first, second].map { RunningAgent(daemon: $0, server: server) }
                        for agent in agents { try await agent.becomeConnected() }
                        let run = CoherenceRun(
                            agents: agents,
                            server: server,
                            window: jitter == nil ? 50 : 500,
                            end: Instant.now.advanced(by: duration),
                            operations: operations
                        )
                        try await run.go(seed)
                    }
                }
            }
        }
    }

    private init(agents: [RunningAgent], server: ValkeyServer, window: Int64, end: Instant, operations: Int) {
        self.agents = agents
        self.server = server
        self.window = window
        self.end = end
        self.operations = operations
    }

    /// Whether it goes on: on a busy machine until enough was done to mean something.
    private var goesOn: Bool {
        let now = Instant.now
        let done = failures.done
        if done.reads + done.writes < operations { return true }
        return now < end || now < end.advanced(by: .seconds(40)) && !isEnough
    }

    private var isEnough: Bool { failures.done.writes > 100 && failures.done.near > 100 }

    private func go(_ seed: UInt64) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<writers {
                let random = SeededGenerator(seed: seed &+ UInt64(writer))
                // Every fourth writes straight to Valkey, as any other client does.
                if writer % 4 == 3 {
                    group.addTask { try await plain(writer, random) }
                } else {
                    group.addTask { try await client(writer, random) }
                }
            }
            group.addTask { try await chaos(SeededGenerator(seed: seed &+ 99)) }
            try await group.waitForAll()
        }
        let done = failures.done
        #expect(failures.all.isEmpty, "\(failures.all.prefix(5))")
        #expect(isEnough, "\(done)")
        if Soak.isEnabled { print("coherence: \(done)") }
    }

    private func ownKey(_ writer: Int, _ random: inout SeededGenerator) -> Int {
        Int.random(in: 0..<(histories.count / writers), using: &random) * writers + writer
    }

    private func client(_ writer: Int, _ start: SeededGenerator) async throws {
        var random = start
        let client = try agents[writer % 2].connect()
        while goesOn {
            if Int.random(in: 0..<4, using: &random) == 0 {
                let key = ownKey(writer, &random)
                let isDeletion = Int.random(in: 0..<8, using: &random) == 0
                let number = histories[key].begin(isDeletion: isDeletion)
                let reply =
                    isDeletion
                    ? try await client.reply(to: "cache.delete", #"["k\#(key)"]"#)
                    : try await client.reply(to: "cache.set", #"["k\#(key)",\#(number)]"#)
                let isDone = reply.contains(#""result""#)
                if isDone { histories[key].acknowledge(number) }
                failures.count(writes: isDone ? 1 : 0, refused: isDone ? 0 : 1)
                // At once, while the news is on its way.
                try await read(key, client, isOwn: true)
            } else {
                let key = Int.random(in: 0..<histories.count, using: &random)
                try await read(key, client, isOwn: key % writers == writer)
            }
        }
    }

    private func read(_ key: Int, _ client: AgentClient, isOwn: Bool) async throws {
        let asked = Instant.now
        let reply = try Document.parse(try await client.reply(to: "cache.get", #"["k\#(key)"]"#))
        // An agent whose Valkey is away for a moment says so.
        guard let result = reply["result"], result["degraded"] == nil else { return failures.count(refused: 1) }
        let value = result["value"]?.integer.map(Int.init)
        failures.count(reads: 1, near: result["source"] == "near" ? 1 : 0)
        let moment = isOwn ? asked : asked.advanced(milliseconds: -window)
        if !histories[key].allows(value, at: moment) {
            let owner = isOwn ? "its own" : "another's"
            failures.add("k\(key) was \(result.text(style: .compact)), which is too old; it is \(owner)")
        }
    }

    private func plain(_ writer: Int, _ start: SeededGenerator) async throws {
        var random = start
        var client = try server.connect()
        while goesOn {
            let key = ownKey(writer, &random)
            let number = histories[key].begin(isDeletion: false)
            do {
                if try client.command("SET", "cache:k\(key)", "\(number)") == .simple("OK") {
                    histories[key].acknowledge(number)
                    failures.count(writes: 1)
                }
            } catch is SystemError {
                client = try server.connect()
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// Kills trackers and data connections of the agents.
    private func chaos(_ start: SeededGenerator) async throws {
        var random = start
        let operations = try server.connect()
        while goesOn {
            try await Task.sleep(for: .milliseconds(Int.random(in: 20..<200, using: &random)))
            let kind = Int.random(in: 0..<3, using: &random) == 0 ? "normal" : "pubsub"
            try operations.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        }
    }
}
