import Bytes
import TestSupport
import Testing

/// The bytes that `fill` leaves in an empty buffer.
func writtenBytes(_ fill: (inout ByteBuffer) -> Void) -> [UInt8] {
    var buffer = ByteBuffer()
    fill(&buffer)
    return buffer.view.copy()
}

/// The text that `fill` leaves in an empty buffer.
func writtenText(_ fill: (inout ByteBuffer) -> Void) -> String {
    String(decoding: writtenBytes(fill), as: UTF8.self)
}

@Suite("A byte buffer")
struct ByteBufferTests {
    @Test("holds nothing and no memory at first")
    func empty() {
        let buffer = ByteBuffer()
        let (count, isEmpty, capacity, copy) = (buffer.count, buffer.isEmpty, buffer.capacity, buffer.view.copy())
        #expect(count == 0)
        #expect(isEmpty)
        #expect(capacity == 0)
        #expect(copy.isEmpty)
    }

    @Test("takes empty appends, cuts and consumption while it has no memory")
    func nothing() {
        let result = writtenBytes { buffer in
            buffer.append(ByteView.empty)
            buffer.append("")
            buffer.append([])
            buffer.append(text: "")
            buffer.remove(0..<0)
            buffer.truncate(to: 0)
            buffer.consume(0)
            buffer.removeAll()
            buffer.reserve(0)
        }
        #expect(result.isEmpty)
    }

    @Test("takes bytes, views, literals, arrays and text alike")
    func appends() {
        let result = writtenText { buffer in
            buffer.append(UInt8(ascii: "a"))
            buffer.append("bc")
            buffer.append(Array("dé".utf8))
            buffer.append(text: "f😀")
            "gh".withByteView { buffer.append($0) }
        }
        #expect(result == "abcdéf😀gh")
    }

    @Test(
        "writes integers in decimal",
        arguments: [
            (0, "0"), (1, "1"), (-1, "-1"), (9, "9"), (10, "10"), (-10, "-10"), (99, "99"), (100, "100"),
            (999_999_999_999_999_999, "999999999999999999"), (1_000_000_000_000_000_000, "1000000000000000000"),
            (.max, "9223372036854775807"), (.min, "-9223372036854775808"), (.min + 1, "-9223372036854775807"),
        ] as [(Int64, String)]
    )
    func decimals(value: Int64, expected: String) {
        #expect(writtenText { $0.append(decimal: value) } == expected)
        #expect(writtenText { $0.append(decimal: Int(value)) } == expected)
    }

    @Test("writes every power of ten of 64 bits, and its neighbours, as Swift does")
    func powersOfTen() {
        var power: UInt64 = 1
        for exponent in 0..<20 {
            for value in [power - 1, power, power + 1] {
                #expect(writtenText { $0.append(decimal: value) } == String(value), "10^\(exponent)")
            }
            if exponent < 19 { power *= 10 }
        }
        #expect(writtenText { $0.append(decimal: UInt64.max) } == "18446744073709551615")
    }

    @Test("writes small numbers, and numbers of every digit in every place, as Swift does")
    func manyDecimals() {
        for value in UInt64(0)..<12_000 {
            #expect(writtenText { $0.append(decimal: value) } == String(value))
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<5000 {
            let value = random.next() >> UInt64.random(in: 0..<64, using: &random)
            #expect(writtenText { $0.append(decimal: value) } == String(value))
        }
    }

    @Test("writes a decimal behind what it holds, wherever in its memory that lies")
    func decimalAtEveryOffset() {
        for held in 0..<70 {
            let result = writtenText { buffer in
                for _ in 0..<held { buffer.append(UInt8(ascii: "x")) }
                buffer.append(decimal: UInt64.max)
            }
            #expect(result == String(repeating: "x", count: held) + "18446744073709551615")
        }
    }

    @Test("lends free memory and keeps what was written there")
    func spareCapacity() {
        var buffer = ByteBuffer()
        buffer.append("ab")
        let written = unsafe buffer.withSpareCapacity(100) { memory, size in
            let isEnough = size >= 100
            unsafe memory[0] = isEnough ? UInt8(ascii: "c") : UInt8(ascii: "?")
            return 1
        }
        let result = buffer.view.text()
        #expect(written == 1)
        #expect(result == "abc")
    }

    @Test("frees its memory when emptied only where it is larger than asked")
    func removeAll() {
        var buffer = ByteBuffer()
        buffer.reserve(1000)
        let first = buffer.capacity
        buffer.removeAll(keepingCapacityUpTo: first)
        let kept = buffer.capacity
        buffer.removeAll(keepingCapacityUpTo: first - 1)
        let freed = buffer.capacity
        buffer.append("again")
        let result = buffer.view.text()
        #expect(first >= 1000)
        #expect(kept == first)
        #expect(freed == 0)
        #expect(result == "again")
    }

    @Test("has room for at least as much again after it moved what it holds, so that a long queue stays cheap")
    func growth() {
        var buffer = ByteBuffer()
        buffer.append([UInt8](repeating: 7, count: 64))
        buffer.consume(1)
        buffer.append(UInt8(8))
        let (capacity, count) = (buffer.capacity, buffer.count)
        #expect(capacity >= 2 * count)
    }

    @Test("does not grow where the same few bytes pass through it for long")
    func steadyQueue() {
        var buffer = ByteBuffer()
        for round in 0..<10_000 {
            buffer.append([UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 100))
            if round > 0 { buffer.consume(100) }
        }
        let (capacity, count) = (buffer.capacity, buffer.count)
        #expect(count == 100)
        #expect(capacity <= 512)
    }

    @Test("does what an array does, whatever is done to it", arguments: 0..<20 as Range<UInt64>)
    func model(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var buffer = ByteBuffer()
        var array: [UInt8] = []
        for step in 0..<2000 {
            change(&buffer, &array, &random)
            let (copy, count, capacity) = (buffer.view.copy(), buffer.count, buffer.capacity)
            guard copy == array, count == array.count, capacity >= count else {
                Issue.record("seed \(seed), step \(step): the buffer differs from the array")
                return
            }
        }
    }

    private func change(_ buffer: inout ByteBuffer, _ array: inout [UInt8], _ random: inout SeededGenerator) {
        let byte = UInt8.random(in: 0...255, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
            buffer.append(byte)
            array.append(byte)
        case 1, 2:
            let more = [UInt8](repeating: byte, count: Int.random(in: 0...200, using: &random))
            buffer.append(more)
            array += more
        case 3, 4:
            let count = Int.random(in: 0...array.count, using: &random)
            buffer.consume(count)
            array.removeFirst(count)
        case 5:
            let count = Int.random(in: array.count / 2...array.count, using: &random)
            buffer.truncate(to: count)
            array.removeLast(array.count - count)
        case 6:
            let lower = Int.random(in: 0...array.count, using: &random)
            let upper = Int.random(in: lower...array.count, using: &random)
            buffer.remove(lower..<upper)
            array.removeSubrange(lower..<upper)
        case 7:
            guard let index = array.indices.randomElement(using: &random) else { return }
            buffer.replace(at: index, with: byte)
            array[index] = byte
        case 8:
            let value = Int64(bitPattern: random.next()) >> Int64.random(in: 0..<64, using: &random)
            buffer.append(decimal: value)
            array += Array(String(value).utf8)
        default:
            buffer.reserve(Int.random(in: 0...300, using: &random))
            guard Int.random(in: 0..<20, using: &random) == 0 else { return }
            buffer.removeAll(keepingCapacityUpTo: Int.random(in: 0...1000, using: &random))
            array = []
        }
    }
}
