import CLinux
import Glibc

/// Which signals reach a thread.
public enum SignalMask {
    /// Runs `start`, which starts a thread, so that no signal ever reaches that thread.
    ///
    /// The kernel hands a signal of the process to any thread that does not block it. One that is not waited for in that
    /// thread would end the process.
    ///
    /// - Returns: What `start` returned.
    public static func shielding<Result>(_ start: () -> Result) -> Result {
        var old = sigset_t()
        unsafe squire_block_signals(&old)
        defer { unsafe squire_restore_signals(&old) }
        return start()
    }
}
