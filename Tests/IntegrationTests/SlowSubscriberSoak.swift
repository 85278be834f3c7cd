import Bytes
import JSON
import Linux
import TestSupport
import Testing

/// The long form of ``SlowConsumerTests``: one subscriber that does not read beside 99 that do, at a thousand messages a
/// second.
@Suite(.enabled(if: Soak.isEnabled))
struct SlowSubscriberSoak {
    private static let payload = String(repeating: "x", count: 180)
    private static let rate = 1000

    /// What the fast subscribers and the agent made of a phase.
    private struct Phase: Sendable {
        var delays: [Int64] = []
        var residentBytes: Int64 = 0
        var slowConsumers: Int64 = 0
        var dropped: Int64 = 0

        /// The delay in microseconds that a part of all deliveries did not exceed.
        func percentile(_ part: Double) -> Int64 {
            guard !delays.isEmpty else { return -1 }
            return delays.sorted()[min(Int(Double(delays.count) * part), delays.count - 1)] / 1000
        }
    }

    /// Connections of subscribers, read in turn by one thread.
    private final class Readers {
        private let connections: [Int32]
        private var buffers: [[UInt8]]
        private(set) var counts: [Int]
        private(set) var delays: [Int64] = []

        /// Subscribes as many, each on its own connection.
        init(_ path: String, _ count: Int) throws {
            let subscribe = #"{"jsonrpc":"2.0","id":1,"method":"channel.subscribe","params":{"channel":"news"}}"# + "\n"
            connections = try (0..<count).map { _ in
                let socket = try Socket.connect(unixPath: path)
                _ = subscribe.withByteView { socket.write($0) }
                return socket.release()
            }
            buffers = Array(repeating: [], count: count)
            counts = Array(repeating: 0, count: count)
        }

        deinit {
            for connection in connections { _ = FileDescriptor(owning: connection) }
        }

        /// Reads until each has got the answer to its subscription and as many messages, in order.
        func read(_ messages: Int, until end: Instant) throws {
            var waiting = connections.map { Polling($0, .readable) }
            while counts.contains(where: { $0 <= messages }) {
                guard Polling.wait(&waiting, until: end) else { throw FixtureError("messages are missing: \(counts)") }
                for index in waiting.indices where !waiting[index].ready.isEmpty { try take(index) }
            }
        }

        private func take(_ index: Int) throws {
            let descriptor = FileDescriptor(owning: connections[index])
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let transfer = unsafe chunk.withUnsafeMutableBufferPointer { memory in
                guard let base = memory.baseAddress else { return Transfer.end }
                return unsafe descriptor.read(into: base, count: memory.count)
            }
            _ = descriptor.release()
            guard case .bytes(let count) = transfer else { throw FixtureError("a fast subscriber lost its connection") }
            let now = Instant.now.nanoseconds
            buffers[index] += chunk.prefix(count)
            var start = 0
            try buffers[index].withByteView { (bytes) throws in
                while let end = bytes.firstIndex(of: 0x0A, from: start) {
                    try take(bytes[start..<end], index, now)
                    start = end + 1
                }
            }
            buffers[index].removeFirst(start)
        }

        private func take(_ line: ByteView, _ index: Int, _ now: Int64) throws {
            defer { counts[index] += 1 }
            guard counts[index] > 0 else { return }
            // …"message":[<when it was sent>,"…"],"sequence":<number>}}
            guard line.count > 100, let open = line.firstIndex(of: UInt8(ascii: "["), from: 80),
                let comma = line.firstIndex(of: UInt8(ascii: ","), from: open),
                let sent = line[(open + 1)..<comma].integer
            else { throw FixtureError("\(line.text()) is no message") }
            let isNext = line.text().hasSuffix("\"sequence\":\(counts[index])}}")
            guard isNext else { throw FixtureError("not message \(counts[index]): \(line.text().suffix(40))") }
            delays.append(now - sent)
        }
    }

    /// Publishes for a while past 99 subscribers, and one that does not read where `stuck` says how it subscribes.
    private func phase(
        _ server: ValkeyServer,
        _ agent: Daemon,
        _ seconds: Int,
        stuck policy: String?
    ) async throws -> Phase {
        let path = agent.socketPath
        let messages = seconds * Self.rate
        let stuck = try await onThread {
            try policy.map { policy in
                let client = ChannelFaultTests.Held(try ChannelClient(path))
                _ = try client.value.subscribe(#"{"channel":"news","overflow":"\#(policy)"}"#)
                return client
            }
        }
        let halves = [50, 49]
        async let delays = withThrowingTaskGroup(of: [Int64].self) { group in
            for count in halves {
                group.addTask {
                    try await onThread {
                        let readers = try Readers(path, count)
                        try readers.read(messages, until: .now.advanced(by: .seconds(seconds + 120)))
                        return readers.delays
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let before = try await agent.channelStatistics()
        try await waitUntil("all are subscribed") {
            try await agent.channelStatistics()["subscriptions"] == Int64(halves.reduce(policy == nil ? 0 : 1, +))
        }
        try await onThread {
            let publisher = try server.connect()
            let start = Instant.now
            for number in 0..<messages {
                Polling.sleep(until: start.advanced(nanoseconds: Int64(number) * 1_000_000_000 / Int64(Self.rate)))
                try publisher.command("PUBLISH", "news", "[\(Instant.now.nanoseconds),\"\(Self.payload)\"]")
            }
        }
        var phase = Phase()
        phase.delays = try await delays
        let after = try await agent.channelStatistics()
        phase.slowConsumers = (after["slow_consumers"] ?? 0) - (before["slow_consumers"] ?? 0)
        phase.dropped = (after["dropped"] ?? 0) - (before["dropped"] ?? 0)
        phase.residentBytes = after["resident_bytes"] ?? 0
        _ = stuck
        return phase
    }

    @Test("one that does not read is cut off or loses its oldest, and costs the others and the agent nothing")
    func stuck() async throws {
        let seconds = Int(Soak.duration(.seconds(60)).components.seconds)
        try await withAgents { server, agents in
            for policy in [nil, "disconnect", "drop_oldest"] {
                let phase = try await phase(server, agents[0], seconds, stuck: policy)
                File.writeToStandardError(
                    "SlowSubscriberSoak: \(policy ?? "none is stuck"): \(phase.delays.count) deliveries, p50 "
                        + "\(phase.percentile(0.5)) us, p99 \(phase.percentile(0.99)) us, \(phase.slowConsumers) cut off, "
                        + "\(phase.dropped) dropped, \(phase.residentBytes >> 10) KiB resident\n"
                )
                #expect(phase.delays.count == 99 * seconds * Self.rate)
                #expect(phase.slowConsumers == (policy == "disconnect" ? 1 : 0))
                #expect((phase.dropped > 0) == (policy != nil))
                #expect(phase.residentBytes < 64 << 20)
                // Those of the phase before are gone before the next begins.
                try await waitUntil("nobody is subscribed") {
                    try await agents[0].channelStatistics()["subscriptions"] == 0
                }
            }
        }
    }
}

extension Daemon {
    /// What the agent counted of channels, and how much memory it takes.
    fileprivate func channelStatistics() async throws -> [String: Int64] {
        let stats = try await call("agent.stats")?.object
        var numbers: [String: Int64] = [:]
        for member in stats?["channels"]?.object ?? DocumentObject() { numbers[member.name] = member.value.integer }
        numbers["resident_bytes"] = stats?["process"]?.object?["resident_bytes"]?.integer
        return numbers
    }
}
