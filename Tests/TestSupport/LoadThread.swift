import Glibc
import Linux
import Synchronization

/// What the threads of a load and the test share.
final class LoadControl: Sendable {
    /// Whether no call is begun any more.
    let isStopping = Atomic(false)
    /// Results so far, of calls that went well.
    let results = Atomic(0)
    /// While a test waits for a success: the moment, in nanoseconds, from which on a call must have been sent.
    let awaitedSince = Atomic<Int64>(.max)
    /// When the first such call succeeded; 0 before.
    let succeeded = Atomic<Int64>(0)
}

/// One thread of a load, which serves its share of the connections.
final class LoadThread {
    private struct Pause {
        let due: Instant
        let connection: Int
        let slot: Int
    }

    private let plan: LoadPlan
    private let control: LoadControl
    private let sampled: Int32?
    private let epoll: Epoll
    private var connections: [LoadConnection] = []
    private var wantsWritable: [Bool] = []
    /// Slots that wait; each queue has one length of pause, so its front is due first.
    private var pauses: [[Pause]] = [[], []]
    private var heads = [0, 0]
    private var nextSample = Instant.now
    private var report = LoadReport()

    /// Time after the last deadline in which replies are still awaited.
    private static let grace = Duration.seconds(5)

    /// Connects to the agent.
    ///
    /// - Parameters:
    ///   - plan: What the load consists of.
    ///   - socketPath: Where the agent listens.
    ///   - indices: Numbers of this thread's connections.
    ///   - control: Shared with the other threads and the test.
    ///   - sampled: Process whose memory this thread looks at, nil for none.
    /// - Throws: `SystemError` where a connection cannot be made.
    init(
        plan: LoadPlan,
        socketPath: String,
        indices: [Int],
        control: LoadControl,
        sampled: Int32?
    ) throws {
        self.plan = plan
        self.control = control
        self.sampled = sampled
        epoll = try Epoll()
        for index in indices {
            let connection = LoadConnection(try Self.connect(socketPath), index: index, plan: plan)
            try epoll.add(connection.socket.number, token: UInt64(connections.count), .readable)
            connections.append(connection)
            wantsWritable.append(false)
        }
    }

    private static func connect(_ path: String) throws -> FileDescriptor {
        let deadline = Instant.now.advanced(by: .seconds(10))
        while true {
            do throws(SystemError) {
                return try Socket.connect(unixPath: path)
            } catch {
                guard error.code == EAGAIN, Instant.now < deadline else { throw error }
                usleep(500)
            }
        }
    }

    /// Keeps the load up until it is to stop, then waits for the replies that are due.
    ///
    /// - Returns: What this thread found out.
    func run() -> LoadReport {
        for index in connections.indices {
            for slot in 0..<plan.depth { connections[index].begin(slot, &report) }
            flush(index)
        }
        var end: Instant?
        while true {
            let isStopping = control.isStopping.load(ordering: .relaxed)
            if isStopping, end == nil { end = Instant.now.advanced(by: plan.deadline).advanced(by: Self.grace) }
            if let end, Instant.now >= end || waitingRequests == 0 { break }
            sample()
            serve()
            if !isStopping { resumePaused() }
        }
        for connection in connections { connection.end(&report) }
        return report
    }

    private var waitingRequests: Int {
        connections.reduce(0) { $0 + ($1.isClosed ? 0 : $1.waitingRequests) }
    }

    private func serve() {
        let before = Instant.now
        let count = epoll.wait(milliseconds: 1)
        report.stall = max(report.stall, .nanoseconds(Instant.now.nanoseconds(since: before)))
        for position in 0..<count {
            let (token, readiness) = epoll.event(position)
            let index = Int(token)
            if !readiness.isDisjoint(with: [.readable, .hungUp, .failed]) { receive(index) }
            flush(index)
        }
    }

    private func receive(_ index: Int) {
        let connection = connections[index]
        for call in connection.receive(&report) {
            if call.isRight { succeeded(call.sent) }
            if control.isStopping.load(ordering: .relaxed) { continue }
            if call.isRight, plan.pause == .zero {
                connection.begin(call.slot, &report)
            } else {
                let pause = call.isRight ? plan.pause : plan.pause + plan.pauseAfterError
                let due = Instant.now.advanced(by: pause)
                pauses[call.isRight ? 0 : 1].append(Pause(due: due, connection: index, slot: call.slot))
            }
        }
        if connection.isClosed { try? epoll.remove(connection.socket.number) }
    }

    private func succeeded(_ sent: Instant) {
        control.results.add(1, ordering: .relaxed)
        guard sent.nanoseconds > control.awaitedSince.load(ordering: .relaxed) else { return }
        _ = control.succeeded.compareExchange(expected: 0, desired: Instant.now.nanoseconds, ordering: .relaxed)
    }

    private func resumePaused() {
        let now = Instant.now
        for queue in pauses.indices {
            while heads[queue] < pauses[queue].count, pauses[queue][heads[queue]].due <= now {
                let pause = pauses[queue][heads[queue]]
                heads[queue] += 1
                connections[pause.connection].begin(pause.slot, &report)
                flush(pause.connection)
            }
            if heads[queue] > 10_000 || heads[queue] == pauses[queue].count {
                pauses[queue].removeFirst(heads[queue])
                heads[queue] = 0
            }
        }
    }

    private func flush(_ index: Int) {
        let connection = connections[index]
        connection.flush()
        guard !connection.isClosed, wantsWritable[index] != connection.hasOutput else { return }
        wantsWritable[index] = connection.hasOutput
        let wanted: Readiness = connection.hasOutput ? [.readable, .writable] : .readable
        try? epoll.modify(connection.socket.number, token: UInt64(index), wanted)
    }

    private func sample() {
        guard let sampled, Instant.now >= nextSample else { return }
        nextSample = Instant.now.advanced(by: .milliseconds(100))
        guard let bytes = try? ProcessTable.residentBytes(of: sampled),
            let wait = try? ProcessTable.processorWait(of: sampled)
        else { return }
        report.memory.append(LoadReport.MemorySample(instant: .now, bytes: bytes, processorWait: wait))
    }
}
