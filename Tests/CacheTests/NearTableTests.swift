import Bytes
import Linux
import TestSupport
import Testing

@testable import Cache

/// `#expect` takes neither a call that changes its receiver nor a value that cannot be copied.
private func check(_ isTrue: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(isTrue, sourceLocation: sourceLocation)
}

extension NearTable {
    /// Holds a text under a name.
    @discardableResult
    fileprivate mutating func store(
        _ name: String,
        _ value: String,
        namespace: UInt16 = 0,
        expiry: Instant = .distantFuture
    ) -> Bool {
        name.withByteView { name in
            value.withByteView { value in
                store(name, hash(name), namespace: namespace, value, .json, expiry: expiry)
            }
        }
    }

    /// The text under a name, or nil.
    fileprivate mutating func find(_ name: String, at now: Instant = Instant(nanoseconds: 0)) -> String? {
        name.withByteView { name in find(name, hash(name), at: now)?.value.text() }
    }

    fileprivate mutating func remove(_ name: String) {
        name.withByteView { name in remove(name, hash(name)) }
    }
}

@Suite("Near table")
struct NearTableTests {
    @Test("what was stored is found, the newest value only")
    func storeAndFind() {
        var table = NearTable(bytesMax: 1 << 20)
        check(table.find("a") == nil)
        check(table.store("a", "1"))
        check(table.store("b", "2"))
        check(table.store("a", "a longer value than before"))
        check(table.find("a") == "a longer value than before")
        check(table.find("b") == "2")
        check(table.count == 2)
    }

    @Test("when no more pages can be told apart, others go for new ones, and what is found is what was stored")
    func numbers() {
        var table = NearTable(bytesMax: 64 << 20, pagesMax: 8)
        let large = String(repeating: "x", count: 9 << 10)
        for number in 0..<50 {
            check(table.store("large\(number)", "\(number)\(large)"))
            check(table.store("small\(number)", "\(number)"))
            check(table.find("large\(number)") == "\(number)\(large)")
            check(table.find("small\(number)") == "\(number)")
        }
        let held = (0..<50).filter { table.find("large\($0)") == "\($0)\(large)" }
        check((1...8).contains(held.count))
        check((0..<50).allSatisfy { table.find("large\($0)").map { $0.count > large.count } ?? true })
    }

    @Test("an entry is not served from the moment of its end on, and is gone then")
    func expiry() {
        var table = NearTable(bytesMax: 1 << 20)
        table.store("a", "1", expiry: Instant(nanoseconds: 100))
        check(table.find("a", at: Instant(nanoseconds: 99)) == "1")
        check(table.find("a", at: Instant(nanoseconds: 100)) == nil)
        check(table.count == 0)
    }

    @Test("what was removed is gone, all of it with its memory")
    func removal() {
        var table = NearTable(bytesMax: 1 << 20)
        for number in 0..<1000 { table.store("key \(number)", "\(number)") }
        table.remove("key 7")
        table.remove("no such key")
        check(table.find("key 7") == nil)
        check(table.find("key 8") == "8")
        check(table.count == 999)
        table.removeAll()
        check(table.find("key 8") == nil)
        check(table.count == 0 && table.bytes == 0)
        table.store("key 8", "again")
        check(table.find("key 8") == "again")
    }

    @Test("an entry of more than a sixteenth of the memory is not held, and what it replaces is not served either")
    func largeEntry() {
        var table = NearTable(bytesMax: 1 << 20)
        let large = String(repeating: "x", count: 60_000)
        check(table.store("a", large))
        check(table.find("a") == large)
        check(!table.store("a", large + large))
        check(table.find("a") == nil)
    }

    @Test("namespaces are counted apart")
    func shares() {
        var table = NearTable(bytesMax: 1 << 20)
        table.store("a", "1", namespace: 3)
        table.store("b", "2", namespace: 3)
        table.store("c", "3", namespace: 1)
        table.remove("a")
        check(table.share(of: 3).entries == 1)
        check(table.share(of: 3).bytes == 64)
        check(table.share(of: 1).entries == 1)
        check(table.share(of: 2).entries == 0)
        check(table.share(of: 900).entries == 0)
        table.remove(inPages: 0..<table.pageNumbers) { namespace, name in namespace == 3 && name.equals("b") }
        check(table.find("b") == nil)
        check(table.find("c") == "3")
    }

    @Test("random operations agree with a dictionary, and the bound holds after each", arguments: [1, 2, 3])
    func model(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var table = NearTable(bytesMax: 1 << 20)
        var model: [String: String] = [:]
        for step in 0..<30_000 {
            let name = "key \(UInt64.random(in: 0..<6000, using: &random))"
            switch UInt64.random(in: 0..<10, using: &random) {
            case 0..<5:
                let length = Int.random(in: 0..<(step % 97 == 0 ? 30_000 : 300), using: &random)
                let value = String(repeating: "v", count: length) + "\(step)"
                check(table.store(name, value))
                model[name] = value
            case 5..<9:
                // It may have had to go, but never is it another value.
                if let found = table.find(name) { check(found == model[name]) }
            default:
                table.remove(name)
                model[name] = nil
                check(table.find(name) == nil)
            }
            if table.bytes > 1 << 20 { return check(false) }
        }
        let evictions = table.share(of: 0).evictions
        check(evictions > 0)
        check(table.count <= model.count)
        check(table.share(of: 0).entries == table.count)
    }

    @Test("what is asked for again and again survives a scan of many times the memory")
    func scan() {
        var table = NearTable(bytesMax: 1 << 20)
        for round in 0..<4 {
            for number in 0..<1000 {
                if round == 0 { table.store("hot \(number)", "\(number)") }
                check(table.find("hot \(number)") == "\(number)")
            }
        }
        for number in 0..<100_000 { table.store("scan \(number)", "\(number)") }
        let left = (0..<1000).count { table.find("hot \($0)") != nil }
        check(left > 950)
        check(table.bytes <= 1 << 20)
    }

    @Test("an entry of 64 bytes costs at most 200 bytes beside its name and value")
    func overhead() {
        var table = NearTable(bytesMax: 64 << 20)
        let value = String(repeating: "v", count: 64)
        let count = 100_000
        for number in 0..<count { table.store("cache:key-\(100_000 + number)", value) }
        check(table.count == count)
        let overhead = table.bytes / count - 64 - "cache:key-100000".utf8.count
        check(overhead > 0 && overhead <= 200)
    }
}
