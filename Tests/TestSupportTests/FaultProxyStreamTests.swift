import Linux
import Testing

@testable import TestSupport

struct FaultProxyStreamTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    /// What goes on until nothing is held, in pieces, with the milliseconds since the start.
    private func drain(
        _ stream: inout FaultProxyStream,
        _ faults: FaultProxy.Faults
    ) -> [(at: Int64, bytes: [UInt8])] {
        var pieces: [(at: Int64, bytes: [UInt8])] = []
        var now = start
        while let next = stream.nextInstant {
            now = max(now, next)
            let bytes = Array(stream.sendable(at: now, faults))
            pieces.append((now.milliseconds(since: start), bytes))
            stream.sent(bytes.count, at: now, faults)
        }
        return pieces
    }

    @Test("bytes go on as they came")
    func passes() {
        var stream = FaultProxyStream()
        stream.take([1, 2, 3], due: start)
        stream.take([4], due: start)
        let pieces = drain(&stream, .none)
        #expect(pieces.map(\.bytes) == [[1, 2, 3], [4]])
        #expect(stream.heldBytes == 0)
    }

    @Test("nothing goes on before it is due, and nothing overtakes")
    func delays() {
        var stream = FaultProxyStream()
        stream.take([1], due: start.advanced(milliseconds: 30))
        stream.take([2], due: start.advanced(milliseconds: 10))
        #expect(stream.sendable(at: start.advanced(milliseconds: 29), .none).isEmpty)
        #expect(drain(&stream, .none).map(\.at) == [30, 30])
    }

    @Test("slices have at most the bytes said")
    func slices() {
        var stream = FaultProxyStream()
        stream.take([1, 2, 3, 4, 5], due: start)
        #expect(drain(&stream, .slices(ofBytes: 2)).map(\.bytes) == [[1, 2], [3, 4], [5]])
    }

    @Test("a bandwidth spreads the bytes over the time that they take")
    func bandwidth() {
        var stream = FaultProxyStream()
        stream.take([UInt8](repeating: 7, count: 1000), due: start)
        let pieces = drain(&stream, .bandwidth(bytesPerSecond: 1000))
        #expect(pieces.allSatisfy { $0.bytes.count <= 10 })
        #expect(pieces.last?.at == 990)
    }

    @Test("of what lies behind the offset of a reset nothing goes on", arguments: 0...5)
    func reset(_ offset: Int) {
        var stream = FaultProxyStream()
        stream.bytesUntilReset = offset
        #expect(!stream.isResetDue && stream.hasRoom)
        stream.take([1, 2], due: start)
        stream.take([3, 4, 5], due: start)
        #expect(stream.heldBytes == offset)
        #expect(stream.isResetDue == (offset == 0))
        #expect(drain(&stream, .none).flatMap(\.bytes) == Array([1, 2, 3, 4, 5].prefix(offset)))
        #expect(stream.isResetDue)
        #expect(!stream.hasRoom)
    }
}
