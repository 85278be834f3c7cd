import Bytes
import Glibc
import Linux

/// A load on one server: connections, and one thread that serves them all.
///
/// Without a rate each connection keeps its pipeline full. With one, calls are due at even distances whatever becomes
/// of those before, and a call's time counts from when it was due: a server that stands still for a moment is charged
/// for all the calls that it would have delayed, not for the one that happened to be under way (coordinated omission).
public final class LoadRun {
    /// How long replies are awaited when the load has ended.
    private static let drainLimit = Duration.seconds(5)
    private let target: LoadTarget
    private let workload: Workload
    private let epoll: Epoll
    private var connections: [LoadConnection] = []
    private var idle: [LoadConnection] = []
    private let memory = ReadMemory()
    private let cycle: [Workload.Operation]
    private let templates: [RequestTemplate]
    private var keys: KeySequence
    private var position = 0
    private var result = LoadResult()
    private var answered: [Int]
    private var isCounting = false
    /// Number of calls of the schedule that have become due.
    private var scheduled = 0

    /// Connects.
    ///
    /// - Parameters:
    ///   - workload: What the load consists of.
    ///   - target: The server.
    /// - Throws: ``LoadError`` where the server cannot be reached.
    public init(_ workload: Workload, on target: LoadTarget) throws(LoadError) {
        self.target = target
        self.workload = workload
        cycle = workload.cycle
        templates = Workload.Operation.allCases.map { RequestTemplate($0, workload, target.language) }
        answered = [Int](repeating: 0, count: templates.count)
        keys = KeySequence(count: workload.keys, distribution: workload.distribution, seed: workload.seed)
        DescriptorLimit.raise()
        let addresses = try target.addresses()
        do throws(SystemError) { epoll = try Epoll() } catch { throw LoadError("epoll: \(error.reason)") }
        for token in 0..<workload.connections {
            let connection = try LoadConnection(to: target, addresses, pipeline: workload.pipeline, token: token)
            do throws(SystemError) {
                try epoll.add(connection.socket.number, token: UInt64(token), .readable)
            } catch {
                throw LoadError("epoll: \(error.reason)")
            }
            connections.append(connection)
        }
        for token in 0..<workload.idleConnections {
            idle.append(try LoadConnection(to: target, addresses, pipeline: 1, token: token))
        }
    }

    /// Runs the load: first the warm-up, then the time that is counted.
    ///
    /// - Returns: What was counted.
    /// - Throws: ``LoadError`` where a connection is lost, or the server no longer answers.
    public func run() throws(LoadError) -> LoadResult {
        let begin = Instant.now
        let counted = begin.advanced(by: workload.warmUp)
        TimerSlack.minimize()
        isCounting = false
        if workload.rate == nil {
            for connection in connections { try fill(connection) }
        }
        try loop(begin, until: counted)
        result = LoadResult()
        for index in answered.indices { answered[index] = 0 }
        let computed = ProcessorTime.used
        let from = Instant.now
        // Calls on schedule are due whenever the warm-up ended; else the time is whole however late that was.
        let end = (workload.rate == nil ? from : counted).advanced(by: workload.duration)
        isCounting = true
        try loop(begin, until: end)
        result.nanoseconds = Instant.now.nanoseconds(since: from)
        result.processorNanoseconds = ProcessorTime.used - computed
        result.behind = connections.reduce(0) { $0 + $1.owed }
        // Calls on schedule were due before the end, however late their replies come.
        isCounting = workload.rate != nil
        try drain()
        isCounting = false
        for (index, operation) in Workload.Operation.allCases.enumerated() where answered[index] > 0 {
            result.callsByOperation[operation] = answered[index]
        }
        result.refusal = connections.lazy.compactMap(\.refusal).first
        return result
    }

    /// Calls an operation once for each key, in their order.
    ///
    /// - Parameters:
    ///   - operation: One that takes a key.
    ///   - workload: Tells the keys.
    ///   - target: The server.
    /// - Returns: What was counted.
    /// - Throws: ``LoadError`` where the server cannot be reached or refuses.
    @discardableResult
    public static func sweep(
        _ operation: Workload.Operation,
        _ workload: Workload,
        on target: LoadTarget
    ) throws(LoadError) -> LoadResult {
        var sweep = workload
        sweep.mix = [Workload.Share(operation, weight: 1)]
        sweep.distribution = .sequential
        sweep.connections = 1
        sweep.idleConnections = 0
        sweep.pipeline = min(64, workload.keys)
        sweep.rate = nil
        return try LoadRun(sweep, on: target).sweep()
    }

    private func sweep() throws(LoadError) -> LoadResult {
        let connection = connections[0]
        let begin = Instant.now
        isCounting = true
        for _ in 0..<workload.keys {
            while !connection.hasRoom {
                try send(connection)
                try serve(nanoseconds: 10_000_000, isFilling: false)
            }
            start(connection, at: Instant.now.nanoseconds)
        }
        try send(connection)
        try drain()
        result.nanoseconds = Instant.now.nanoseconds(since: begin)
        if let refusal = connection.refusal { throw LoadError("\(target.name) refuses: \(refusal)") }
        return result
    }

    /// One loop until a moment.
    private func loop(_ begin: Instant, until end: Instant) throws(LoadError) {
        if let rate = workload.rate {
            try loop(begin, until: end, interval: 1e9 / rate)
        } else {
            while Instant.now < end {
                try serve(nanoseconds: max(0, end.nanoseconds(since: .now)), isFilling: true)
            }
        }
    }

    /// Begins calls as they become due, the calls of the schedule taking the connections in turn.
    private func loop(_ begin: Instant, until end: Instant, interval: Double) throws(LoadError) {
        var now = Instant.now
        while now < end {
            let due = Int(Double(now.nanoseconds(since: begin)) / interval) + 1
            while scheduled < due {
                let connection = connections[scheduled % connections.count]
                connection.owed += 1
                scheduled += 1
            }
            for connection in connections where connection.owed > 0 {
                try beginOwed(connection, begin, interval)
            }
            let next = begin.advanced(nanoseconds: Int64(Double(scheduled) * interval))
            let wait = min(next, end).nanoseconds(since: .now)
            try serve(nanoseconds: max(0, wait), isFilling: false)
            now = Instant.now
        }
    }

    private func beginOwed(_ connection: LoadConnection, _ begin: Instant, _ interval: Double) throws(LoadError) {
        while connection.owed > 0, connection.hasRoom {
            let due = begin.nanoseconds + Int64(Double(connection.nextCall) * interval)
            start(connection, at: due)
            connection.nextCall += connections.count
            connection.owed -= 1
        }
        try send(connection)
    }

    /// Waits for replies at most so long, and handles what has come.
    private func serve(nanoseconds: Int64, isFilling: Bool) throws(LoadError) {
        let count = epoll.wait(nanoseconds: nanoseconds)
        for index in 0..<count {
            let event = epoll.event(index)
            let connection = connections[Int(event.token)]
            if event.readiness.contains(.writable) { try send(connection) }
            guard event.readiness != .writable else { continue }
            guard try receive(connection), isFilling else { continue }
            try fill(connection)
        }
    }

    private func receive(_ connection: LoadConnection) throws(LoadError) -> Bool {
        // Read once, not until nothing is left: epoll tells of the rest, and the others have their turn.
        var now: Int64 = 0
        return try connection.receive(memory) { answer in
            if now == 0 { now = Instant.now.nanoseconds }
            guard isCounting else { return }
            answered[answer.operation.index] += 1
            result.count(answer, at: now)
        }
    }

    private func fill(_ connection: LoadConnection) throws(LoadError) {
        let now = Instant.now.nanoseconds
        while connection.hasRoom { start(connection, at: now) }
        try send(connection)
    }

    private func start(_ connection: LoadConnection, at moment: Int64) {
        let operation = cycle[position]
        position = position + 1 == cycle.count ? 0 : position + 1
        connection.begin(operation, templates[operation.index], &keys, at: moment)
    }

    private func send(_ connection: LoadConnection) throws(LoadError) {
        try connection.flush()
        guard connection.hasOutput != connection.isWatchedForOutput else { return }
        connection.isWatchedForOutput = connection.hasOutput
        let wanted: Readiness = connection.hasOutput ? [.readable, .writable] : .readable
        do throws(SystemError) {
            try epoll.modify(connection.socket.number, token: UInt64(connection.token), wanted)
        } catch {
            throw LoadError("epoll: \(error.reason)")
        }
    }

    private func drain() throws(LoadError) {
        let limit = Instant.now.advanced(by: Self.drainLimit)
        while connections.contains(where: { $0.running > 0 }) {
            guard Instant.now < limit else {
                let running = connections.reduce(0) { $0 + $1.running }
                throw LoadError("\(running) calls were not answered within \(Self.drainLimit.wholeMilliseconds) ms")
            }
            try serve(nanoseconds: 10_000_000, isFilling: false)
        }
        for connection in connections { connection.owed = 0 }
    }
}

extension Workload.Operation {
    /// Its place among all operations.
    var index: Int {
        switch self {
        case .get: 0
        case .set: 1
        case .getMany: 2
        case .increment: 3
        case .delete: 4
        case .ping: 5
        }
    }
}
