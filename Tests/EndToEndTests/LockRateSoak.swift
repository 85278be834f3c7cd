import Bytes
import Linux
import TestSupport
import Testing

/// How many uncontended pairs of acquisition and release an agent makes, beside as many pairs of plain commands.
@Suite(.enabled(if: Soak.isEnabled), .serialized)
struct LockRateSoak {
    @Test("at least half as many as pairs of plain commands", arguments: [1, 50])
    func rate(connections: Int) async throws {
        try await withAgent { agent in
            let length = Soak.duration(.seconds(4))
            var ratios: [Double] = []
            for round in 0..<3 {
                let plain = try PairDriver(agent.daemon.socketPath, connections, .plain).run(for: length)
                let locks = try PairDriver(agent.daemon.socketPath, connections, .locks).run(for: length)
                ratios.append(locks / plain)
                print("LockRateSoak: \(connections) × 1, round \(round): \(Int(locks)) locks/s, \(Int(plain)) plain/s")
            }
            print("LockRateSoak: \(connections) × 1: ratio \(ratios.sorted()[1])")
        }
    }
}

/// Makes pairs of calls over many connections, one call under way on each.
private final class PairDriver {
    enum Kind {
        /// `lock.acquire`, then `lock.release`.
        case locks
        /// `cache.set`, then `cache.delete`.
        case plain
    }

    private let kind: Kind
    private var connections: [Int32] = []
    private var input: [[UInt8]] = []
    private var isSecond: [Bool] = []
    private let epoll: Epoll
    private var pairs = 0

    init(_ path: String, _ count: Int, _ kind: Kind) throws {
        self.kind = kind
        epoll = try Epoll()
        for index in 0..<count {
            let number = try Socket.connect(unixPath: path).release()
            connections.append(number)
            input.append([])
            isSecond.append(false)
            try epoll.add(number, token: UInt64(index), .readable)
        }
    }

    deinit {
        for number in connections { _ = FileDescriptor(owning: number) }
    }

    /// Pairs a second.
    func run(for length: Duration) throws -> Double {
        let start = Instant.now
        for index in connections.indices { try send(first(index), index) }
        while Instant.now < start.advanced(by: length) {
            for event in 0..<epoll.wait(milliseconds: 100) { try receive(Int(epoll.event(event).token)) }
        }
        return Double(pairs) * 1e9 / Double(Instant.now.nanoseconds(since: start))
    }

    private func first(_ index: Int) -> String {
        switch kind {
        case .locks: #"{"jsonrpc":"2.0","id":1,"method":"lock.acquire","params":{"name":"n\#(index)"}}"#
        case .plain: #"{"jsonrpc":"2.0","id":1,"method":"cache.set","params":{"key":"n\#(index)","value":1}}"#
        }
    }

    private func second(_ index: Int, _ reply: [UInt8]) throws -> String {
        guard kind == .locks else {
            return #"{"jsonrpc":"2.0","id":2,"method":"cache.delete","params":{"key":"n\#(index)"}}"#
        }
        let text = String(decoding: reply, as: UTF8.self)
        guard let start = text.firstRange(of: #""lease":""#)?.upperBound else { throw FixtureError(text) }
        let lease = text[start...].prefix { $0 != "\"" }
        return #"{"jsonrpc":"2.0","id":2,"method":"lock.release","params":{"lease":"\#(lease)"}}"#
    }

    private func receive(_ index: Int) throws {
        let descriptor = FileDescriptor(owning: connections[index])
        var chunk = [UInt8](repeating: 0, count: 4096)
        let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
            guard let base = memory.baseAddress else { return Transfer.end }
            return unsafe descriptor.read(into: base, count: memory.count)
        }
        _ = descriptor.release()
        guard case .bytes(let count) = transfer else { return }
        input[index] += chunk.prefix(count)
        guard input[index].last == UInt8(ascii: "\n") else { return }
        let reply = input[index]
        input[index] = []
        if isSecond[index] {
            pairs += 1
            isSecond[index] = false
            try send(first(index), index)
        } else {
            isSecond[index] = true
            try send(second(index, reply), index)
        }
    }

    private func send(_ text: String, _ index: Int) throws {
        let descriptor = FileDescriptor(owning: connections[index])
        let line = Array("\(text)\n".utf8)
        let transfer = line.withByteView { descriptor.write($0) }
        _ = descriptor.release()
        guard case .bytes(line.count) = transfer else { throw FixtureError("the agent takes nothing") }
    }
}
