import Bytes
import JSON

/// Several writes that take effect together, and what must hold for it.
///
/// Pure: it is told what is there, and says whether the checks hold and what to write. A script then writes it where
/// nothing has changed meanwhile.
struct Transaction {
    /// What must hold of one key.
    struct Check {
        enum Condition {
            case exists(Bool)
            /// The value, in its canonical form.
            case equals([UInt8])
        }

        let name: [UInt8]
        let condition: Condition
    }

    /// What to do to one key.
    struct Write {
        enum Operation {
            /// An entry whose life and stale period are in milliseconds; a life of nil has no end.
            case set(value: [UInt8], life: Int64?, stale: Int64, tags: [[UInt8]])
            case delete
            /// A new entry gets the life; an existing one only where it `isGiven`.
            case increment(by: Int64, life: Int64?, isGiven: Bool)
            case touch(life: Int64?)
        }

        let name: [UInt8]
        let operation: Operation
        let fence: Int64?
    }

    /// What is there under a key.
    struct Present: Equatable {
        /// The value; of no bytes where nobody needs it.
        var value: [UInt8]
        /// How long it may be served after its life, in milliseconds.
        var stale: Int64
        /// Names and generations of its tags.
        var tags: [Tag]

        /// What there is beside the value.
        var withoutValue: Present { Present(value: [], stale: stale, tags: tags) }

        struct Tag: Equatable {
            let name: [UInt8]
            let generation: [UInt8]
        }
    }

    /// One command of the script.
    enum Step: Equatable {
        /// Writes an entry with this life in the store, in milliseconds; nil for no end.
        case set(name: [UInt8], Present, lifeInStore: Int64?)
        /// Writes an entry that keeps its life.
        case keep(name: [UInt8], Present)
        case delete(name: [UInt8])
        /// Gives an entry, which its tags must not end before, this life in the store, in milliseconds; nil for no end.
        ///
        /// Of what there is, the value is left out.
        case life(name: [UInt8], Present, lifeInStore: Int64?)
    }

    /// Why it cannot be.
    enum Fault: Error {
        /// An increment of what is no integer, or beyond 64 bits.
        case notANumber
    }

    /// What is to be done, and the new numbers of increments.
    struct Plan: Equatable {
        var steps: [Step] = []
        var values: [Int64?] = []
    }

    var checks: [Check] = []
    var writes: [Write] = []

    /// The keys of which must be known what is there.
    var watched: [[UInt8]] {
        var names: Set<[UInt8]> = Set(checks.map(\.name))
        for write in writes {
            switch write.operation {
            case .increment, .touch: names.insert(write.name)
            case .set, .delete: continue
            }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Those of the watched keys whose values must be known; of the others it is enough what else there is.
    var valued: Set<[UInt8]> {
        var names: Set<[UInt8]> = []
        for check in checks { if case .equals = check.condition { names.insert(check.name) } }
        for write in writes { if case .increment = write.operation { names.insert(write.name) } }
        return names
    }

    /// Whether an increment is among the writes.
    var hasIncrements: Bool {
        writes.contains { if case .increment = $0.operation { true } else { false } }
    }

    /// Whether the checks hold.
    ///
    /// - Parameters:
    ///   - present: What is there; values of those keys alone that ``valued`` tells.
    ///   - depthMax: Deepest nesting that passes as JSON.
    /// - Returns: Whether all of them do.
    func holds(_ present: [[UInt8]: Present], depthMax: Int) -> Bool {
        checks.allSatisfy { check in
            switch check.condition {
            case .exists(let exists): (present[check.name] != nil) == exists
            case .equals(let form):
                present[check.name].map { Transaction.canonical($0.value, depthMax: depthMax) == form } ?? false
            }
        }
    }

    /// The canonical form of a value; nil where it is not JSON, or has none.
    static func canonical(_ value: [UInt8], depthMax: Int) -> [UInt8]? {
        value.withByteView { bytes in
            guard let scanned = try? JSONScanner.scan(bytes, depthMax: depthMax) else { return nil }
            var form = ByteBuffer()
            guard (try? CanonicalJSON.append(scanned, to: &form)) != nil else { return nil }
            return form.view.copy()
        }
    }

    /// What the writes come to.
    ///
    /// - Parameters:
    ///   - present: What is there; values of those keys alone that ``valued`` tells.
    ///   - generations: Of the tags that are set, by the full name that the writes have them under.
    ///   - tagName: The name of a tag without prefix and namespace.
    /// - Returns: What is to be done, in order.
    /// - Throws: ``Fault``.
    func plan(
        _ present: [[UInt8]: Present],
        generations: [[UInt8]: [UInt8]],
        tagName: ([UInt8]) -> [UInt8]
    ) throws(Fault) -> Plan {
        var present = present
        var plan = Plan()
        for write in writes {
            var number: Int64?
            switch write.operation {
            case .set(let value, let life, let stale, let tags):
                let entry = Present(
                    value: value,
                    stale: life == nil ? 0 : stale,
                    tags: tags.map { Present.Tag(name: tagName($0), generation: generations[$0] ?? []) }
                )
                present[write.name] = entry
                plan.steps.append(.set(name: write.name, entry, lifeInStore: life.map { $0 + entry.stale }))
            case .delete:
                present[write.name] = nil
                plan.steps.append(.delete(name: write.name))
            case .increment(let by, let life, let isGiven):
                let sum = try Transaction.sum(present[write.name], by)
                number = sum
                add(sum, write.name, life: life, isGiven: isGiven, &present, &plan)
            case .touch(let life):
                guard let entry = present[write.name] else { break }
                let lifeInStore = life.map { $0 + entry.stale }
                plan.steps.append(.life(name: write.name, entry.withoutValue, lifeInStore: lifeInStore))
            }
            plan.values.append(number)
        }
        return plan
    }

    private func add(
        _ sum: Int64,
        _ name: [UInt8],
        life: Int64?,
        isGiven: Bool,
        _ present: inout [[UInt8]: Present],
        _ plan: inout Plan
    ) {
        let text = Array(String(sum).utf8)
        if var entry = present[name] {
            entry.value = text
            present[name] = entry
            plan.steps.append(.keep(name: name, entry))
            guard isGiven else { return }
            let lifeInStore = life.map { $0 + entry.stale }
            plan.steps.append(.life(name: name, entry.withoutValue, lifeInStore: lifeInStore))
        } else {
            let entry = Present(value: text, stale: 0, tags: [])
            present[name] = entry
            plan.steps.append(.set(name: name, entry, lifeInStore: life))
        }
    }

    private static func sum(_ present: Present?, _ by: Int64) throws(Fault) -> Int64 {
        guard let present else { return by }
        guard let number = present.value.withByteView({ $0.integer }) else { throw .notANumber }
        let (sum, overflow) = number.addingReportingOverflow(by)
        guard !overflow else { throw .notANumber }
        return sum
    }
}
