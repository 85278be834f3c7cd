import Bytes
import Testing

@testable import Cache

@Suite("What stands before the value of an entry")
struct EntryHeadTests {
    private static let generations = [[UInt8](repeating: 7, count: 16), [UInt8](repeating: 255, count: 16)]

    private func stored(stale: Int64, tags: Int, value: String = "{\"a\":1}") -> [UInt8] {
        var buffer = ByteBuffer()
        let tags = (0..<tags).map { (name: Array("tag\($0)".utf8), generation: Self.generations[$0 % 2]) }
        EntryHead.append(name: ByteView("cache@n:k"), staleMilliseconds: stale, tags: tags, to: &buffer)
        buffer.append(text: value)
        return buffer.view.copy()
    }

    @Test("is read as it was written", arguments: [(0, 0), (1, 0), (0, 1), (86_400_000, 32), (3_153_600_000_000, 3)])
    func roundTrip(stale: Int64, tags: Int) throws {
        try stored(stale: stale, tags: tags).withByteView { bytes in
            let head = try #require(EntryHead(bytes))
            #expect(head.staleMilliseconds == stale)
            #expect(head.name.equals("cache@n:k"))
            #expect(head.payload.equals("{\"a\":1}"))
            #expect(head.tagCount == tags)
            #expect(head.tags.map { $0.name.text() } == (0..<tags).map { "tag\($0)" })
            #expect(head.tags.map { $0.generation.copy() } == (0..<tags).map { Self.generations[$0 % 2] })
            #expect(head.bytes.count + head.payload.count == bytes.count)
        }
    }

    @Test("is none where it is cut off, at every byte")
    func cut() {
        let whole = stored(stale: 5, tags: 2, value: "")
        for count in whole.indices {
            Array(whole.prefix(count)).withByteView { #expect(EntryHead($0) == nil, "\(count) bytes") }
        }
        whole.withByteView { #expect(EntryHead($0) != nil) }
    }

    @Test("is none where it says something that is not known, or is no head at all")
    func unknown() {
        var bytes = stored(stale: 0, tags: 0)
        for flags in [UInt8(1 << 4), 1 << 7, 0xff] {
            bytes[2] = flags
            bytes.withByteView { #expect(EntryHead($0) == nil) }
        }
        for text in ["", "1", "\u{01}", "\u{01}E", "\u{01}L0123", "\u{01}Rxyz", "{\"a\":1}"] {
            text.withByteView { #expect(EntryHead($0) == nil) }
        }
    }

    @Test(
        "is none where its period is longer than any may be, or negative",
        arguments: [3_153_600_000_001, .max, -1, .min]
    )
    func period(stale: Int64) {
        var bytes = stored(stale: 1, tags: 1)
        for index in 0..<8 { bytes[3 + index] = UInt8(truncatingIfNeeded: stale >> Int64(56 - 8 * index)) }
        bytes.withByteView { #expect(EntryHead($0) == nil) }
    }

    @Test("is told by its key to be stale from the end of the life until the end of the period")
    func staleness() throws {
        try stored(stale: 100, tags: 0).withByteView { bytes in
            let head = try #require(EntryHead(bytes))
            #expect(!head.isStale(life: 101) && head.isStale(life: 100) && head.isStale(life: 0))
            #expect(!head.isStale(life: -1) && !head.isStale(life: nil))
        }
        stored(stale: 0, tags: 1).withByteView { #expect(EntryHead($0)?.isStale(life: 0) == false) }
    }
}
