import Bytes
import Linux

/// Workers that each need one entry after the other from a slow source, with the agent's cache before it or without.
///
/// With the cache a worker asks the agent for the entry and for the lease to compute it. It takes a hit; with the lease
/// it asks the source and writes the entry; and while another one computes, its call waits for that one's value. The
/// source is not real: asking it takes a fixed time, however many ask.
public final class SourceRun {
    /// Longest that a worker may compute, and longest that others wait for it.
    private static let leaseMilliseconds = 60_000

    private let workload: Workload
    private let delay: Int64
    private let template: RequestTemplate
    private let epoll: Epoll
    private var keys: KeySequence
    private var workers: [SourceWorker] = []
    /// Workers that ask the source, in the order in which it will answer them: it takes equally long for all.
    private var computing: [(due: Int64, worker: SourceWorker)] = []
    private var firstComputing = 0
    private let usesCache: Bool
    private var result = LoadResult()
    private var end: Int64 = 0

    /// Connects.
    ///
    /// - Parameters:
    ///   - workload: Tells connections, which are the workers, keys, values, and how long to run; its warm-up does not
    ///     count, because a cache that is empty is part of the matter.
    ///   - delay: What the source takes for one entry.
    ///   - agent: The agent whose cache is used; nil for none.
    /// - Throws: ``LoadError`` where the agent cannot be reached.
    public init(_ workload: Workload, delay: Duration, agent: LoadTarget?) throws(LoadError) {
        self.workload = workload
        self.delay = delay.wholeNanoseconds
        usesCache = agent != nil
        template = RequestTemplate(leasing: Self.leaseMilliseconds, workload)
        keys = KeySequence(count: workload.keys, distribution: workload.distribution, seed: workload.seed)
        do throws(SystemError) { epoll = try Epoll() } catch { throw LoadError("epoll: \(error.reason)") }
        DescriptorLimit.raise()
        for token in 0..<workload.connections {
            let worker: SourceWorker
            if let agent {
                let socket = try LoadConnection.open(agent, [])
                do throws(SystemError) {
                    try epoll.add(socket.number, token: UInt64(token), .readable)
                } catch {
                    throw LoadError("epoll: \(error.reason)")
                }
                worker = SourceWorker(socket)
            } else {
                worker = SourceWorker(FileDescriptor(owning: -1))
            }
            workers.append(worker)
        }
    }

    /// Runs the workers.
    ///
    /// - Returns: What was counted: a call is one entry that a worker got, however it got it.
    /// - Throws: ``LoadError`` where a connection is lost or the agent refuses.
    public func run() throws(LoadError) -> LoadResult {
        TimerSlack.minimize()
        let begin = Instant.now
        end = begin.advanced(by: workload.duration).nanoseconds
        for worker in workers { try next(worker) }
        while true {
            var now = Instant.now.nanoseconds
            while firstComputing < computing.count, computing[firstComputing].due <= now {
                let worker = computing[firstComputing].worker
                firstComputing += 1
                try computed(worker)
            }
            forgetComputed()
            now = Instant.now.nanoseconds
            guard now < end else { break }
            let due = firstComputing < computing.count ? computing[firstComputing].due : end
            let count = epoll.wait(nanoseconds: max(0, min(due, end) - now))
            for index in 0..<count {
                let worker = workers[Int(epoll.event(index).token)]
                if let reply = try worker.receive() { try take(reply, worker) }
            }
        }
        result.nanoseconds = Instant.now.nanoseconds(since: begin)
        return result
    }

    private func forgetComputed() {
        guard firstComputing > 1024, firstComputing * 2 > computing.count else { return }
        computing.removeFirst(firstComputing)
        firstComputing = 0
    }

    /// A worker needs its next entry.
    private func next(_ worker: SourceWorker) throws(LoadError) {
        worker.begun = Instant.now.nanoseconds
        worker.key = keys.next()
        guard usesCache else { return compute(worker, lease: nil) }
        var key = KeySequence(only: worker.key)
        worker.isWriting = false
        template.append(to: &worker.output, slot: 0, keys: &key)
        try worker.flush()
    }

    private func compute(_ worker: SourceWorker, lease: String?) {
        worker.lease = lease
        computing.append((Instant.now.nanoseconds + delay, worker))
    }

    /// The source has answered a worker, who shares what it got.
    private func computed(_ worker: SourceWorker) throws(LoadError) {
        result.sourceCalls += 1
        guard usesCache else { return try got(worker) }
        worker.isWriting = true
        let digits = String(worker.key)
        let key = workload.keyPrefix + String(repeating: "0", count: 8 - digits.utf8.count) + digits
        let lease = worker.lease.map { #","lease":"\#($0)""# } ?? ""
        let params = #"{"key":"\#(key)","value":\#(workload.value),"ttl_ms":\#(workload.lifeMilliseconds)\#(lease)}"#
        worker.output.append(text: #"{"jsonrpc":"2.0","id":1000,"method":"cache.set","params":\#(params)}"# + "\n")
        try worker.flush()
    }

    private func take(_ reply: SourceWorker.Reply, _ worker: SourceWorker) throws(LoadError) {
        switch reply {
        case .refused(let words):
            // A lease that another one's write ended is no fault: the entry is there.
            guard worker.isWriting, words.contains("lease_void") else {
                throw LoadError("the agent refuses: \(words)")
            }
            try got(worker)
        case .hit:
            if !worker.isWriting { result.hit() }
            try got(worker)
        case .missed(let lease):
            guard !worker.isWriting else { return try got(worker) }
            compute(worker, lease: lease)
        }
    }

    private func got(_ worker: SourceWorker) throws(LoadError) {
        result.got(after: Instant.now.nanoseconds - worker.begun)
        try next(worker)
    }
}

extension LoadResult {
    fileprivate mutating func hit() { hits += 1 }

    fileprivate mutating func got(after nanoseconds: Int64) {
        calls += 1
        latency.record(nanoseconds)
    }
}
