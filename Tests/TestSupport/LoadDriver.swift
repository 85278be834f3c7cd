public import Linux
import Synchronization

/// A running load on an agent: many connections over few threads, each reply checked by its id and by its value.
public final class LoadDriver: Sendable {
    private let control = LoadControl()
    private let lock = ThreadLock()
    // Only touched inside the lock.
    nonisolated(unsafe) private var reports: [LoadReport] = []
    // Only touched by the one that starts and ends the load.
    nonisolated(unsafe) private var threads: [BackgroundThread] = []

    fileprivate init(_ plan: LoadPlan, on daemon: Daemon) throws {
        let count = min(plan.threads, plan.connections)
        for number in 0..<count {
            let indices = Array(stride(from: number, to: plan.connections, by: count))
            let thread = try LoadThread(
                plan: plan,
                socketPath: daemon.socketPath,
                indices: indices,
                control: control,
                sampled: number == 0 ? daemon.process.processID : nil
            )
            let box = Box(thread)
            unsafe threads.append(BackgroundThread { self.add(box.thread.run()) })
        }
    }

    // It is made by one thread and from then on only used by the one that it is given to.
    private final class Box: @unchecked Sendable {
        let thread: LoadThread

        init(_ thread: LoadThread) {
            self.thread = thread
        }
    }

    private func add(_ report: LoadReport) {
        lock.withLock { unsafe reports.append(report) }
    }

    /// Calls that went well so far.
    public var results: Int { control.results.load(ordering: .relaxed) }

    /// Waits until a call succeeds that was sent after a moment.
    ///
    /// - Parameters:
    ///   - moment: Only calls sent later count; at most one task waits at a time.
    ///   - limit: How long to wait.
    /// - Returns: When the call's reply came.
    /// - Throws: ``FixtureError`` where none succeeds in time.
    public func success(ofCallAfter moment: Instant, within limit: Duration) async throws -> Instant {
        await expectSuccess(ofCallAfter: moment)
        return try await expectedSuccess(within: limit)
    }

    /// Begins to look for a call that succeeds and was sent after `moment`.
    public func expectSuccess(ofCallAfter moment: Instant) async {
        control.awaitedSince.store(.max, ordering: .relaxed)
        control.succeeded.store(0, ordering: .relaxed)
        control.awaitedSince.store(moment.nanoseconds, ordering: .relaxed)
    }

    /// Waits for the success that ``expectSuccess(ofCallAfter:)`` began to look for.
    ///
    /// - Returns: When the call's reply came.
    /// - Throws: ``FixtureError`` where none succeeds within `limit`.
    public func expectedSuccess(within limit: Duration) async throws -> Instant {
        try await waitUntil("a call of the load succeeds", within: limit) {
            control.succeeded.load(ordering: .relaxed) != 0
        }
        return Instant(nanoseconds: control.succeeded.load(ordering: .relaxed))
    }

    fileprivate func stop() async -> LoadReport {
        control.isStopping.store(true, ordering: .relaxed)
        while lock.withLock({ unsafe reports.count < threads.count }) {
            // A cancelled task too waits for the threads, which end by themselves.
            await Task { try? await Task.sleep(for: .milliseconds(5)) }.value
        }
        for thread in unsafe threads { thread.join() }
        unsafe threads.removeAll()
        var report = LoadReport()
        for part in lock.withLock({ unsafe reports }) { report.merge(part) }
        return report
    }
}

/// Runs `body` while a load runs on `daemon`; when it returns, the replies that are due are awaited.
///
/// - Parameters:
///   - plan: What the load consists of.
///   - daemon: The agent, whose memory is watched too.
///   - body: Does what is to happen meanwhile.
/// - Returns: What the load found out.
/// - Throws: What `body` throws, after the load has ended and its report went to standard error; `SystemError` where a
///   connection cannot be made.
public func withLoad(
    _ plan: LoadPlan,
    on daemon: Daemon,
    _ body: (LoadDriver) async throws -> Void
) async throws -> LoadReport {
    for index in 0..<plan.sharedKeys {
        let (key, value) = LoadSlot.shared(index)
        let params = #"{"key":"\#(key)","value":\#(value),"ttl_ms":null}"#
        let reply = try await daemon.exchange(#"{"jsonrpc":"2.0","id":1,"method":"cache.set","params":\#(params)}"#)
        guard reply.contains(#""stored":true"#) else { throw FixtureError("a shared key is not stored: \(reply)") }
    }
    let driver = try LoadDriver(plan, on: daemon)
    do {
        try await body(driver)
    } catch {
        let report = await driver.stop()
        File.writeToStandardError("the load up to the error:\n\(report)\n")
        throw error
    }
    return await driver.stop()
}
