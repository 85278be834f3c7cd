import Linux
import Testing

@testable import Cache

@Suite("What is remembered of tags")
struct TagTableTests {
    private let name = Array("cache-tag:news".utf8)
    private let generation = [UInt8](repeating: 1, count: 16)

    private func learned() -> TagTable {
        var table = TagTable()
        let question = table.ask(name)
        table.learn(generation, question)
        return table
    }

    @Test("is an answer, until there is news")
    func news() throws {
        var table = learned()
        let known = try #require(table.known(name))
        #expect(known.generation == generation && table.stands(known.reference))
        table.changed(Array("cache-tag:other".utf8))
        #expect(table.stands(known.reference))
        table.changed(name)
        #expect(table.known(name) == nil && !table.stands(known.reference))
        // The same generation again is another knowledge: what was copied under the first is looked at anew.
        table.learn(generation, table.ask(name))
        #expect(table.known(name)?.generation == generation && !table.stands(known.reference))
    }

    @Test("is not an answer that news crossed")
    func crossing() {
        var table = TagTable()
        let question = table.ask(name)
        table.changed(name)
        table.learn(generation, question)
        #expect(table.known(name) == nil)
    }

    @Test("is nothing from the beginning of an invalidation to its end, nor an answer from before or within it")
    func writes() {
        var table = learned()
        let before = table.ask(name)
        let first = table.beginWrite(name)
        let second = table.beginWrite(name)
        #expect(table.known(name) == nil)
        let within = table.ask(name)
        table.learn(generation, before)
        table.learn(generation, within)
        #expect(table.known(name) == nil)
        table.endWrite(first)
        table.learn(generation, table.ask(name))
        #expect(table.known(name) == nil)
        table.endWrite(second)
        table.learn(generation, within)
        #expect(table.known(name) == nil)
        table.learn(generation, table.ask(name))
        #expect(table.known(name) != nil)
    }

    @Test("is nothing once everything may have changed")
    func everything() throws {
        var table = learned()
        let known = try #require(table.known(name))
        table.forgetEverything()
        #expect(table.known(name) == nil && !table.stands(known.reference))
    }

    @Test("is bounded, and whoever has another's place is not taken for it")
    func bound() throws {
        var table = TagTable(tagsMax: 4)
        var references: [TagTable.Reference] = []
        for number in 0..<100 {
            let name = Array("cache-tag:\(number)".utf8)
            table.learn(generation, table.ask(name))
            references.append(try #require(table.known(name)).reference)
            #expect(table.count <= 4)
        }
        #expect(references.filter { table.stands($0) }.count == 4)
        // One that is being invalidated keeps its place.
        let busy = table.beginWrite(name)
        for number in 0..<20 { _ = table.ask(Array("cache-tag:more\(number)".utf8)) }
        table.endWrite(busy)
        table.learn(generation, table.ask(name))
        #expect(table.known(name) != nil)
    }
}

@Suite("What a read carries until its reply")
struct ReadDetailTests {
    @Test("is its namespace, and its deadline to within 17 ms", arguments: [0, 1, 4095])
    func roundTrip(namespace: UInt16) {
        for start in [Int64(0), 1 << 20, 1 << 44, 1 << 52] {
            for milliseconds in [Int64(0), 1, 50, 5000, 60_000, 7_200_000] {
                let now = Instant(nanoseconds: start)
                let deadline = now.advanced(milliseconds: milliseconds)
                let detail = ReadDetail(namespace: namespace, deadline: deadline, at: now)
                #expect(detail.namespace == namespace)
                let late = ReadDetail(rawValue: detail.rawValue).deadline(at: now).nanoseconds(since: deadline)
                #expect((0...(1 << 24)).contains(late), "\(start) \(milliseconds): \(late)")
            }
        }
    }

    @Test("is two hours where the deadline is farther away, and over where it has passed meanwhile")
    func borders() {
        let now = Instant(nanoseconds: 1 << 50)
        for deadline in [now.advanced(milliseconds: 3_600_000_000), .distantFuture] {
            let detail = ReadDetail(namespace: 1, deadline: deadline, at: now)
            #expect(detail.deadline(at: now).milliseconds(since: now) >= 7_200_000)
        }
        let late = ReadDetail(namespace: 1, deadline: now, at: now)
        #expect(late.deadline(at: now.advanced(milliseconds: 60_000)) <= now.advanced(milliseconds: 60_000))
    }
}
