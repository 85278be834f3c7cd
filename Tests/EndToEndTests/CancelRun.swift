import JSON
import Linux
import TestSupport
import Testing

/// A client that calls and cancels at random, and checks that each call is answered once and with what is its own.
struct CancelRun {
    /// How many keys there are, each with its number as value; ``prepare(_:)`` writes them.
    private static let keys = 50
    /// How many keys are never there, and so are computed.
    private static let missing = 4

    /// What a call that waits for its answer is.
    private enum Kind {
        case read(Int)
        case increment
        case leased(String)
        case other
    }

    private let client: AgentClient
    private var random: SeededGenerator
    private var waiting: [Int64: Kind] = [:]
    private var lastID: Int64 = 0
    private var outgoing: [String] = []
    /// Increments that were done.
    private(set) var increments: Int64 = 0
    /// Calls that ended `cancelled`.
    private(set) var cancelled = 0
    /// Calls that were answered.
    private(set) var answered = 0

    /// Begins with a connection and a seed.
    init(_ client: AgentClient, seed: UInt64) {
        self.client = client
        random = SeededGenerator(seed: seed)
    }

    /// Writes the keys that are read.
    static func prepare(_ client: AgentClient) async throws {
        for key in 0..<keys {
            _ = try await client.result(of: "cache.set", #"{"key":"k\#(key)","value":\#(key),"ttl_ms":3600000}"#)
        }
        _ = try await client.result(of: "cache.set", #"{"key":"counter","value":0,"ttl_ms":3600000}"#)
    }

    /// Sends some calls and cancellations in one go, then waits until every call is answered.
    mutating func burst() async throws {
        for _ in 0..<Int.random(in: 1...64, using: &random) {
            if Int.random(in: 0..<3, using: &random) == 0, lastID > 0 {
                // Often one that runs, at times one that was answered long ago.
                let id = max(lastID - Int64.random(in: 0..<30, using: &random), 1)
                outgoing.append(#"{"jsonrpc":"2.0","method":"$/cancelRequest","params":[\#(id)]}"#)
            } else {
                addCall()
            }
        }
        try await flush()
        while !waiting.isEmpty {
            try check(try Document.parse(try await client.receive()))
            try await flush()
        }
    }

    private mutating func addCall() {
        let key = Int.random(in: 0..<Self.keys, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0, 1: add(.read(key), "cache.get", #"{"key":"k\#(key)"}"#)
        case 2: add(.read(key), "cache.get", #"{"key":"k\#(key)","fresh":true}"#)
        case 3: add(.increment, "cache.increment", #"{"key":"counter"}"#)
        case 4: add(.other, "channel.subscribe", #"{"channel":"c\#(key)"}"#)
        default:
            let name = "m\(key % Self.missing)"
            add(.leased(name), "cache.get", #"{"key":"\#(name)","lease_ms":5000,"wait_ms":50}"#)
        }
    }

    private mutating func add(_ kind: Kind, _ method: String, _ params: String) {
        lastID += 1
        waiting[lastID] = kind
        outgoing.append(#"{"jsonrpc":"2.0","id":\#(lastID),"method":"\#(method)","params":\#(params)}"#)
    }

    private mutating func flush() async throws {
        guard !outgoing.isEmpty else { return }
        try await client.send(bytes: outgoing.flatMap { client.frame($0) })
        outgoing = []
    }

    private mutating func check(_ reply: Document) throws {
        // News of subscriptions have no id.
        guard let id = reply["id"]?.integer else { return }
        let known = waiting.removeValue(forKey: id)
        let kind = try #require(known, "an answer to nothing: \(reply)")
        answered += 1
        if reply["error"]?["code"] == 1010 {
            if case .increment = kind { Issue.record("a write was cancelled: \(reply)") }
            cancelled += 1
            return
        }
        switch kind {
        case .read(let key): #expect(reply["result"]?["value"]?.integer == Int64(key), "\(reply)")
        case .increment:
            #expect(reply["result"]?["value"]?.integer != nil, "\(reply)")
            increments += 1
        case .leased(let name):
            #expect(reply["result"]?["hit"] == false, "\(reply)")
            guard let lease = reply["result"]?["lease"]?.string else { return }
            add(.other, "cache.fail", #"{"key":"\#(name)","lease":"\#(lease)"}"#)
        case .other:
            if let name = reply["result"]?["subscription"]?.string {
                add(.other, "channel.unsubscribe", #"{"subscription":"\#(name)"}"#)
            }
            #expect(reply["error"] == nil, "\(reply)")
        }
    }
}

extension CancelRun {
    /// Has several clients call and cancel at the same time, as long as `goesOn` says, and checks what is left behind.
    static func run(
        on agent: RunningAgent,
        clients: Int,
        seed: UInt64,
        while goesOn: @escaping @Sendable (_ bursts: Int) -> Bool
    ) async throws {
        let witness = try agent.connect()
        try await prepare(witness)
        let (increments, cancelled) = try await withThrowingTaskGroup(of: (Int64, Int).self) { group in
            for number in 0..<clients {
                group.addTask {
                    let framing: AgentClient.Framing = number % 2 == 0 ? .lines : .contentLength
                    var run = CancelRun(try agent.connect(framing), seed: seed &+ UInt64(number))
                    var bursts = 0
                    while goesOn(bursts) {
                        try await run.burst()
                        bursts += 1
                    }
                    return (run.increments, run.cancelled)
                }
            }
            return try await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        }
        #expect(cancelled > 0)
        #expect(
            try await witness.result(of: "cache.get", #"{"key":"counter","fresh":true}"#)["value"]?.integer
                == increments
        )
        try await waitUntil("nothing is left behind") {
            let statistics = try await witness.result(of: "agent.stats")
            let leases = try await witness.result(of: "cache.stats")["leases"]
            return statistics["calls"]?["running"] == 0 && statistics["channels"]?["subscriptions"] == 0
                && leases?["waiting"] == 0
        }
    }
}
