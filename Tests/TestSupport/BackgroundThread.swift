import Glibc

/// A thread of its own for work that waits, which Swift's pool of few threads must not.
struct BackgroundThread {
    private let thread: pthread_t

    /// Starts `work`.
    init(_ work: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let job = unsafe Unmanaged.passRetained(Job(work)).toOpaque()
        let status = unsafe pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().work()
                return nil
            },
            job
        )
        precondition(status == 0, "no thread could be started")
        self.thread = thread
    }

    /// Waits until the work is done.
    func join() {
        _ = pthread_join(thread, nil)
    }

    /// Lets it end by itself.
    func detach() {
        _ = pthread_detach(thread)
    }

    private final class Job {
        let work: @Sendable () -> Void

        init(_ work: @escaping @Sendable () -> Void) {
            self.work = work
        }
    }
}

/// Runs work that blocks on a thread of its own, while the task waits without holding up one of Swift's few threads.
///
/// - Parameter work: Records no issue of its test: only the task knows which test it belongs to.
/// - Returns: What `work` returned.
/// - Throws: What `work` throws.
public func onThread<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        let thread = BackgroundThread { continuation.resume(with: Swift.Result { try work() }) }
        thread.detach()
    }
}
