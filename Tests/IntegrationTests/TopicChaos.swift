import JSON
import Linux
import RPCClient
import TestSupport

/// Publishers and consumers of one topic, through two agents that are killed and a Valkey that is restarted, and an
/// account of everything that the consumers saw.
final class TopicChaos: Sendable {
    /// How much of everything.
    struct Plan: Sendable {
        var messages = 2000
        var consumers = 8
        /// Times that a consumer or an agent is killed.
        var kills = 10
        /// Times that Valkey is.
        var restarts = 1
        var seed: UInt64 = 1
    }

    /// One delivery, as a consumer saw it.
    struct Delivery: Sendable {
        let number: Int
        let deliveries: Int64
        let received: Instant
        /// When it was acked, nil where the consumer was killed before.
        var acked: Instant?
    }

    /// How long a consumer has a message.
    static let ackMilliseconds: Int64 = 1500
    /// Messages of one of these keys each, but for every fifth, which has none.
    static let keys = 97

    let plan: Plan
    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var sockets: [String?] = [nil, nil]
    nonisolated(unsafe) private var deliveries: [Delivery] = []
    nonisolated(unsafe) private var seenNumbers: Set<Int> = []
    nonisolated(unsafe) private var ackedNumbers: Set<Int> = []
    nonisolated(unsafe) private var doomed: Set<Int> = []
    nonisolated(unsafe) private var doomedAgents: Set<Int> = []
    nonisolated(unsafe) private var isOver = false
    nonisolated(unsafe) private var lateRefused = 0
    nonisolated(unsafe) private var lateTaken = 0
    nonisolated(unsafe) private var fault: String?

    init(_ plan: Plan) {
        self.plan = plan
    }

    /// Key of a message; nil for one without.
    static func key(_ number: Int) -> String? { number % 5 == 0 ? nil : "key-\(number % keys)" }

    // MARK: Shared state

    /// Everything that was delivered.
    var account: [Delivery] { lock.withLock { unsafe deliveries } }
    /// Late acks that were refused, and those that were not.
    var late: (refused: Int, taken: Int) { lock.withLock { unsafe (lateRefused, lateTaken) } }
    /// Messages that were delivered.
    var seen: Int { lock.withLock { unsafe seenNumbers.count } }
    /// Messages known to be acked.
    var acked: Int { lock.withLock { unsafe ackedNumbers.count } }
    /// What went wrong in a thread.
    var failure: String? { lock.withLock { unsafe fault } }

    private func fail(_ text: String) { lock.withLock { unsafe fault = fault ?? text } }
    private func socket(_ index: Int) -> String? { lock.withLock { unsafe sockets[index] } }
    private func setSocket(_ index: Int, _ path: String?) { lock.withLock { unsafe sockets[index] = path } }
    private func doom(_ consumer: Int) { lock.withLock { _ = unsafe doomed.insert(consumer) } }
    private func takeDoom(_ consumer: Int) -> Bool { lock.withLock { unsafe doomed.remove(consumer) != nil } }
    private func doomAgent(_ index: Int) { lock.withLock { _ = unsafe doomedAgents.insert(index) } }
    private func takeKill(_ index: Int) -> Bool { lock.withLock { unsafe doomedAgents.remove(index) != nil } }
    /// Ends everything.
    func end() { lock.withLock { unsafe isOver = true } }
    private var hasEnded: Bool { lock.withLock { unsafe isOver || fault != nil } }

    // MARK: Agents

    /// Keeps an agent running until the end: one that is killed has another in its place.
    func keepAgent(_ index: Int, of server: ValkeyServer) async throws {
        while !hasEnded {
            try await withDaemon(arguments: ["--valkey", "unix://\(server.socketPath)"]) { agent in
                setSocket(index, agent.socketPath)
                while !hasEnded, !takeKill(index) { try await Task.sleep(for: .milliseconds(2)) }
                setSocket(index, nil)
                guard !hasEnded else { return }
                agent.kill()
                _ = try await agent.process.end()
            }
        }
    }

    // MARK: Publishers

    /// Publishes every message whose key is this publisher's, each once, however often it has to be tried.
    func publish(_ index: Int) {
        var client: ChannelClient?
        for number in 0..<plan.messages where number % TopicChaos.keys % 2 == index {
            let key = TopicChaos.key(number)
            var isDone = false
            while !isDone, !hasEnded {
                do {
                    if client == nil, let path = socket(index) { client = try ChannelClient(path) }
                    guard let client else { throw FixtureError("no agent") }
                    try client.put("chaos", "\(number)", key: key, #","request_id":"m\#(number)""#)
                    isDone = true
                } catch {
                    client = nil
                    Polling.sleep(until: .now.advanced(by: .milliseconds(5)))
                }
            }
        }
    }

    // MARK: Consumers

    /// Consumes until the end, with another connection whenever the one before is lost.
    func consume(_ index: Int) {
        var random = SeededGenerator(seed: plan.seed &* 1000 &+ UInt64(index))
        while !hasEnded {
            guard let path = socket(index % 2) else {
                Polling.sleep(until: .now.advanced(by: .milliseconds(5)))
                continue
            }
            do {
                try consume(index, try ChannelClient(path), &random)
            } catch {
                // The agent or Valkey went away; whatever this consumer had is delivered again.
                Polling.sleep(until: .now.advanced(by: .milliseconds(5)))
            }
        }
    }

    private func consume(_ index: Int, _ client: ChannelClient, _ random: inout SeededGenerator) throws {
        let terms = #","from":"start","credit":16,"deliveries_max":null,"ack_ms":\#(TopicChaos.ackMilliseconds)"#
        _ = try client.consume("chaos", "workers", terms)
        var early: [RPCMessage] = []
        while !hasEnded {
            if takeDoom(index) { return }
            let limit = Instant.now.advanced(by: .milliseconds(100))
            guard let pushed = early.isEmpty ? (try? client.client.notification(until: limit)) : early.removeFirst()
            else {
                // Tells a quiet connection from one that is gone.
                _ = try client.call("agent.ping", "{}")
                continue
            }
            guard pushed.method == "topic.message" else {
                if pushed.method == "topic.gap" { fail("a gap: \(pushed.text.text)") }
                return
            }
            let message = try DeliveredMessage(pushed)
            guard let number = Int(message.content) else {
                return fail("a message that nobody sent: \(message.content)")
            }
            let received = Instant.now
            guard message.orderKey == TopicChaos.key(number) else { return fail("message \(number) has another key") }
            let place = note(Delivery(number: number, deliveries: message.deliveries, received: received))
            if Int.random(in: 0..<(plan.messages / 10), using: &random) == 0 {
                early += try ackLate(message, client, place)
                continue
            }
            markAcked(place)
            let verdict = try client.settle("ack", message.subscription, [message.id])
            if verdict.acked == [message.id] { confirm(number) }
        }
    }

    /// Holds a message until its time is over, and then acks it.
    ///
    /// An ack names a message and not a delivery of it: it is taken where the message came to the same subscription again
    /// meanwhile, which is told on the connection before the ack is answered.
    ///
    /// - Returns: What was pushed until then.
    private func ackLate(_ message: DeliveredMessage, _ client: ChannelClient, _ place: Int) throws -> [RPCMessage] {
        Polling.sleep(until: .now.advanced(milliseconds: TopicChaos.ackMilliseconds + 50))
        let acked = Instant.now
        let verdict = try client.settle("ack", message.subscription, [message.id])
        var pushed: [RPCMessage] = []
        while let next = try? client.client.notification(until: .now) { pushed.append(next) }
        let cameAgain = try pushed.contains { pushed in
            guard pushed.method == "topic.message" else { return false }
            let other = try DeliveredMessage(pushed)
            return other.id == message.id && other.deliveries > message.deliveries
        }
        lock.withLock {
            if verdict.lost == [message.id] {
                unsafe lateRefused += 1
            } else if cameAgain {
                unsafe deliveries[place].acked = acked
            } else {
                unsafe lateTaken += 1
            }
        }
        if verdict.acked == [message.id], let number = Int(message.content) { confirm(number) }
        return pushed
    }

    private func note(_ delivery: Delivery) -> Int {
        lock.withLock {
            unsafe seenNumbers.insert(delivery.number)
            unsafe deliveries.append(delivery)
            return unsafe deliveries.count - 1
        }
    }

    private func markAcked(_ place: Int) {
        let now = Instant.now
        lock.withLock { unsafe deliveries[place].acked = now }
    }

    private func confirm(_ number: Int) { lock.withLock { _ = unsafe ackedNumbers.insert(number) } }

    // MARK: Faults

    /// Kills consumers and agents and restarts Valkey, spread over the run, and returns when all is handled.
    ///
    /// - Throws: `FixtureError` where it does not go on.
    func breakThings(_ server: ValkeyServer) async throws {
        var random = SeededGenerator(seed: plan.seed)
        var events = Array(repeating: true, count: plan.restarts) + Array(repeating: false, count: plan.kills)
        events.shuffle(using: &random)
        for (index, isRestart) in events.enumerated() {
            let part = plan.messages * (index + 1) / (events.count + 2)
            try await waitUntil("\(part) messages are handled", within: .seconds(120)) {
                failure != nil || acked >= part
            }
            if failure != nil { return }
            if isRestart {
                try await server.restart()
            } else if Int.random(in: 0..<3, using: &random) == 0 {
                doomAgent(Int.random(in: 0..<2, using: &random))
            } else {
                doom(Int.random(in: 0..<plan.consumers, using: &random))
            }
        }
    }

    // MARK: Verdict

    /// What is wrong with what the consumers saw; nothing where all is as promised.
    func objections() -> [String] {
        var found: [String] = []
        if let failure { found.append(failure) }
        let all = account
        var first: [Int: Delivery] = [:]
        var firstAck: [Int: Instant] = [:]
        var pairs: Set<String> = []
        for delivery in all {
            if !pairs.insert("\(delivery.number) \(delivery.deliveries)").inserted {
                found.append("message \(delivery.number) came twice as delivery \(delivery.deliveries)")
            }
            if let other = first[delivery.number], other.received <= delivery.received {
            } else {
                first[delivery.number] = delivery
            }
            if let acked = delivery.acked {
                firstAck[delivery.number] = min(acked, firstAck[delivery.number] ?? acked)
            }
        }
        let missing = (0..<plan.messages).filter { first[$0] == nil }
        if !missing.isEmpty { found.append("\(missing.count) messages are lost, such as \(missing[0])") }
        var last: [String: Int] = [:]
        for number in 0..<plan.messages {
            guard let key = TopicChaos.key(number) else { continue }
            if let before = last[key], let acked = firstAck[before], let next = first[number], next.received < acked {
                found.append("message \(number) came before \(before) of its key was acked")
            }
            last[key] = number
        }
        let (refused, taken) = late
        if taken > 0 { found.append("\(taken) late acks were taken, \(refused) refused") }
        return found
    }
}

/// Runs a plan and checks what came of it.
///
/// - Returns: Deliveries, those of them that were not the first, and late acks that were refused.
func runChaos(
    _ plan: TopicChaos.Plan,
    _ kind: ServerKind = .preferred
) async throws -> (deliveries: Int, again: Int, late: Int, objections: [String], inspection: String) {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"]
    return try await withValkeyServer(kind, arguments: durable) { server in
        let chaos = TopicChaos(plan)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<2 {
                group.addTask { try await chaos.keepAgent(index, of: server) }
                group.addTask { try await onThread { chaos.publish(index) } }
            }
            for index in 0..<plan.consumers { group.addTask { try await onThread { chaos.consume(index) } } }
            do {
                try await chaos.breakThings(server)
                try await waitUntil("every message is handled", within: .seconds(120)) {
                    if chaos.failure != nil { return true }
                    let pending = try? server.command("XPENDING", "topic:{chaos}", "workers").elements?.first?.integer
                    let length = try? server.command("XLEN", "topic:{chaos}").integer
                    return chaos.seen == plan.messages && pending == 0 && length == Int64(plan.messages)
                }
            } catch {
                File.writeToStandardError("chaos: \(chaos.acked) acked of \(plan.messages); \(error)\n")
                chaos.end()
                throw error
            }
            let groups = try server.command("XINFO", "GROUPS", "topic:{chaos}")
            let left = try ["topic-due", "topic-parked"].map {
                try server.command("ZCARD", "\($0):{chaos}:workers").integer ?? -1
            }
            chaos.end()
            try await group.waitForAll()
            let account = chaos.account
            let again = account.count { $0.deliveries > 1 }
            return (account.count, again, chaos.late.refused, chaos.objections(), "\(left) left of \(groups)")
        }
    }
}
