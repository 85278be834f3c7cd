import JSON
import Linux
import TestSupport
import Testing

/// Many clients of two agents that store, read and invalidate responses while connections to Valkey are killed.
///
/// Every event has a number in one order. A read must not return a response whose writing had ended before an invalidation
/// or a newer writing began that ended before the read began; and never one of another request.
enum ResponseRun {
    /// A request that the run makes.
    struct Identity: Hashable, Sendable {
        let model: Int
        let scope: Int
        let prompt: Int

        /// The parameters that name it, written in one of several ways.
        func text(_ generator: inout SeededGenerator) -> String {
            let temperature = ["0.5", "5e-1", "0.50"].randomElement(using: &generator) ?? ""
            var members = [
                #""model":"m\#(model)""#, #""scope":"s\#(scope)""#, #""prompt":"p\#(prompt)""#,
                #""params":{"temperature":\#(temperature)}"#,
            ]
            members.shuffle(using: &generator)
            return members.joined(separator: ",")
        }

        /// What each of its responses begins with.
        var mark: String { "m\(model) s\(scope) p\(prompt) " }
    }

    /// What an invalidation means.
    enum Target: Sendable {
        case model(Int)
        case scope(Int)
        case tag(Int)
    }

    /// Everything that happened.
    actor History {
        private struct Writing {
            let begin: Int
            var end = Int.max
            let tag: Int
        }

        private var now = 0
        private var writings: [Identity: [Int: Writing]] = [:]
        private var invalidations: [(target: Target, begin: Int, end: Int)] = []
        private(set) var hits = 0
        private(set) var misses = 0
        private(set) var faults: [String] = []

        func moment() -> Int {
            now += 1
            return now
        }

        /// Begins to write a response; its version is the moment.
        func beginWriting(_ identity: Identity, tag: Int) -> Int {
            let begin = moment()
            writings[identity, default: [:]][begin] = Writing(begin: begin, tag: tag)
            // One that many others followed is overwritten by any of them: to find it again is a fault by itself.
            if let all = writings[identity], all.count > 200, let first = all.keys.min() {
                writings[identity]?[first] = nil
            }
            return begin
        }

        func endWriting(_ identity: Identity, _ version: Int) {
            writings[identity]?[version]?.end = moment()
        }

        func ended(_ target: Target, begin: Int) {
            invalidations.append((target, begin, moment()))
            if invalidations.count > 400 { invalidations.removeFirst() }
        }

        /// Judges what a read returned that began at `begin`.
        func judge(_ identity: Identity, _ text: String?, begin: Int) {
            guard let text else {
                misses += 1
                return
            }
            hits += 1
            guard text.hasPrefix(identity.mark), let version = Int(text.dropFirst(identity.mark.count)),
                let found = writings[identity]?[version]
            else { return faults.append("\(identity) returned \(text)") }
            for (other, writing) in writings[identity] ?? [:]
            where writing.begin > found.end && writing.end < begin {
                faults.append("\(identity): \(version) was overwritten by \(other) before \(begin)")
            }
            for (target, start, end) in invalidations where start > found.end && end < begin {
                let isMeant =
                    switch target {
                    case .model(let model): model == identity.model
                    case .scope(let scope): scope == identity.scope
                    case .tag(let tag): tag == found.tag
                    }
                if isMeant { faults.append("\(identity): \(version) was invalidated by \(target) before \(begin)") }
            }
        }
    }

    /// One client's work.
    private static func work(_ client: AgentClient, _ history: History, seed: UInt64, until end: Instant) async throws {
        var generator = SeededGenerator(seed: seed)
        while Instant.now < end {
            let identity = Identity(
                model: .random(in: 0..<2, using: &generator),
                scope: .random(in: 0..<2, using: &generator),
                prompt: .random(in: 0..<3, using: &generator)
            )
            switch Int.random(in: 0..<20, using: &generator) {
            case 0:
                let choice = Int.random(in: 0..<2, using: &generator)
                let (target, params): (Target, String) =
                    switch Int.random(in: 0..<3, using: &generator) {
                    case 0: (.model(choice), #"{"model":"m\#(choice)"}"#)
                    case 1: (.scope(choice), #"{"scope":"s\#(choice)"}"#)
                    default: (.tag(choice), #"{"tags":["t\#(choice)"]}"#)
                    }
                let begin = await history.moment()
                let reply = try Document.parse(try await client.reply(to: "response.invalidate", params))
                if reply["result"] != nil { await history.ended(target, begin: begin) }
            case 1..<6:
                let tag = Int.random(in: 0..<2, using: &generator)
                let version = await history.beginWriting(identity, tag: tag)
                let params =
                    #"{\#(identity.text(&generator)),"response":"\#(identity.mark)\#(version)","tags":["t\#(tag)"]}"#
                let reply = try Document.parse(try await client.reply(to: "response.put", params))
                // What became of one that failed is not known: it may take effect at any time.
                if reply["result"]?["stored"] == true { await history.endWriting(identity, version) }
            default:
                let begin = await history.moment()
                let reply = try Document.parse(
                    try await client.reply(to: "response.get", "{\(identity.text(&generator))}")
                )
                guard let result = reply["result"], result["degraded"] == nil else { continue }
                await history.judge(identity, result["response"]?.string, begin: begin)
            }
        }
    }

    /// Runs and checks.
    ///
    /// - Parameters:
    ///   - duration: For how long.
    ///   - seed: Makes the run another one.
    /// - Returns: The history.
    /// - Throws: As `withAgent`.
    static func check(for duration: Duration, seed: UInt64) async throws -> History {
        let history = History()
        try await withAgent { first in
            try await withDaemon(arguments: ["--valkey", "unix://\(first.server.socketPath)"]) { daemon in
                let second = RunningAgent(daemon: daemon, server: first.server)
                try await second.becomeConnected()
                let end = Instant.now.advanced(by: duration)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<8 {
                        let agent = number % 2 == 0 ? first : second
                        group.addTask {
                            let client = try agent.connect()
                            try await work(client, history, seed: seed &* 100 &+ UInt64(number), until: end)
                        }
                    }
                    group.addTask {
                        while Instant.now < end {
                            try await Task.sleep(for: .milliseconds(150))
                            _ = try? first.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
        let faults = await history.faults
        #expect(faults.isEmpty, "\(faults.count) faults, such as \(faults.prefix(3))")
        #expect(await history.hits > 0)
        #expect(await history.misses > 0)
        return history
    }
}
