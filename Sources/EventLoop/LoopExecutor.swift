import Glibc
import Linux

/// The executor of ``EventLoop``: jobs from any thread, run on the loop's.
///
/// Jobs enqueued on the loop's own thread need no system call; from elsewhere the first job of a batch writes the
/// eventfd, and those behind it find the wake-up pending.
final class LoopExecutor: SerialExecutor {
    static let shared = LoopExecutor()

    private let lock = ThreadLock()
    // Guarded by `lock`.
    nonisolated(unsafe) private var jobs: [UnownedJob] = []
    // Guarded by `lock`.
    nonisolated(unsafe) private var isWakeupPending = false
    // Guarded by `lock`.
    nonisolated(unsafe) private var thread: pthread_t?
    // Touched by the loop's thread alone.
    nonisolated(unsafe) private var batch: [UnownedJob] = []
    private let counter: EventCounter

    private init() {
        do throws(SystemError) {
            counter = try EventCounter()
        } catch {
            fatalError("the event loop cannot start: \(error)")
        }
    }

    /// Descriptor that is readable when jobs wait.
    var descriptorNumber: Int32 { counter.descriptor.number }

    func adoptThread() {
        let current = pthread_self()
        lock.withLock {
            unsafe precondition(thread == nil || thread == current, "the event loop has a thread already")
            unsafe thread = current
        }
    }

    var isOnThread: Bool {
        let current = pthread_self()
        return lock.withLock { unsafe thread == current }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let current = pthread_self()
        let needsWakeup = lock.withLock {
            unsafe jobs.append(job)
            if unsafe isWakeupPending || thread == current { return false }
            unsafe isWakeupPending = true
            return true
        }
        if needsWakeup { counter.signal() }
    }

    /// Whether a job waits.
    var hasJobs: Bool {
        lock.withLock { unsafe !jobs.isEmpty }
    }

    /// Runs the jobs that waited when the call began; those they enqueue run in the next turn.
    func runJobs() {
        lock.withLock {
            unsafe swap(&batch, &jobs)
        }
        for job in unsafe batch {
            unsafe job.runSynchronously(on: asUnownedSerialExecutor())
        }
        unsafe batch.removeAll(keepingCapacity: true)
    }

    /// Takes note that the thread is awake.
    func acknowledgeWakeup() {
        counter.reset()
        lock.withLock { unsafe isWakeupPending = false }
    }

    func checkIsolated() {
        precondition(isOnThread, "this code belongs on the event loop's thread")
    }

    func isIsolatingCurrentContext() -> Bool? { isOnThread }
}
