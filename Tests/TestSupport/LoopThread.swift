import EventLoop
import Glibc

/// The event loop of this process of tests, on a thread of its own from its first use to the end.
public enum LoopThread {
    /// Starts the thread where it does not run yet; what is isolated to `EventLoop` then runs on it.
    public static func start() {
        _ = isStarted
    }

    private static let isStarted: Bool = {
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread,
            nil,
            { _ in
                EventLoop.run()
                return nil
            },
            nil
        )
        precondition(status == 0, "no thread for the event loop")
        return true
    }()
}
