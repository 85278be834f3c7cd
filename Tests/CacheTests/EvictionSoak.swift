import Bytes
import Linux
import TestSupport
import Testing

@testable import Cache

/// Keys drawn by Zipf's law.
private struct Zipf {
    private var sums: [Double] = []

    init(count: Int, exponent: Double) {
        var sum = 0.0
        sums.reserveCapacity(count)
        for rank in 1...count {
            sum += power(Double(rank), -exponent)
            sums.append(sum)
        }
    }

    /// The rank of a draw, 0 for the most frequent.
    func next(_ random: inout SeededGenerator) -> Int {
        let draw = Double.random(in: 0..<(sums.last ?? 1), using: &random)
        var range = 0..<sums.count
        while !range.isEmpty {
            let middle = (range.lowerBound + range.upperBound) / 2
            range = sums[middle] <= draw ? (middle + 1)..<range.upperBound : range.lowerBound..<middle
        }
        return min(range.lowerBound, sums.count - 1)
    }

    /// `base` to the power of 0.9 or 1.1 and the like, in tenths.
    private func power(_ base: Double, _ exponent: Double) -> Double {
        // The tenth root by Newton's method: the standard library has no power.
        var root = base.squareRoot().squareRoot().squareRoot()
        for _ in 0..<60 {
            var ninth = 1.0
            for _ in 0..<9 { ninth *= root }
            root -= (root * ninth - base) / (10 * ninth)
        }
        var result = 1.0
        for _ in 0..<Int((-exponent * 10).rounded()) { result /= root }
        return result
    }
}

/// An eviction policy over numbered keys: whether a request hits, having taken the key in.
private protocol Policy {
    mutating func request(_ key: Int) -> Bool
}

/// Entries in a list, the newest at the front.
private struct List {
    var next: [Int: Int] = [:]
    var previous: [Int: Int] = [:]
    var front: Int?
    var back: Int?

    var count: Int { next.count }

    mutating func push(_ key: Int) {
        next[key] = .some(front ?? -1)
        previous[key] = -1
        if let front { previous[front] = key }
        front = key
        if back == nil { back = key }
    }

    mutating func remove(_ key: Int) {
        guard let after = next.removeValue(forKey: key), let before = previous.removeValue(forKey: key) else { return }
        if before >= 0 { next[before] = after } else { front = after >= 0 ? after : nil }
        if after >= 0 { previous[after] = before } else { back = before >= 0 ? before : nil }
    }
}

private struct LRU: Policy {
    let capacity: Int
    var list = List()

    mutating func request(_ key: Int) -> Bool {
        let isHit = list.next[key] != nil
        if isHit {
            list.remove(key)
        } else if list.count >= capacity, let oldest = list.back {
            list.remove(oldest)
        }
        list.push(key)
        return isHit
    }
}

/// "SIEVE is simpler than LRU" (NSDI 2024).
private struct Sieve: Policy {
    let capacity: Int
    var list = List()
    var isVisited: Set<Int> = []
    var hand: Int?

    mutating func request(_ key: Int) -> Bool {
        if list.next[key] != nil {
            isVisited.insert(key)
            return true
        }
        if list.count >= capacity { evict() }
        list.push(key)
        return false
    }

    private mutating func evict() {
        var key = hand ?? list.back
        while let current = key, isVisited.remove(current) != nil {
            let before = list.previous[current] ?? -1
            key = before >= 0 ? before : list.back
        }
        guard let victim = key else { return }
        let before = list.previous[victim] ?? -1
        hand = before >= 0 ? before : nil
        list.remove(victim)
    }
}

/// Hit ratios of the near table's eviction beside others, as docs/explanation/near-cache.md shows them.
@Suite("Eviction", .enabled(if: Soak.isEnabled))
struct EvictionSoak {
    private static let keys = 100_000
    private static let requests = 1_000_000
    private static let scanLength = 20_000
    private static let tableBytes = 1 << 20

    /// The keys asked for, in order: of five requests, one belongs to a scan where there are scans.
    private static func trace(_ exponent: Double, hasScans: Bool) -> [Int] {
        let zipf = Zipf(count: keys, exponent: exponent)
        var random = SeededGenerator(seed: 42)
        var scanned = keys
        return (0..<requests).map { step in
            // Scans run a fifth of the time and ask for nothing twice.
            guard hasScans, step % (5 * scanLength) < 2 * scanLength, step % 2 == 0 else { return zipf.next(&random) }
            scanned += 1
            return scanned
        }
    }

    /// Hit ratio of a policy in percent, over the second half of a trace.
    private static func ratio(_ trace: [Int], _ policy: any Policy) -> Double {
        var policy = policy
        var hits = 0
        for (step, key) in trace.enumerated() {
            let isHit = policy.request(key)
            if isHit, step >= trace.count / 2 { hits += 1 }
        }
        return Double(hits) / Double(trace.count / 2) * 100
    }

    /// Hit ratio of the near table in percent, over the second half of a trace, and how many entries it holds.
    private static func measure(_ trace: [Int]) -> (ratio: Double, entries: Int) {
        var table = NearTable(bytesMax: tableBytes, hasher: NearHash(seed: 7))
        var hits = 0
        let value = [UInt8](repeating: 0x31, count: 32)
        for (step, key) in trace.enumerated() {
            let isHit = "cache:\(key)".withByteView { name in
                let hash = table.hash(name)
                if table.find(name, hash, at: Instant(nanoseconds: 0)) != nil { return true }
                value.withByteView {
                    table.store(name, hash, namespace: 0, $0, .json, expiry: .distantFuture)
                    return
                }
                return false
            }
            if isHit, step >= trace.count / 2 { hits += 1 }
        }
        return (Double(hits) / Double(trace.count / 2) * 100, table.count)
    }

    @Test("S3-FIFO keeps more of what is asked for than LRU does")
    func ratios() {
        var rows = "| requests | entries held | LRU | SIEVE | S3-FIFO |\n|---|---|---|---|---|\n"
        for exponent in [0.9, 1.1] {
            for hasScans in [false, true] {
                let trace = Self.trace(exponent, hasScans: hasScans)
                let own = Self.measure(trace)
                let lru = Self.ratio(trace, LRU(capacity: own.entries))
                let sieve = Self.ratio(trace, Sieve(capacity: own.entries))
                let figures = [lru, sieve, own.ratio].map { "\(Double(Int($0 * 10)) / 10) %" }.joined(separator: " | ")
                let name = "Zipf \(exponent)\(hasScans ? ", scans mixed in" : "")"
                rows += "| \(name) | \(own.entries) | \(figures) |\n"
                #expect(own.ratio > lru)
            }
        }
        print(rows)
    }
}
