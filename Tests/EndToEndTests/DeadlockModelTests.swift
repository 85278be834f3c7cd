import JSON
import TestSupport
import Testing

@Suite("Deadlocks of many parties that ask for this and that")
struct DeadlockModelTests {
    @Test("are found where waiting would never end, and only there", arguments: 1...6 as ClosedRange<UInt64>)
    func agrees(seed: UInt64) async throws {
        try await withTwoAgents { first, second in
            let clients = try (0..<8).map { try ($0 % 2 == 0 ? first : second).lease() }
            var run = DeadlockModelRun(server: first.server, clients: clients, seed: seed)
            for _ in 0..<120 { try await run.step() }
            for party in run.model.waiting { #expect(try run.replyIfThere(of: party) == nil) }
            let told = try await first.leases("deadlocks") + (try await second.leases("deadlocks"))
            #expect(told == run.victims && told > 0)
        }
    }
}

/// Connections that do what a model does, and are told what the model tells.
struct DeadlockModelRun {
    private static let all = 1_000_000
    private static let limit = 3
    private let server: ValkeyServer
    private let clients: [LeaseClient]
    private var random: SeededGenerator
    private var calls: [Int: Int64] = [:]
    private var leases: [Int: [(resource: Int, lease: Document)]] = [:]
    private(set) var model: DeadlockModel
    private(set) var victims: Int64 = 0

    init(server: ValkeyServer, clients: [LeaseClient], seed: UInt64) {
        self.server = server
        self.clients = clients
        random = SeededGenerator(seed: seed)
        // Locks, then semaphores.
        let (all, limit) = (DeadlockModelRun.all, DeadlockModelRun.limit)
        let capacities = [all, all, all, all, limit, limit]
        model = DeadlockModel(resources: capacities.map { DeadlockModel.Resource(capacity: $0) })
    }

    func replyIfThere(of party: Int) throws -> Document? {
        try calls[party].flatMap { try clients[party].replyIfThere(to: $0) }
    }

    /// Has one party that does not wait ask for something, or let go of something.
    mutating func step() async throws {
        let free = clients.indices.filter { calls[$0] == nil }
        guard let party = free.randomElement(using: &random) else { throw FixtureError("all wait for each other") }
        if let held = leases[party]?.indices.randomElement(using: &random), Int.random(in: 0..<5, using: &random) < 2 {
            try await release(party, held)
        } else {
            try await ask(party)
        }
    }

    private mutating func ask(_ party: Int) async throws {
        let resource = Int.random(in: model.resources.indices, using: &random)
        let isLock = model.resources[resource].capacity == DeadlockModelRun.all
        let isFew = Bool.random(using: &random)
        let weight = isFew ? 1 : isLock ? DeadlockModelRun.all : 2
        let name = Document.string("r\(resource)")
        let wish: Document =
            isLock
            ? ["name": name, "mode": isFew ? "shared" : "exclusive", "wait_ms": 60_000]
            : ["name": name, "limit": 3, "permits": .integer(Int64(weight)), "wait_ms": 60_000]
        calls[party] = try await clients[party].begin(isLock ? "lock.acquire" : "semaphore.acquire", wish)
        if model.ask(DeadlockModel.Claim(party: party, weight: weight), of: resource) {
            return try await take([party], resource)
        }
        if model.deadlocked.isEmpty { return try await queueIsRight(resource) }
        while case let doomed = model.deadlocked, !doomed.isEmpty { try await endOne(of: doomed) }
    }

    /// Waits for the word that one of the parties waited in vain, and has it wait no longer.
    private mutating func endOne(of doomed: Set<Int>) async throws {
        var victim: Int?
        try await waitUntil("one of \(doomed) is told of the deadlock") {
            for party in doomed where victim == nil {
                guard let reply = try replyIfThere(of: party) else { continue }
                #expect(reply["error"]?["data"]?["kind"] == "deadlock")
                victim = party
            }
            return victim != nil
        }
        guard let victim else { return }
        victims += 1
        calls[victim] = nil
        for index in model.resources.indices {
            model.resources[index].queue.removeAll { $0.party == victim }
            try await take(model.resources[index].settle().map(\.party), index)
        }
    }

    private mutating func release(_ party: Int, _ held: Int) async throws {
        guard let (resource, lease) = leases[party]?.remove(at: held) else { return }
        if leases[party]?.isEmpty == true { leases[party] = nil }
        let isLock = model.resources[resource].capacity == DeadlockModelRun.all
        let method = isLock ? "lock.release" : "semaphore.release"
        #expect(try await clients[party].result(method, ["lease": lease["lease"] ?? .null]) == ["released": true])
        let weight = lease["weight"]?.integer ?? 0
        let index = model.resources[resource].holds.firstIndex { $0.party == party && $0.weight == Int(weight) }
        model.resources[resource].holds.remove(at: try #require(index))
        try await take(model.resources[resource].settle().map(\.party), resource)
    }

    /// Has those to whom the model gave something take it.
    private mutating func take(_ parties: [Int], _ resource: Int) async throws {
        for party in parties {
            guard let call = calls.removeValue(forKey: party) else { continue }
            let result = try await clients[party].result(of: call)
            #expect(result["acquired"] == true)
            let weight = model.resources[resource].holds.last { $0.party == party }?.weight ?? 0
            let lease: Document = ["lease": result["lease"] ?? .null, "weight": .integer(Int64(weight))]
            leases[party, default: []].append((resource, lease))
        }
    }

    private func queueIsRight(_ resource: Int) async throws {
        let isLock = model.resources[resource].capacity == DeadlockModelRun.all
        let key = "\(isLock ? "lock" : "semaphore")-queue:{r\(resource)}"
        let count = Int64(model.resources[resource].queue.count)
        try await waitUntil("\(count) wait for \(resource)") { try server.command("ZCARD", key) == .integer(count) }
    }
}
