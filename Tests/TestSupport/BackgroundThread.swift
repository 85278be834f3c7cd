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

    private final class Job {
        let work: @Sendable () -> Void

        init(_ work: @escaping @Sendable () -> Void) {
            self.work = work
        }
    }
}
