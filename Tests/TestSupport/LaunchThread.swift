import Glibc
import Linux

/// The one thread that starts processes, and lasts as long as this process.
///
/// A child's death signal is tied to the thread that started it, and the threads of Swift's pool come and go.
enum LaunchThread {
    /// Runs `work` on the thread.
    static func run<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Queue.shared.append { continuation.resume(with: Swift.Result { try work() }) }
        }
    }

    @safe
    private final class Queue: Sendable {
        static let shared = Queue()

        private let lock = ThreadLock()
        // Only touched inside the lock.
        nonisolated(unsafe) private var jobs: [@Sendable () -> Void] = []
        // Made before the thread starts, never freed, and only handed to functions made for several threads.
        nonisolated(unsafe) private let ready: UnsafeMutablePointer<sem_t>

        private init() {
            unsafe ready = .allocate(capacity: 1)
            unsafe sem_init(ready, 0, 0)
            var thread = pthread_t()
            let context = unsafe Unmanaged.passRetained(self).toOpaque()
            let status = unsafe pthread_create(
                &thread,
                nil,
                { argument in
                    if let argument = unsafe argument {
                        unsafe Unmanaged<Queue>.fromOpaque(argument).takeUnretainedValue().serve()
                    }
                    return nil
                },
                context
            )
            precondition(status == 0, "no thread to start processes from")
        }

        func append(_ job: @escaping @Sendable () -> Void) {
            lock.withLock { unsafe jobs.append(job) }
            unsafe sem_post(ready)
        }

        private func serve() {
            while true {
                guard unsafe sem_wait(ready) == 0 else { continue }
                let job = lock.withLock { unsafe jobs.removeFirst() }
                job()
            }
        }
    }
}
