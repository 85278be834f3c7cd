import Linux

/// The one thread that owns everything, as a global actor.
///
/// Client sockets, Valkey sockets, timers and the features' state are isolated to this actor, whose executor is an
/// epoll loop. Calls between them are plain function calls; `await` only means "until something outside answers".
/// There is one loop in a process: whoever calls ``run()`` becomes its thread.
@globalActor
public actor EventLoop {
    /// The actor's only instance.
    public static let shared = EventLoop()

    /// Runs jobs of this actor on the loop's thread.
    nonisolated public var unownedExecutor: UnownedSerialExecutor {
        unsafe LoopExecutor.shared.asUnownedSerialExecutor()
    }

    /// The loop's descriptors and timers.
    @EventLoop public static let reactor = Reactor()

    /// Makes the calling thread the loop's, and runs until ``stop()``.
    ///
    /// - Parameter start: Runs first, on the loop; what it registers is what the loop then serves.
    nonisolated public static func run(_ start: @EventLoop () -> Void = {}) {
        LoopExecutor.shared.adoptThread()
        assumeIsolated {
            start()
            reactor.run()
        }
    }

    /// Ends ``run(_:)`` after the present turn.
    @EventLoop
    public static func stop() {
        reactor.isStopping = true
    }

    /// Runs `body` at once, on the loop's own thread.
    ///
    /// - Important: Traps on any other thread.
    nonisolated public static func assumeIsolated<Result>(
        _ body: @EventLoop () throws -> Result
    ) rethrows -> Result {
        precondition(LoopExecutor.shared.isOnThread, "this code belongs on the event loop's thread")
        return try assumeIsolatedUnchecked(body)
    }

    /// Runs `body` at once where the caller knows that it runs on the loop, such as in a callback of a C library that
    /// was called there.
    nonisolated public static func assumeIsolatedUnchecked<Result>(
        _ body: @EventLoop () throws -> Result
    ) rethrows -> Result {
        assert(LoopExecutor.shared.isOnThread, "this code belongs on the event loop's thread")
        return try withoutActuallyEscaping(body) { isolated in
            // The same cast by which the standard library's MainActor.assumeIsolated drops the isolation just checked.
            try unsafe unsafeBitCast(isolated, to: (() throws -> Result).self)()
        }
    }

    /// Lends `callback` to a C library that calls it back on this thread before it returns: many calls, one cast.
    ///
    /// - Parameters:
    ///   - callback: Run on the loop, however often.
    ///   - body: Runs the library; receives the callback as a function that knows no isolation.
    /// - Returns: What `body` returned.
    public static func lend<Argument, Result>(
        _ callback: @EventLoop (Argument) -> Void,
        to body: ((Argument) -> Void) -> Result
    ) -> Result {
        withoutActuallyEscaping(callback) { isolated in
            body(unsafe unsafeBitCast(isolated, to: ((Argument) -> Void).self))
        }
    }
}
