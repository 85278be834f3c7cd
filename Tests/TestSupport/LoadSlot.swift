import Linux
import RPCClient

/// One place of a connection: makes one call after the other on keys of its own, and judges every reply.
///
/// Pure: it writes the texts of requests and reads those of replies.
struct LoadSlot {
    /// One request of a call.
    struct Request {
        let id: Int64
        let step: Step
    }

    /// What a request asks.
    enum Step: Equatable {
        case set(version: Int)
        case get
        case increment
        case counter
        case hashSet(version: Int)
        case hashGet
        case hashGetAll
        case getMany(Int, Int)
        case shared(Int)

        var isWrite: Bool {
            switch self {
            case .set, .increment, .hashSet: true
            default: false
            }
        }
    }

    /// What a reply turned out to be.
    enum Verdict: Equatable {
        /// The result that had to come.
        case right
        /// An error, or a miss for want of Valkey, by its kind and outcome.
        case failed(String)
        /// What could not come; in words.
        case wrong(String)
    }

    /// Key of the counter.
    let counterKey: String
    private let name: String
    private let plan: LoadPlan
    private let deadlineMilliseconds: Int64
    private var text: LoadRegister
    private var hash: LoadRegister
    private(set) var counter: LoadCounter
    /// Increments that were acknowledged.
    private(set) var acknowledgedIncrements = 0
    /// Increments whose outcome is unknown.
    private(set) var unknownIncrements = 0

    init(name: String, plan: LoadPlan) {
        self.name = name
        self.plan = plan
        counterKey = "load:\(name):count"
        deadlineMilliseconds = plan.deadline.wholeMilliseconds
        text = LoadRegister(plan.durability)
        hash = LoadRegister(plan.durability)
        counter = LoadCounter(plan.durability)
    }

    /// Key and value of the shared key `index`.
    static func shared(_ index: Int) -> (key: String, value: String) {
        ("load:shared:\(index)", #"{"shared":\#(index),"of":["all",null,1.50]}"#)
    }

    // MARK: Requests

    /// Begins a call.
    ///
    /// - Returns: What is asked, one after the other.
    mutating func begin(_ call: LoadCall, _ random: inout SeededGenerator) -> [Step] {
        switch call {
        case .set: [.set(version: text.beginWrite())]
        case .get: [.get]
        case .setAndGet: [.set(version: text.beginWrite()), .get]
        case .increment: [.increment]
        case .counter: [.counter]
        case .hashSet: [.hashSet(version: hash.beginWrite())]
        case .hashGet: [.hashGet]
        case .hashGetAll: [.hashGetAll]
        case .getMany: [.getMany(randomShared(&random), randomShared(&random))]
        case .shared: [.shared(randomShared(&random))]
        }
    }

    private func randomShared(_ random: inout SeededGenerator) -> Int {
        Int.random(in: 0..<max(plan.sharedKeys, 1), using: &random)
    }

    /// The line that asks for `step`.
    func line(_ step: Step, id: Int64) -> String {
        let (method, params) =
            switch step {
            case .set(let version): ("cache.set", #""key":"\#(textKey)","value":\#(value(version)),"ttl_ms":null"#)
            case .get: ("cache.get", #""key":"\#(textKey)""#)
            case .increment: ("cache.increment", #""key":"\#(counterKey)","ttl_ms":null"#)
            case .counter: ("cache.get", #""key":"\#(counterKey)""#)
            case .hashSet(let version):
                ("hash.set", #""key":"load:\#(name)","fields":\#(fields(version)),"ttl_ms":null"#)
            case .hashGet: ("hash.get", #""key":"load:\#(name)","field":"text""#)
            case .hashGetAll: ("hash.get_all", #""key":"load:\#(name)""#)
            case .getMany(let first, let second):
                (
                    "cache.get_many",
                    #""keys":["\#(Self.shared(first).key)","\#(textKey)","\#(Self.shared(second).key)"]"#
                )
            case .shared(let index): ("cache.get", #""key":"\#(Self.shared(index).key)""#)
            }
        let deadline = #""_meta":{"deadline_ms":\#(deadlineMilliseconds)}"#
        return #"{"jsonrpc":"2.0","id":\#(id),"method":"\#(method)","params":{\#(params),\#(deadline)}}"# + "\n"
    }

    private var textKey: String { "load:\(name):text" }

    private func value(_ version: Int) -> String {
        #"{"of":"\#(name)","version":\#(version),"text":"é\u00e9 \#(name):\#(version)"}"#
    }

    private func fields(_ version: Int) -> String {
        #"{"version":\#(version),"text":"\#(name):\#(version)"}"#
    }

    // MARK: Replies

    /// Judges the reply to `step`.
    ///
    /// - Parameters:
    ///   - step: What was asked.
    ///   - reply: The whole message; nil where none came.
    ///   - isLate: Whether it took so long that a write may have been sent twice.
    /// - Returns: Whether it is what had to come.
    mutating func judge(_ step: Step, _ reply: JSONFragment?, isLate: Bool) -> Verdict {
        guard let result = reply?["result"] else { return failed(step, reply?["error"], isLate) }
        if result["degraded"] != nil || result["entries"]?.elements.contains(where: { $0["degraded"] != nil }) == true {
            return plan.expectsFailures && !step.isWrite ? .failed("degraded") : .wrong("\(step): \(result.text)")
        }
        let isRight =
            switch step {
            case .set(let version): wroteText(version, result, isLate)
            case .get: isText(result)
            case .increment: incremented(result)
            case .counter: isCounter(result)
            case .hashSet(let version): wroteHash(version, result, isLate)
            case .hashGet: isField(result)
            case .hashGetAll: isHash(result)
            case .getMany(let first, let second): areMany(result, first, second)
            case .shared(let index): isShared(result, index)
            }
        return isRight ? .right : .wrong("\(name) \(step): \(result.text)")
    }

    private mutating func failed(_ step: Step, _ error: JSONFragment?, _ isLate: Bool) -> Verdict {
        let kind = error?["data"]?["kind"]?.string
        let word = error?["data"]?["outcome"]?.string
        let outcome: LoadRegister.Outcome = word == "not_applied" ? .notApplied : .unknown
        switch step {
        case .set(let version): text.wrote(version, outcome, isLate: isLate)
        case .hashSet(let version): hash.wrote(version, outcome, isLate: isLate)
        case .increment where outcome == .unknown:
            unknownIncrements += 1
            counter.incrementedPerhaps()
        default: break
        }
        guard let error else { return .failed("no reply") }
        let name = [kind, word].compactMap { $0 }.joined(separator: "/")
        if step.isWrite, word == nil { return .wrong("\(step) failed without an outcome: \(error.text)") }
        let isExpected = ["unavailable", "deadline_exceeded", "overloaded", "ambiguous", "valkey_error"].contains(kind)
        return plan.expectsFailures && isExpected ? .failed(name) : .wrong("\(step): \(error.text)")
    }

    private mutating func wroteText(_ version: Int, _ result: JSONFragment, _ isLate: Bool) -> Bool {
        text.wrote(version, .applied, isLate: isLate)
        return result.text == #"{"stored":true}"#
    }

    private mutating func wroteHash(_ version: Int, _ result: JSONFragment, _ isLate: Bool) -> Bool {
        hash.wrote(version, .applied, isLate: isLate)
        guard let added = result["added"]?.integer else { return false }
        // A write that was sent twice finds its own fields.
        return plan.expectsFailures ? (0...2).contains(added) : added == (version == 1 ? 2 : 0)
    }

    private mutating func incremented(_ result: JSONFragment) -> Bool {
        acknowledgedIncrements += 1
        guard let value = result["value"]?.integer else { return false }
        return counter.incremented(to: Int(value))
    }

    private mutating func isCounter(_ result: JSONFragment) -> Bool {
        if result.text == #"{"hit":false}"# { return counter.read(0) }
        guard let value = result["value"]?.integer else { return false }
        return counter.read(Int(value))
    }

    private mutating func isText(_ entry: JSONFragment) -> Bool {
        if entry.text == #"{"hit":false}"# { return text.read(0) }
        guard let found = entry["value"], let version = found["version"]?.integer else { return false }
        return found.text == value(Int(version)) && text.read(Int(version))
    }

    private mutating func isField(_ result: JSONFragment) -> Bool {
        if result.text == #"{"found":false}"# { return hash.read(0) }
        guard let found = result["value"]?.string, let version = found.split(separator: ":").last.flatMap({ Int($0) })
        else { return false }
        return found == "\(name):\(version)" && hash.read(version)
    }

    private mutating func isHash(_ result: JSONFragment) -> Bool {
        if result["found"]?.text == "false" { return hash.read(0) }
        guard let found = result["fields"], let version = found["version"]?.integer else { return false }
        let isWhole = found.members.count == 2 && found["text"]?.string == "\(name):\(version)"
        return isWhole && hash.read(Int(version))
    }

    private mutating func areMany(_ result: JSONFragment, _ first: Int, _ second: Int) -> Bool {
        guard let entries = result["entries"]?.elements, entries.count == 3 else { return false }
        return isShared(entries[0], first) && isText(entries[1]) && isShared(entries[2], second)
    }

    private func isShared(_ entry: JSONFragment, _ index: Int) -> Bool {
        if entry.text == #"{"hit":false}"# { return plan.durability == .forgetful }
        return entry["value"]?.text == Self.shared(index).value
    }
}
