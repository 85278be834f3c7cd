import Bytes
import EventLoop
import Linux
import Store
import TestSupport
import Testing

@testable import Cache

/// The rules by which nothing is kept that is out of date, without any Valkey.
@Suite("Near cache")
struct NearCacheTests {
    private static let key = Array("cache:k".utf8)
    private static let other = Array("cache:other".utf8)

    init() {
        LoopThread.start()
    }

    @EventLoop
    private static func make() -> NearCache {
        let near = NearCache(bytesMax: 1 << 20, keyspace: Keyspace(prefix: [], keyBytesMax: 1024))
        near.begin()
        return near
    }

    @EventLoop
    private static func beginFill(_ near: NearCache, life: Int64? = -1, _ key: [UInt8] = key) -> Int {
        let number = key.withByteView { near.beginFill($0, near.hash($0), 0) }
        if let life { near.setLife(life, of: number, generation: near.fill(number).generation) }
        return number
    }

    @EventLoop
    private static func endFill(_ near: NearCache, _ number: Int, _ value: StaticString = "1") {
        near.store(near.fill(number), ByteView(value), .json)
        near.end(number)
    }

    @EventLoop
    private static func found(_ near: NearCache, _ key: [UInt8] = key) -> String? {
        key.withByteView { near.find($0, near.hash($0))?.value.text() }
    }

    @Test("what a read brings is kept")
    @EventLoop
    func fill() {
        let near = Self.make()
        Self.endFill(near, Self.beginFill(near))
        #expect(Self.found(near) == "1")
        #expect(near.count == 1)
    }

    @Test("what a read brings is not kept where the key changed on the way, and that of another key is")
    @EventLoop
    func crossing() {
        let near = Self.make()
        let crossed = Self.beginFill(near)
        let other = Self.beginFill(near, Self.other)
        Self.key.withByteView { near.forget($0) }
        Self.endFill(near, crossed)
        Self.endFill(near, other, "2")
        #expect(Self.found(near) == nil)
        #expect(Self.found(near, Self.other) == "2")
    }

    @EventLoop
    private static func beginFill(_ near: NearCache, _ key: [UInt8]) -> Int { beginFill(near, life: -1, key) }

    @Test("what a read brings is not kept where everything changed on the way, or tracking was lost")
    @EventLoop
    func loss() {
        let near = Self.make()
        let first = Self.beginFill(near)
        near.forgetEverything()
        Self.endFill(near, first)
        #expect(Self.found(near) == nil)
        let second = Self.beginFill(near)
        near.stop()
        Self.endFill(near, second)
        #expect(Self.found(near) == nil)
        let third = Self.beginFill(near)
        near.begin()
        near.stop()
        near.begin()
        Self.endFill(near, third)
        #expect(Self.found(near) == nil)
    }

    @Test("what was asked for before changes were told is not kept when they are")
    @EventLoop
    func beginning() {
        let near = NearCache(bytesMax: 1 << 20, keyspace: Keyspace(prefix: [], keyBytesMax: 1024))
        let early = Self.beginFill(near)
        near.begin()
        Self.endFill(near, early)
        #expect(Self.found(near) == nil)
        near.stop()
        let between = Self.beginFill(near)
        near.begin()
        Self.endFill(near, between)
        #expect(Self.found(near) == nil)
        Self.endFill(near, Self.beginFill(near))
        #expect(Self.found(near) == "1")
    }

    @Test("a write drops the copy when it is sent, and until its end nothing of the key is kept")
    @EventLoop
    func write() {
        let near = Self.make()
        Self.endFill(near, Self.beginFill(near))
        let early = Self.beginFill(near)
        let write = Self.key.withByteView { near.beginWrite($0) }
        #expect(Self.found(near) == nil)
        Self.endFill(near, early)
        #expect(Self.found(near) == nil)
        let late = Self.beginFill(near)
        near.endWrite(write)
        Self.endFill(near, late)
        #expect(Self.found(near) == nil)
        Self.endFill(near, Self.beginFill(near), "2")
        #expect(Self.found(near) == "2")
    }

    @Test("a write of several entries holds for each of them, and for none after its end")
    @EventLoop
    func writes() {
        let near = Self.make()
        for key in [Self.key, Self.other] { Self.endFill(near, Self.beginFill(near, key)) }
        let list = near.beginWrites()
        for key in [Self.key, Self.other] { key.withByteView { _ = near.addWrite($0, to: list) } }
        for key in [Self.key, Self.other] {
            #expect(Self.found(near, key) == nil)
            Self.endFill(near, Self.beginFill(near, key))
            #expect(Self.found(near, key) == nil)
        }
        near.endWrites(list)
        for key in [Self.key, Self.other] {
            Self.endFill(near, Self.beginFill(near, key))
            #expect(Self.found(near, key) == "1")
        }
    }

    @Test("a write from before copies were wanted keeps everything out until its end, and what is being read then")
    @EventLoop
    func unwanted() {
        let near = Self.make()
        near.setWanted(false)
        let write = Self.key.withByteView { near.beginWrite($0) }
        let list = near.beginWrites()
        Self.other.withByteView { _ = near.addWrite($0, to: list) }
        #expect(!write.isNoted)
        near.setWanted(true)
        Self.endFill(near, Self.beginFill(near))
        #expect(Self.found(near) == nil)
        let early = Self.beginFill(near)
        near.endWrite(write)
        Self.endFill(near, early)
        #expect(Self.found(near) == nil)
        Self.endFill(near, Self.beginFill(near))
        #expect(Self.found(near) == nil)
        near.endWrites(list)
        Self.endFill(near, Self.beginFill(near))
        #expect(Self.found(near) == "1")
        let noted = Self.key.withByteView { near.beginWrite($0) }
        #expect(noted.isNoted && Self.found(near) == nil)
        near.setWanted(false)
        near.endWrite(noted)
        near.setWanted(true)
        Self.endFill(near, Self.beginFill(near))
        #expect(Self.found(near) == "1")
    }

    @Test("a value whose life is not known, or over, is not kept; a late word of it counts for no other read")
    @EventLoop
    func life() {
        let near = Self.make()
        let unknown = Self.beginFill(near, life: nil)
        let generation = near.fill(unknown).generation
        Self.endFill(near, unknown)
        #expect(Self.found(near) == nil)
        let next = Self.beginFill(near, life: nil)
        #expect(next == unknown)
        near.setLife(60_000, of: next, generation: generation)
        Self.endFill(near, next)
        #expect(Self.found(near) == nil)
        Self.endFill(near, Self.beginFill(near, life: 0))
        #expect(Self.found(near) == nil)
        let fill = Self.beginFill(near, life: 60_000)
        Self.endFill(near, fill)
        let expiry = Self.key.withByteView { near.find($0, near.hash($0))?.expiry }
        let left = expiry?.milliseconds(since: .now) ?? 0
        #expect(left > 50_000 && left <= 60_000)
    }

    @Test("names that match go, page by page, and the others stay")
    @EventLoop
    func sweep() {
        let near = Self.make()
        for number in 0..<3000 { Self.endFill(near, Self.beginFill(near, Array("cache:\(number)".utf8))) }
        var page: Int? = 0
        var steps = 0
        while let start = page {
            steps += 1
            page = near.forget(from: start) { Glob.matches(ByteView("cache:1*"), $0) }
        }
        #expect(steps >= 1)
        #expect(Self.found(near, Array("cache:1".utf8)) == nil)
        #expect(Self.found(near, Array("cache:1999".utf8)) == nil)
        #expect(Self.found(near, Array("cache:2".utf8)) == "1")
        #expect(near.count == 3000 - 1111)
    }
}
