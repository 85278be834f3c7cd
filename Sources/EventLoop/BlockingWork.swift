import Glibc
import Linux

/// Runs what blocks on a thread of its own and brings the result back to the loop.
public enum BlockingWork {
    /// Runs `body` on a helper thread; the caller waits without holding up the loop.
    ///
    /// Meant for rare work such as name resolution and synchronous file writes: each call starts a thread with a stack
    /// of 512 KiB.
    ///
    /// - Parameter body: Touches nothing that belongs to the loop.
    /// - Returns: What `body` returned.
    public static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        unsafe await withUnsafeContinuation { continuation in
            let work = unsafe Unmanaged.passRetained(Work { unsafe continuation.resume(returning: body()) })
            unsafe start(work)
        }
    }

    private final class Work {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) {
            self.body = body
        }
    }

    @unsafe
    private static func start(_ work: Unmanaged<Work>) {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        unsafe pthread_attr_setstacksize(&attributes, 512 * 1024)
        var thread = pthread_t()
        let status = unsafe pthread_create(
            &thread,
            &attributes,
            { argument in
                if let argument = unsafe argument {
                    unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
                }
                return nil
            },
            work.toOpaque()
        )
        unsafe pthread_attr_destroy(&attributes)
        // Without a thread the work is done here: slow is better than never.
        if status != 0 { unsafe work.takeRetainedValue().body() }
    }
}
