import Linux
import Testing

@testable import Topics

@Suite("Messages in a subscription's hands")
struct LeaseTableTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func id(_ number: UInt64) -> MessageID { MessageID(1000, number) }

    /// A table with the messages 1 … `count`, the first of which ends after 100 ms, the next 100 ms later, and so on.
    private func table(_ count: UInt64) -> LeaseTable {
        var table = LeaseTable()
        for number in 0..<count {
            let ends = start.advanced(milliseconds: Int64(number + 1) * 100)
            let safeUntil = start.advanced(milliseconds: Int64(number + 1) * 100 - 10)
            table.add(id(number + 1), LeaseTable.Lease(deliveries: 1, safeUntil: safeUntil, ends: ends))
        }
        return table
    }

    @Test("end one after the other, each at its time")
    func expire() {
        var table = table(3)
        #expect(table.firstEnd == start.advanced(milliseconds: 100))
        let before = table.expire(at: start.advanced(milliseconds: 99))
        #expect(before == 0)
        let two = table.expire(at: start.advanced(milliseconds: 200))
        #expect(two == 2)
        #expect(table[id(1)] == nil && table[id(3)] != nil)
        #expect(table.firstEnd == start.advanced(milliseconds: 300))
        let last = table.expire(at: .distantFuture)
        #expect(last == 1)
        #expect(table.firstEnd == .distantFuture)
    }

    @Test("were seen where they had begun to leave, or their time is over")
    func unsent() {
        var table = table(1)
        for (number, position) in [(UInt64(2), UInt64(0)), (3, 500), (4, 501)] {
            let lease = LeaseTable.Lease(
                deliveries: 1,
                safeUntil: .distantFuture,
                ends: .distantFuture,
                position: position
            )
            table.add(id(number), lease)
        }
        _ = table.expire(at: start.advanced(milliseconds: 200))
        #expect(Set(table.seen(before: 501).map(\.id)) == [id(1), id(2), id(3)])
        #expect(Set(table.seen.map(\.id)) == [id(1), id(2), id(3), id(4)])
    }

    @Test("are settled by one call at a time, which may be made again where it failed")
    func settling() {
        var table = table(1)
        let first = table.beginSettling(id(1), at: start)
        #expect(first?.deliveries == 1)
        let second = table.beginSettling(id(1), at: start)
        #expect(second == nil)
        let unknown = table.beginSettling(id(2), at: start)
        #expect(unknown == nil)
        table.failedSettling(id(1), 1)
        let again = table.beginSettling(id(1), at: start)
        #expect(again != nil)
    }

    @Test("cannot be settled when their time is over")
    func late() {
        var table = table(1)
        let late = table.beginSettling(id(1), at: start.advanced(milliseconds: 100))
        #expect(late == nil)
    }

    @Test("of a later delivery are not touched by what belongs to an earlier one")
    func redelivered() {
        var table = table(1)
        _ = table.beginSettling(id(1), at: start)
        let ends = start.advanced(milliseconds: 900)
        table.add(id(1), LeaseTable.Lease(deliveries: 2, safeUntil: ends, ends: ends))
        table.remove(id(1), 1)
        table.extend(id(1), 1, safeUntil: .distantFuture, ends: .distantFuture)
        #expect(table[id(1)]?.deliveries == 2)
        #expect(table[id(1)]?.ends == ends)
        let current = table.beginSettling(id(1), at: start)
        #expect(current?.deliveries == 2)
        table.failedSettling(id(1), 1)
        #expect(table[id(1)]?.isSettling == true)
        table.remove(id(1), 2)
        #expect(table.count == 0)
    }

    @Test("last longer when they are extended")
    func extend() {
        var table = table(2)
        let ends = start.advanced(milliseconds: 1000)
        let lease = table.beginExtending(id(1), at: start)
        #expect(lease?.deliveries == 1)
        table.extend(id(1), 1, safeUntil: ends, ends: ends)
        let expired = table.expire(at: start.advanced(milliseconds: 250))
        #expect(expired == 1)
        #expect(table[id(2)] == nil && table[id(1)] != nil)
        #expect(table.firstEnd == ends)
    }

    @Test("are remembered when their time is over, until they are delivered again")
    func seen() {
        var table = table(2)
        _ = table.expire(at: start.advanced(milliseconds: 100))
        #expect(table.count == 1)
        #expect(Set(table.seen.map(\.id)) == [id(1), id(2)])
        #expect(table.seen.map(\.deliveries) == [1, 1])
        table.add(id(1), LeaseTable.Lease(deliveries: 2, safeUntil: start, ends: start))
        #expect(table.seen.count == 2)
        table.remove(id(1), 2)
        #expect(table.seen.map(\.id) == [id(2)])
        table.removeAll()
        #expect(table.seen.isEmpty)
    }

    @Test("are held beyond their time while an extension is on its way")
    func extending() {
        var table = table(2)
        let late = start.advanced(milliseconds: 150)
        _ = table.beginExtending(id(1), at: start)
        let expired = table.expire(at: late)
        #expect(expired == 0)
        #expect(table.firstEnd == start.advanced(milliseconds: 200))
        // Valkey has carried the extension out, or will, before what comes behind it.
        let again = table.beginExtending(id(1), at: late)
        #expect(again?.deliveries == 1)
        table.failedExtending(id(1), 1)
        let ends = start.advanced(milliseconds: 1000)
        table.extend(id(1), 1, safeUntil: ends, ends: ends)
        let settled = table.beginSettling(id(1), at: late)
        #expect(settled?.deliveries == 1)
    }

    @Test("end where the extension that held them failed")
    func failedExtension() {
        var table = table(1)
        _ = table.beginExtending(id(1), at: start)
        _ = table.expire(at: .distantFuture)
        table.failedExtending(id(1), 1)
        #expect(table.firstEnd == start.advanced(milliseconds: 100))
        let settled = table.beginSettling(id(1), at: start.advanced(milliseconds: 100))
        #expect(settled == nil)
        let expired = table.expire(at: start.advanced(milliseconds: 100))
        #expect(expired == 1)
    }
}
